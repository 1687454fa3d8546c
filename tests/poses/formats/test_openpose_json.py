import json

import numpy as np
import pytest

from learn2dance.errors import UserError
from learn2dance.poses.formats import clip_files, openpose_json


def person(joints=25, offset=0.0, key="pose_keypoints_2d"):
    """Joint j at (10 j + offset, 20 j + offset), confidence 0.5."""
    return {key: [n for j in range(joints) for n in (10.0 * j + offset, 20.0 * j + offset, 0.5)]}


def text(*people):
    return json.dumps({"version": 1.3, "people": list(people)}).encode()


def frames(**contents):
    """Files named after their frames: f3=b"…" is the clip's frame 3."""
    return [(f"clip_{int(key[1:]):012d}_keypoints.json", data) for key, data in contents.items()]


def folder(path, files):
    path.mkdir(parents=True)
    for name, data in files:
        (path / name).write_bytes(data)
    return path


def read(path):
    return openpose_json.read(path, clip_files.read(path)[0])


CLIP = frames(f0=text(person()), f1=text(), f2=text(person(offset=1), person(offset=2)))


def test_people_frames_and_joints_come_out_as_written(tmp_path):
    found = read(folder(tmp_path / "clip", CLIP))
    assert (found.frames, found.missing, found.impossible) == (3, 0, 0)
    assert found.frame.tolist() == [0, 2, 2]
    assert found.people.shape == (3, 25, 3)
    assert found.people[2, 7].tolist() == [72, 142, 0.5]


def test_frame_numbers_come_from_the_names_and_gaps_keep_their_time(tmp_path):
    found = read(folder(tmp_path / "clip", frames(f3=text(person()), f40=text(person()))))
    assert (found.frames, found.missing) == (41, 39)
    assert found.frame.tolist() == [3, 40]


def test_older_key_and_people_without_a_body(tmp_path):
    clip = frames(f0=text(person(key="pose_keypoints"), {"pose_keypoints_2d": []}))
    assert read(folder(tmp_path / "clip", clip)).people.shape == (1, 25, 3)


def test_nobody_at_all_is_no_fault_of_the_files(tmp_path):
    found = read(folder(tmp_path / "clip", frames(f0=text(), f1=text())))
    assert found.people.shape == (0, 25, 3)
    assert found.frames == 2


def test_coco_18_becomes_the_15_with_the_hips_midpoint(tmp_path):
    # OpenPose's COCO order: 0 Nose 1 Neck … 8 RHip 9 RKnee 10 RAnkle 11 LHip 12 LKnee 13 LAnkle 14 REye …
    one, lame = person(18), person(18)
    one["pose_keypoints_2d"][3 * 11 + 2] = 0.3
    lame["pose_keypoints_2d"][3 * 8 : 3 * 9] = [0, 0, 0]
    path = folder(tmp_path / "clip", frames(f0=text(one), f1=text(lame)))
    body = openpose_json.to_body_25(path, read(path).people, 15)
    assert body.shape == (2, 15, 3)
    assert body[0, 8].tolist() == [(80 + 110) / 2, (160 + 220) / 2, np.float32(0.3)]  # MidHip
    assert body[0, [0, 7, 9, 11, 12, 14], 0].tolist() == [0, 70, 80, 100, 110, 130]
    assert body[1, 8].tolist() == [0, 0, 0]
    with pytest.raises(UserError, match="found COCO-18, which has no feet"):
        openpose_json.to_body_25(path, read(path).people, 25)


@pytest.mark.parametrize(
    ("joint", "counted"),
    [
        ("NaN, 1, 0.5", 1),
        ("1, Infinity, 0.5", 1),
        ("1, -1e999, 0.5", 1),
        ("1, 2, NaN", 1),
        ("null, 2, 0.5", 1),
        ("1e7, 2, 0.5", 1),
        ("1e300, 2, 0.5", 1),
        ("1, 2, -0.5", 1),
        ("1, 2, 87", 1),
        ("1" + "0" * 400 + ", NaN, 0.5", 1),
        ("3, 4, 0", 0),
    ],
)
def test_impossible_numbers_are_not_seen_and_counted(tmp_path, joint, counted):
    data = text(person()).replace(b"[0.0, 0.0, 0.5", b"[" + joint.encode())
    found = read(folder(tmp_path / "clip", frames(f0=data)))
    assert found.people[0, 0].tolist() == [0, 0, 0]
    assert found.people[0, 1].tolist() == [10, 20, 0.5]
    assert found.impossible == counted


def test_joints_off_the_picture_stay_and_confidence_ends_at_1(tmp_path):
    data = text(person()).replace(b"[0.0, 0.0, 0.5", b"[-12.5, -3, 1.04")
    assert read(folder(tmp_path / "clip", frames(f0=data))).people[0, 0].tolist() == [-12.5, -3, 1]


GOOD = text(person())


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (b"", "empty, expected OpenPose"),
        (b" \n", "empty, expected OpenPose"),
        (GOOD[:-40], "invalid JSON"),
        (GOOD + GOOD, "invalid JSON"),
        (b"\xff\xfe\xfa", "invalid JSON"),
        (b"[" * 100_000, "invalid JSON"),
        (b"[]", "found a list, expected a list of 'people'"),
        (b'[{"image_id": 1, "category_id": 1, "keypoints": [1, 2, 1]}]', "another tool"),
        (b'{"shapes": []}', "found keys shapes"),
        (b'{"people": null}', "list of 'people'"),
        (b'{"people": {"a": 1}}', "list of 'people'"),
        (b'{"people": [[1, 2, 3]]}', "found a list, expected 'pose_keypoints_2d'"),
        (b'{"people": [{"keypoints": []}]}', "found keys keypoints, expected 'pose_keypoints_2d'"),
        (text(person(24)), "72 numbers for a person, expected 75 .BODY_25. or 54 .COCO-18."),
        (text(person(16)), "48 numbers"),
        (text(person(17)), "found 17 joints, 25 before"),
        (text({"pose_keypoints_2d": [1.0] * 58}), "58 numbers"),
        (text(person(18)), "found 18 joints, 25 before"),
        (text({"pose_keypoints_2d": ["x"] * 75}), "not a list of numbers"),
        (text({"pose_keypoints_2d": "x" * 75}), "not a list of numbers"),
        (text({"pose_keypoints_2d": [[1, 2, 3]] * 25}), "not a list of numbers"),
    ],
)
def test_what_is_not_openposes_is_named_in_one_line(tmp_path, bad, says):
    path = folder(tmp_path / "clip", frames(f0=GOOD, f1=bad, f2=GOOD))
    with pytest.raises(UserError, match=says) as fault:
        read(path)
    assert "clip_000000000001_keypoints.json" in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["clip_keypoints.json"], "no frame number in the name"),
        (["clip_²_keypoints.json"], "no frame number in the name"),
        (["a_0_keypoints.json", "b_0_keypoints.json"], "are the same frame"),
        (["a_0_keypoints.json", "a_999999999999_keypoints.json"], "are files missing"),
        ([], "no .json files"),
        (["readme.txt"], "no .json files"),
    ],
)
def test_file_names(tmp_path, names, says):
    with pytest.raises(UserError, match=says):
        read(folder(tmp_path / "clip", [(name, GOOD) for name in names]))


def test_a_number_longer_than_python_converts(tmp_path):
    """An archive may hold names that no file can have."""
    name = "clip_" + "9" * 5000 + "_keypoints.json"
    with pytest.raises(UserError, match="clip.zip/clip_999.*expected …_000000000123_keypoints.json") as fault:
        openpose_json.read(tmp_path / "clip.zip", [(name, text())])
    assert len(str(fault.value)) <= 300
