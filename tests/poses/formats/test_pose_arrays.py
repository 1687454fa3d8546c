import io
import pickle
import zipfile

import numpy as np
import pytest
from format_samples import DANCE, TRUTH, T, is_refused, npy, npz, read

from learn2dance.data import npz as data_npz
from learn2dance.errors import UserError
from learn2dance.poses.formats import clip_files, openpose_json


def test_unknown_joints_in_arrays(tmp_path):
    dance = DANCE.copy()
    dance[3, 0] = np.nan
    dance[4, 1, :2] = 0
    dance[5, 2, 2] = 0
    found = read(tmp_path, npy(dance), "a.npy")
    unknown = (found.people == 0).all(axis=2)
    assert np.argwhere(unknown).tolist() == [[3, 0], [4, 1], [5, 2]]
    assert found.impossible == 0
    half = read(tmp_path, npy(dance[..., :2].astype(np.float16)), "half.npy")
    assert (half.people[..., 2] == 1).sum() == T * 17 - 2
    assert np.abs(half.people - found.people)[..., :2].max() < 1 or unknown[5, 2]
    whole = read(tmp_path, npy(DANCE[..., :2].round().astype(np.uint16)), "whole.npy")
    assert np.abs(whole.people - DANCE)[..., :2].max() <= 0.5 + 1e-3


def test_25_joints_are_more_than_coco_has(tmp_path):
    path = tmp_path / "a.npy"
    with pytest.raises(UserError, match="found COCO-17, which has no feet, expected 25 joints; use --joints 15"):
        openpose_json.to_body_25(path, read(tmp_path, npy(DANCE), "a.npy").people, 25)
    with pytest.raises(UserError, match="BODY-15"):
        openpose_json.to_body_25(path, read(tmp_path, npy(TRUTH), "a.npy").people, 25)
    feet = np.concatenate([TRUTH, np.full((T, 10, 3), 0.5)], axis=1)
    assert openpose_json.to_body_25(path, read(tmp_path, npy(feet), "a.npy").people, 25).shape == (T, 25, 3)


def bomb():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("poses.npy", "w") as member:
        for _ in range(3):
            member.write(bytes(1 << 26))
    return file.getvalue()


def claims(shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(64)


BAD = [
    ("a.npy", b"", "found nothing, expected .npy"),
    ("a.npy", npy(DANCE)[:1000], "incomplete .npy"),
    ("a.npy", npy(DANCE)[:20], "incomplete .npy"),
    ("a.npy", npy(np.array([{"a": 1}], object)), "pickled objects, which could run code"),
    ("a.npy", claims((1 << 40, 17, 3)), "incomplete .npy"),
    ("a.npy", claims((1 << 62, 17, 3)), "incomplete .npy"),
    ("a.npy", npy(np.zeros((T, 16, 2))), r"'poses' is .60, 16, 2., expected"),
    ("a.npy", npy(np.zeros((T, 34))), r"'poses' is .60, 34., expected"),
    ("a.npy", npy(np.zeros((T, 17, 4))), "expected"),
    ("a.npy", npy(np.zeros((2, T, 17, 3))), "expected"),
    ("a.npy", npy(np.zeros((T, 17, 3), complex)), "is complex128, expected numbers"),
    ("a.npy", npy(np.zeros((T, 17, 3), "U3")), "expected numbers"),
    ("a.npy", npy(np.zeros((T, 17), [("x", "f4")])), "expected numbers"),
    ("a.npy", npy(DANCE * [1, 1, 90]), "found third numbers from 56.25 to 78.75, expected confidence"),
    ("a.npy", npy(DANCE - [0, 0, 1]), "if they are depth"),
    (
        "a.npy",
        npy(DANCE.transpose(1, 0, 2)),
        "are frames and joints exchanged .60 joints",
    ),
    ("a.npy", npy(TRUTH[:25].transpose(1, 0, 2)), "are frames and joints exchanged"),
    ("a.npy", npy(TRUTH[0, :, :2]), "is it one pose"),
    ("a.npz", npz(a=DANCE, b=DANCE), "found a .60, 17, 3., b .60, 17, 3., expected 'poses' .frames, joints, 2 or 3."),
    ("a.npz", npz(), "expected .npy, .npz or a pickle"),
    ("a.npz", npz(poses=DANCE)[:-30], r"a\.npz: .*\.npz file"),
    ("a.npz", npz(poses=np.array([None])), "pickled objects, which could run code"),
    ("a.npz", npz(poses=DANCE, fps=0), "'fps' is '0', expected frames a second"),
    ("a.npz", npz(poses=DANCE, fps="fast"), "'fps' is 'fast'"),
    ("a.npz", npz(poses=DANCE[..., :2], confidence=DANCE[:9, :, 2]), r"'confidence' is .9, 17., expected"),
    ("a.npz", npz(poses=DANCE[..., :2], scores=DANCE[..., 2] * 9), "expected confidence, 0-1"),
    ("a.npz", npz(motion=np.zeros((T, 72))), r"found motion .60, 72."),
    (
        "a.pkl",
        pickle.dumps({"keypoints3d": DANCE, "keypoints3d_optim": DANCE}),
        "found keypoints3d .60, 17, 3., keypoints3d_optim",
    ),
    ("a.pkl", pickle.dumps({"smpl_poses": np.zeros((T, 72))}), "found smpl_poses .60, 72."),
    (
        "a.pkl",
        pickle.dumps({"keypoints2d": np.zeros((9, T, 67, 3))}),
        r"found keypoints2d .9, 60, 67, 3., expected .* .cameras, frames, 17, 3.",
    ),
    ("a.pkl", pickle.dumps(DANCE, 0), "a pickle .protocol 2 or later."),
    ("a.pkl", b"cos\nsystem\n(Vtrue\ntR.", "a pickle .protocol 2 or later."),
    ("a.pkl", pickle.dumps({"keypoints2d": np.zeros((0, T, 17, 3))}), "found 0 cameras"),
]


@pytest.mark.parametrize(("name", "data", "says"), BAD, ids=[f"{n} {s[:30]}" for n, _, s in BAD])
def test_what_cannot_be_read_is_one_line_that_names_the_file(tmp_path, name, data, says):
    is_refused(tmp_path, name, data, says)


def test_too_much_in_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(data_npz, "LARGEST_FILE", 1 << 27)
    data = bomb()
    assert len(data) < 1 << 20
    with pytest.raises(UserError, match="unpacks to 192 MiB, expected at most 128"):
        read(tmp_path, data, "a.npz")
    monkeypatch.setattr(clip_files, "LARGEST_CLIP", 1 << 10)
    for name, contents in (("a.npy", npy(DANCE)), ("folder", {"a.npy": npy(DANCE)})):
        with pytest.raises(UserError, match="expected the poses of one clip"):
            read(tmp_path, contents, name)


def test_empty_results_are_nobody(tmp_path):
    for name, data in (
        ("a.json", b"[]"),
        ("a.npy", npy(np.zeros((0, 17, 3)))),
        ("b.npy", npy(np.full((9, 17, 2), np.nan))),
    ):
        assert not read(tmp_path, data, name).people.any()
