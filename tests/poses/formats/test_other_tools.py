"""One clean dance, written in every format by a few lines that know nothing of the code, must come out as it is."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest

from learn2dance.data import npz as data_npz
from learn2dance.errors import UserError
from learn2dance.poses.formats import clip_files, openpose_json, other_tools

# As the COCO key-point challenge and OpenPose's documentation list them.
COCO = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
).split()
BODY = (
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip right_hip right_knee "
    "right_ankle left_hip left_knee left_ankle"
).split()
STANDING = {  # pixels from the middle of the hips, y down
    "nose": (0, -110), "left_eye": (5, -115), "right_eye": (-5, -115), "left_ear": (10, -112), "right_ear": (-10, -112),
    "left_shoulder": (30, -80), "right_shoulder": (-30, -82), "left_elbow": (45, -40), "right_elbow": (-50, -45),
    "left_wrist": (50, -5), "right_wrist": (-60, -10), "left_hip": (15, 0), "right_hip": (-15, 2),
    "left_knee": (18, 60), "right_knee": (-20, 62), "left_ankle": (20, 120), "right_ankle": (-22, 121),
}  # fmt: skip
T = 60


def joint(name, t):
    """Where a joint is: somebody who sways and lifts an arm."""
    if name in ("neck", "mid_hip"):
        part = "shoulder" if name == "neck" else "hip"
        return (joint(f"left_{part}", t) + joint(f"right_{part}", t)) / 2
    x, y = STANDING[name]
    return np.array([400 + x + 20 * np.sin(t / 8), 300 + y + (10 * np.cos(t / 6) if "wrist" in name else 0)])


def sure(name):
    """How sure the detector is of a joint; of the neck as little as of the lesser shoulder."""
    special = {"right_shoulder": 0.75, "neck": 0.75, "left_hip": 0.625, "mid_hip": 0.625}
    return special.get(name, 0.875)


DANCE = np.array([[[*joint(name, t), sure(name)] for name in COCO] for t in range(T)])  # (T, 17, 3)
TRUTH = np.array([[[*joint(name, t), sure(name)] for name in BODY] for t in range(T)])  # (T, 15, 3)
OTHER = DANCE * [0.5, 0.5, 0.8] + [30, 0, 0]  # somebody smaller


def coco_results(image=str, frames=range(T), dance=DANCE, **more):
    return [
        {"image_id": image(t), "category_id": 1, "keypoints": dance[t].ravel().tolist(), "score": 2.7, **more}
        for t in frames
    ]


def instances(first):
    people = [
        [
            {"keypoints": d[t, :, :2].tolist(), "keypoint_scores": d[t, :, 2].tolist(), "bbox": [[0, 0, 9, 9]]}
            for d in who
        ]
        for t, who in enumerate([[DANCE, OTHER]] * T)
    ]
    return [{"frame_id": t + first, "instances": found} for t, found in enumerate(people)]


def brace(first, last, video="RS0mFARO1x4", dance=DANCE):
    """Frame 0 of the dance is picture 1."""
    return {
        f"{video}/img-{t + 1:06d}.png": {"box": [1.0, 2.0, 3.0, 4.0, 1.0], "keypoints": dance[t].tolist()}
        for t in range(first, last)
    }


def aist(dance=DANCE):
    views = np.stack([dance + [100 * view, 0, 0] for view in range(9)]).astype(np.float32)
    views[:, 7] = np.nan  # nobody was found
    return {"keypoints2d": views, "det_scores": np.ones((9, T), np.float32), "timestamps": np.arange(T) * 16667}


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def text(content):
    return json.dumps(content).encode()


def read(tmp_path, contents, name="clip", **options):
    """Read a clip: one file where ``name`` has an ending, else a folder of these files."""
    path = tmp_path / name
    if isinstance(contents, bytes):
        path.write_bytes(contents)
    else:
        path.mkdir()
        for file, data in contents.items():
            (path / file).write_bytes(data)
    files, digest = clip_files.read(path)
    assert path.is_dir() or digest == data_npz.digest(path)
    return other_tools.detect(path, files, **options)


WAYS = {
    "alphapose of a video": ("a.json", text(coco_results(lambda t: f"{t}.jpg", box=[1, 2, 3, 4], idx=[0.0]))),
    "detectron2": ("a.json", text(coco_results(int))),
    "mmpose's inferencer": ("a.json", text(instances(0))),
    "mmpose's demo": ("a.json", text({"meta_info": {"num_keypoints": 17}, "instance_info": instances(1)})),
    "brace": ("a.json", text(brace(0, T))),
    "aist, other camera": ("a.pkl", pickle.dumps(aist(), 4)),
    "npy": ("a.npy", npy(DANCE)),
    "npz": ("a.npz", npz(poses=DANCE[..., :2], confidence=DANCE[..., 2], fps=29.97)),
    "npz of another key": ("a.npz", npz(joints=DANCE, names=np.array(COCO))),
    "15 joints": ("a.npy", npy(TRUTH)),
    "pickled array": ("a.pkl", pickle.dumps(DANCE)),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_dance_comes_out_of_every_format(tmp_path, way):
    name, data = WAYS[way]
    camera = {"camera": 3} if "camera" in way else {}
    found = read(tmp_path, data, name, **camera)
    body = openpose_json.to_body_25(tmp_path / name, found.people, 15)
    truth = TRUTH.copy()
    if camera:
        truth[..., 0] += 200
        truth[7] = 0
    dancer = body[::2] if "mmpose" in way else body
    assert found.frames == T
    assert found.frame.tolist() == np.repeat(np.arange(T), 2 if "mmpose" in way else 1).tolist()
    np.testing.assert_allclose(dancer, truth, rtol=1e-6)
    assert found.fps == {"npz": 29.97, "aist, other camera": 60}.get(way)
    assert found.odd == 0
    assert read(tmp_path, {name: data}, "folder", **camera).people.tobytes() == found.people.tobytes()


def test_every_format_goes_through_the_stage_as_openpose_does(tmp_path, run_stage):
    root = tmp_path / "keypoints"
    (root / "openpose").mkdir(parents=True)
    for t in range(T):
        numbers = np.zeros((25, 3))
        numbers[:15] = TRUTH[t]
        person = {"pose_keypoints_2d": numbers.ravel().tolist()}
        (root / "openpose" / f"openpose_{t:012d}_keypoints.json").write_bytes(text({"people": [person]}))
    crowd = [p for t in range(T) for d in (OTHER, DANCE) for p in coco_results(lambda t: f"{t}.jpg", [t], d)]
    (root / "alphapose.json").write_bytes(text(crowd))
    (root / "mmpose.json").write_bytes(text(instances(0)))
    (root / "array.npz").write_bytes(npz(poses=DANCE, fps=25))
    (root / "aist.pkl").write_bytes(pickle.dumps(aist()))
    (root / "brace").mkdir()
    (root / "brace" / "v_1-30_toprock.json").write_bytes(text(brace(0, 30)))
    (root / "brace" / "v_31-60_footwork.json").write_bytes(text(brace(30, T)))
    rates = "".join(f"{clip},25\n" for clip in ("openpose", "alphapose", "mmpose", "brace"))
    (tmp_path / "clips.csv").write_text("clip,fps\n" + rates)
    result = run_stage("parse.py", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "alphapose: 60 frames at 25 fps, 2 people, dancer in 60, COCO results;" in result.stdout
    assert "aist: 60 frames at 60 fps, 1 person, dancer in 59, AIST++, camera 1;" in result.stdout
    expected = data_npz.load(tmp_path / "poses" / "openpose.npz", "poses")
    for clip in ("alphapose", "mmpose", "array", "brace"):
        found = data_npz.load(tmp_path / "poses" / f"{clip}.npz", "poses")
        np.testing.assert_allclose(found["poses"], expected["poses"], atol=0.01)
        np.testing.assert_allclose(found["confidence"], expected["confidence"], atol=1e-6)
        assert found["fps"] == 25
    assert data_npz.load(tmp_path / "poses" / "aist.npz", "poses")["filled"][7].all()
    assert "6 were up to date" in run_stage("parse.py", tmp_path).stdout

    (root / "array.npz").write_bytes(npz(poses=DANCE * [0.001, 0.002, 1], fps=25))
    (root / "aist.pkl").write_bytes(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.")
    result = run_stage("parse.py", tmp_path)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    first, second = result.stderr.strip().splitlines()
    assert "aist.pkl: holds a call of 'os.system', expected numpy arrays alone" in first
    assert "array.npz: people are" in second and "expected pixels" in second


def test_real_dancers_with_bystanders_are_followed_in_coco_results_too(tmp_path, run_stage, shared):
    """OpenPose's detections, rewritten as AlphaPose would write them, against the dancer's true joints."""
    openpose = (
        "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip right_hip "
        "right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear"
    ).split()
    order = [openpose.index(name) for name in COCO]
    (tmp_path / "keypoints").mkdir()
    truths = sorted((shared / "crowd" / "truth").glob("*.npz"))
    for truth in truths:
        files, _ = clip_files.read(shared / "crowd" / "keypoints" / f"{truth.stem}.tar.gz")
        people = [
            {"image_id": f"{int(name.split('_')[-2])}.jpg", "keypoints": joints[order].ravel().tolist(), "score": 2.5}
            for name, data in files
            for person in json.loads(data)["people"]
            for joints in [np.reshape(person["pose_keypoints_2d"], (25, 3))]
        ]
        (tmp_path / "keypoints" / f"{truth.stem}.json").write_bytes(text(people))
    assert run_stage("parse.py", tmp_path, "--fps", 25).returncode == 0
    for truth in truths:
        joints = np.load(truth)["poses"][:, :15]
        height = np.median(joints[:, [11, 14], 1].max(axis=1) - joints[:, 0, 1])
        found = data_npz.load(tmp_path / "poses" / truth.name, "poses")["poses"]
        error = np.linalg.norm(found - joints[: len(found)], axis=-1) / height
        print(f"{truth.stem}: joints {np.nanmean(error):.3%} of the height off")
        assert np.nanmean(error) < 0.005
        assert np.mean(np.nanmedian(error, axis=1) > 0.1) < 0.005


def test_frames_keep_their_numbers(tmp_path):
    def numbered(image, frames, **options):
        return read(tmp_path, text(coco_results(image, frames)), "a.json", **options)

    assert numbered(int, [5, 9, 9, 40]).frame.tolist() == [5, 9, 9, 40]
    assert numbered(int, [40, 5, 9]).frame.tolist() == [5, 9, 40]  # in order of time
    assert numbered(lambda t: f"clip7_frame{t:05d}.jp2", [5, 40]).frame.tolist() == [5, 40]
    assert numbered(lambda t: f"frames/{t + 1:06d}.png", [0, 1], first_frame=1).frame.tolist() == [0, 1]
    for bad in (-1, 1.5, "clip.jpg", None, True, [1], "9" * 20, "1" * 300, 1e30):
        with pytest.raises(UserError, match=r"a\.json: picture .* expected a frame's number"):
            numbered(lambda t, bad=bad: bad, [0])
    with pytest.raises(UserError, match="pictures named 'a_'… and 'b_'…"):
        numbered(lambda t: f"{'ab'[t % 2]}_{t}.jpg", range(4))
    with pytest.raises(UserError, match="are two mixed"):
        numbered(lambda t: t if t % 2 else f"{t}.jpg", range(4))
    with pytest.raises(UserError, match="people in 1 frames, but frame numbers up to 999999999"):
        numbered(lambda t: 999_999_999, [0])
    with pytest.raises(UserError, match="a frame 1 before the video's first; is --first-frame too high"):
        numbered(int, [0, 1], first_frame=1)


def test_brace_segments_of_one_video_keep_the_videos_clock(tmp_path):
    """Segments lie anywhere in a video, may touch, and two dancers may overlap by a frame: the first stays."""
    late = {key.replace("img-00", "img-01"): value for key, value in brace(20, 40, dance=DANCE + [1, 0, 0]).items()}
    found = read(tmp_path, {"v_1-31_a.json": text(brace(0, 31)), "v_10021-10040_b.json": text(late)}, "video")
    assert found.frame.tolist() == [*range(31), *range(10020, 10040)]
    assert found.frames == 10_040
    assert found.chosen
    shared = {"v_1.json": text(brace(0, 31)), "v_2.json": text(brace(30, T, dance=DANCE + [5, 0, 0]))}
    found = read(tmp_path, shared, "shared")
    assert found.frame.tolist() == list(range(T))
    np.testing.assert_allclose(found.people[30:32, 0, 0] - DANCE[30:32, 0, 0], [0, 5], atol=1e-4)
    mixed = {"v_1.json": text(brace(0, 31)), "w_2.json": text(brace(40, 50, video="other"))}
    with pytest.raises(UserError, match="expected one video's"):
        read(tmp_path, mixed, "mixed")
    with pytest.raises(UserError, match="is a file cut short"):
        read(tmp_path, {"v_1.json": text(brace(0, 31)), "v_2.json": text(brace(31, T))[:-20]}, "cut")


@pytest.mark.parametrize(("confidence", "expected"), [(2.7, 1), (0.5, 0.5), (-0.1, 0), (87, 1), (0, 0)])
def test_confidences_beyond_1_are_1(tmp_path, confidence, expected):
    """AlphaPose, Detectron2 (logits' sums) and RTMPose do not keep to 0-1."""
    dance = DANCE.copy()
    dance[..., 2] = confidence
    found = read(tmp_path, text(coco_results(dance=dance)), "a.json")
    assert (found.people[..., 2] == expected).all()
    assert found.odd == 0


@pytest.mark.parametrize("joints", [26, 68, 133, 136])
def test_larger_models_begin_with_cocos_joints(tmp_path, joints):
    more = np.concatenate([DANCE, np.full((T, joints - 17, 3), 7.0)], axis=1)
    found = read(tmp_path, text(coco_results(dance=more)), "a.json")
    np.testing.assert_allclose(found.people, DANCE, rtol=1e-6)


@pytest.mark.parametrize("value", [float("nan"), None, float("inf"), 1e300, -1e7, 10**400])
def test_impossible_places_are_not_seen_and_counted(tmp_path, value):
    people = coco_results()
    people[3]["keypoints"][0] = value
    found = read(tmp_path, text(people), "a.json")
    assert found.odd == 1
    assert found.people[3, 0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(found.people[3, 1:], DANCE[3, 1:], rtol=1e-6)


def test_unknown_joints_in_arrays(tmp_path):
    dance = DANCE.copy()
    dance[3, 0] = np.nan
    dance[4, 1, :2] = 0
    dance[5, 2, 2] = 0
    found = read(tmp_path, npy(dance), "a.npy")
    unknown = (found.people == 0).all(axis=2)
    assert np.argwhere(unknown).tolist() == [[3, 0], [4, 1], [5, 2]]
    assert found.odd == 0
    half = read(tmp_path, npy(dance[..., :2].astype(np.float16)), "half.npy")
    assert (half.people[..., 2] == 1).sum() == T * 17 - 2
    assert np.abs(half.people - found.people)[..., :2].max() < 1 or unknown[5, 2]
    whole = read(tmp_path, npy(DANCE[..., :2].round().astype(np.uint16)), "whole.npy")
    assert np.abs(whole.people - DANCE)[..., :2].max() <= 0.5 + 1e-3


def test_format_overrides_and_is_refused_where_it_cannot_be(tmp_path):
    results = text(coco_results(int))
    assert read(tmp_path, results, "a.json", format="coco").frames == T
    assert read(tmp_path, results, "a.json", format="openpose") is None
    with pytest.raises(UserError, match="expected a list of objects with 'frame_id'|expected objects with frame_id"):
        read(tmp_path, results, "a.json", format="mmpose")
    with pytest.raises(UserError, match="expected BRACE's pictures by name"):
        read(tmp_path, results, "a.json", format="brace")
    with pytest.raises(UserError, match="--format coco, but this is no JSON"):
        read(tmp_path, npy(DANCE), "a.npy", format="coco")
    with pytest.raises(UserError, match="no 'keypoints2d'"):
        read(tmp_path, npy(DANCE), "a.npy", format="aist")
    assert read(tmp_path, npz(keypoints2d=DANCE), "a.npz", format="array").frames == T
    assert read(tmp_path, npy(DANCE), "really_an_array.json").frames == T  # the content tells, not the name


def test_openposes_own_is_left_to_its_reader(tmp_path):
    frame = text({"version": 1.3, "people": []})
    assert read(tmp_path, {"c_0_keypoints.json": frame, "c_1_keypoints.json": frame}) is None
    for name, bad in (("empty", b""), ("cut", frame[:-9]), ("list", b'[{"a": 1}]')):
        assert read(tmp_path, {"c_0_keypoints.json": bad, "c_1_keypoints.json": frame}, name) is None
    with pytest.raises(UserError, match="one frame of OpenPose's; put all frames of a clip into a folder"):
        read(tmp_path, frame, "c.json")


def test_25_joints_are_more_than_coco_has(tmp_path):
    path = tmp_path / "a.npy"
    with pytest.raises(UserError, match="--joints 25, but its model is COCO-17, which has no feet; take --joints 15"):
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
    ("a.json", b"", "not whole JSON"),
    ("a.json", text(coco_results())[:-30], "not whole JSON"),
    ("a.json", b"[" * 100_000, "not whole JSON"),
    ("a.json", b"{}", "expected OpenPose's, COCO's, MMPose's or BRACE's JSON, found a dict"),
    ("a.json", b"3", "found a int"),
    ("a.json", b"[1, 2]", "found a list"),
    ("a.json", text({"images": [], "annotations": []}), "found a dict"),
    ("a.json", text([{"keypoints": [], "keypoint_scores": []}]), "found a list with keys keypoints, keypoint_scores"),
    ("a.json", text([{"image_id": 1, "bbox": [1, 2, 3, 4]}]), "expected objects with image_id and keypoints"),
    ("a.json", text([*coco_results(), 5]), "found a int"),
    ("a.json", text([{"image_id": 1, "keypoints": [1.0] * 48}]), "48 numbers for a person, expected 51"),
    ("a.json", text([{"image_id": 1, "keypoints": [1.0] * 34}]), "34 numbers"),
    ("a.json", text([{"image_id": 1, "keypoints": []}]), "0 numbers"),
    ("a.json", text([{"image_id": 1, "keypoints": 5}]), "1 numbers"),
    ("a.json", text([{"image_id": 1, "keypoints": None}]), "1 numbers"),
    ("a.json", text([{"image_id": 1, "keypoints": {"a": 1}}]), "not as many numbers"),
    ("a.json", text([{"image_id": 1, "keypoints": ["x"] * 51}]), "not as many numbers"),
    ("a.json", text([{"image_id": 1, "keypoints": [[1, 2]] * 17}]), "34 numbers"),
    ("a.json", text([{"image_id": n, "keypoints": [1] * k} for n, k in ((0, 51), (1, 78))]), "are two models mixed"),
    ("a.json", text({"instance_info": None}), "expected a list of objects with 'frame_id'"),
    ("a.json", text([{"frame_id": 1, "instances": {}}]), "expected a list of objects with 'keypoints'"),
    ("a.json", text([{"frame_id": 1, "instances": [{"keypoints": [[1, 2]], "keypoint_scores": 1}]}]), "do not fit"),
    (
        "a.json",
        text([{"frame_id": 1, "instances": [{"keypoints": [[1, 2, 3]] * 17, "keypoint_scores": [1] * 17}]}]),
        "68 ",
    ),
    ("a.json", text({"v/img-1.png": {"box": [], "keypoints": [[1, 2]] * 17}}), "34 numbers"),
    ("a.json", text({"v/img-9999999.png": {"box": [], "keypoints": DANCE[0].tolist()}}), "frame numbers up to 9999998"),
    ("a.json", text({"a": {"keypoints": []}}), "picture 'a'"),
    ("a.json", text({"0.jpg": {"version": "AlphaPose v0.3", "people": []}}), "AlphaPose with its default format"),
    ("a.json", text({"0.jpg": {"version": "AlphaPose v0.3", "bodies": []}}), "AlphaPose with its default format"),
    ("a.json", text({"v/img-000000.png": {"keypoints": DANCE[0].tolist()}}), "before the video's first"),
    ("a.npy", b"", "found nothing; was it cut short"),
    ("a.npy", npy(DANCE)[:1000], "not a whole .npy"),
    ("a.npy", npy(DANCE)[:20], "not a whole .npy"),
    ("a.npy", npy(np.array([{"a": 1}], object)), "pickled objects, which could run code"),
    ("a.npy", claims((1 << 40, 17, 3)), "not a whole .npy"),
    ("a.npy", claims((1 << 62, 17, 3)), "not a whole .npy"),
    ("a.npy", npy(np.zeros((T, 16, 2))), r"'poses' is .60, 16, 2., expected"),
    ("a.npy", npy(np.zeros((T, 34))), r"'poses' is .60, 34., expected"),
    ("a.npy", npy(np.zeros((T, 17, 4))), "expected"),
    ("a.npy", npy(np.zeros((2, T, 17, 3))), "expected"),
    ("a.npy", npy(np.zeros((T, 17, 3), complex)), "is complex128, expected numbers"),
    ("a.npy", npy(np.zeros((T, 17, 3), "U3")), "expected numbers"),
    ("a.npy", npy(np.zeros((T, 17), [("x", "f4")])), "expected numbers"),
    ("a.npy", npy(DANCE * [1, 1, 90]), "the third numbers run from 56.25 to 78.75, expected confidence"),
    ("a.npy", npy(DANCE - [0, 0, 1]), "are they depth"),
    ("a.npy", npy(DANCE[..., :2] / [1280, 720]), "expected pixels"),
    ("a.npz", npz(a=DANCE, b=DANCE), "expected 'poses' .frames, joints, 2 or 3., found a .60, 17, 3., b"),
    ("a.npz", npz(), "expected .npy, .npz or a pickle"),
    ("a.npz", npz(poses=DANCE)[:-30], "not a whole .npz"),
    ("a.npz", npz(poses=np.array([None])), "pickled objects, which could run code"),
    ("a.npz", npz(poses=DANCE, fps=0), "'fps' is 0, expected frames a second"),
    ("a.npz", npz(poses=DANCE, fps="fast"), "'fps' is fast"),
    ("a.npz", npz(poses=DANCE[..., :2], confidence=DANCE[:9, :, 2]), r"'confidence' is .9, 17., expected"),
    ("a.npz", npz(poses=DANCE[..., :2], scores=DANCE[..., 2] * 9), "expected confidence, 0-1"),
    ("a.npz", npz(motion=np.zeros((T, 72))), r"found motion .60, 72."),
    ("a.pkl", pickle.dumps({"keypoints3d": DANCE, "keypoints3d_optim": DANCE}), "found keypoints3d"),
    ("a.pkl", pickle.dumps({"smpl_poses": np.zeros((T, 72))}), "found smpl_poses"),
    ("a.pkl", pickle.dumps({"keypoints2d": np.zeros((9, T, 67, 3))}), r"expected .cameras, frames, 17, 3."),
    ("a.pkl", pickle.dumps(DANCE, 0), "a pickle .protocol 2 or later."),
    ("a.pkl", b"cos\nsystem\n(Vtrue\ntR.", "a pickle .protocol 2 or later."),
    ("a.pkl", pickle.dumps({"keypoints2d": np.zeros((0, T, 17, 3))}), "--camera 1, but it has 0"),
]


@pytest.mark.parametrize(("name", "data", "says"), BAD, ids=[f"{n} {s[:30]}" for n, _, s in BAD])
def test_what_cannot_be_read_is_one_line_that_names_the_file(tmp_path, name, data, says):
    with pytest.raises(UserError, match=says) as fault:
        read(tmp_path, data, name)
    assert name in str(fault.value)
    assert "\n" not in str(fault.value) and len(str(fault.value)) < 400 + len(str(tmp_path))


def test_too_much_in_a_file(tmp_path, monkeypatch):
    from learn2dance.poses.formats import pose_arrays

    monkeypatch.setattr(pose_arrays, "LARGEST_CLIP", 1 << 27)
    data = bomb()
    assert len(data) < 1 << 20
    with pytest.raises(UserError, match="unpacks to 192 MiB, expected the poses of one clip"):
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


def test_two_files_of_a_whole_clip_are_one_too_many(tmp_path):
    results = text(coco_results())
    with pytest.raises(UserError, match="2 files, expected one for the whole clip; found a.json, b.json"):
        read(tmp_path, {"a.json": results, "b.json": results})
    with pytest.raises(UserError, match="2 files"):
        read(tmp_path, {"a.npy": npy(DANCE), "b.pkl": b"x"}, "arrays")
    assert read(tmp_path, {"a.json": results, "b.npy": b"x"}, "both").frames == T  # JSON before arrays
