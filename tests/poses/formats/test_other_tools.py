"""One clean dance in every format must come out as it is; errors of JSON."""

import pickle

import numpy as np
import pytest
from format_samples import (
    BODY,
    COCO,
    DANCE,
    TRUTH,
    T,
    aist,
    brace,
    coco_results,
    instances,
    is_refused,
    npy,
    npz,
    read,
    text,
)

from learn2dance.errors import UserError
from learn2dance.poses.formats import conversion, openpose_json

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
    assert found.impossible == 0
    assert read(tmp_path, {name: data}, "folder", **camera).people.tobytes() == found.people.tobytes()


def test_frames_keep_their_numbers(tmp_path):
    def numbered(image, frames, **options):
        return read(tmp_path, text(coco_results(image, frames)), "a.json", **options)

    assert numbered(int, [5, 9, 9, 40]).frame.tolist() == [5, 9, 9, 40]
    assert numbered(int, [40, 5, 9]).frame.tolist() == [5, 9, 40]  # in order of time
    assert numbered(lambda t: f"clip7_frame{t:05d}.jp2", [5, 40]).frame.tolist() == [5, 40]
    assert numbered(lambda t: f"frames/{t + 1:06d}.png", [0, 1], first_frame=1).frame.tolist() == [0, 1]
    for bad in (-1, 1.5, "clip.jpg", None, True, [1], "9" * 20, "1" * 300, 1e30):
        with pytest.raises(UserError, match=r"a\.json: found image .* expected a frame's number"):
            numbered(lambda t, bad=bad: bad, [0])
    with pytest.raises(UserError, match="found images 'a_'… and 'b_'…"):
        numbered(lambda t: f"{'ab'[t % 2]}_{t}.jpg", range(4))
    with pytest.raises(UserError, match="are two mixed"):
        numbered(lambda t: t if t % 2 else f"{t}.jpg", range(4))
    with pytest.raises(UserError, match="found people in 1 frames, but frame numbers up to 999999999"):
        numbered(lambda t: 999_999_999, [0])
    with pytest.raises(UserError, match="found a frame 1 before the video's first; is --first-frame too high"):
        numbered(int, [0, 1], first_frame=1)


def test_brace_segments_of_one_video_keep_the_videos_clock(tmp_path):
    """Segments lie anywhere in a video, may touch, and two dancers may overlap by a frame: the first stays."""
    late = {key.replace("img-00", "img-01"): value for key, value in brace(20, 40, dance=DANCE + [1, 0, 0]).items()}
    found = read(tmp_path, {"v_1-31_a.json": text(brace(0, 31)), "v_10021-10040_b.json": text(late)}, "video")
    assert found.frame.tolist() == [*range(31), *range(10020, 10040)]
    assert found.frames == 10_040
    assert found.dancer_only
    shared = {"v_1.json": text(brace(0, 31)), "v_2.json": text(brace(30, T, dance=DANCE + [5, 0, 0]))}
    found = read(tmp_path, shared, "shared")
    assert found.frame.tolist() == list(range(T))
    np.testing.assert_allclose(found.people[30:32, 0, 0] - DANCE[30:32, 0, 0], [0, 5], atol=1e-4)
    mixed = {"v_1.json": text(brace(0, 31)), "w_2.json": text(brace(40, 50, video="other"))}
    with pytest.raises(UserError, match="expected one clip's"):
        read(tmp_path, mixed, "mixed")
    with pytest.raises(UserError, match="is a file incomplete"):
        read(tmp_path, {"v_1.json": text(brace(0, 31)), "v_2.json": text(brace(31, T))[:-20]}, "cut")


@pytest.mark.parametrize(("confidence", "expected"), [(2.7, 1), (0.5, 0.5), (-0.1, 0), (87, 1), (0, 0)])
def test_confidences_beyond_1_are_1(tmp_path, confidence, expected):
    """AlphaPose, Detectron2 (logits' sums) and RTMPose do not keep to 0-1."""
    dance = DANCE.copy()
    dance[..., 2] = confidence
    found = read(tmp_path, text(coco_results(dance=dance)), "a.json")
    assert (found.people[..., 2] == expected).all()
    assert found.impossible == 0


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
    assert found.impossible == 1
    assert found.people[3, 0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(found.people[3, 1:], DANCE[3, 1:], rtol=1e-6)


def test_format_overrides_and_is_refused_where_it_cannot_be(tmp_path):
    results = text(coco_results(int))
    assert read(tmp_path, results, "a.json", format="coco").frames == T
    assert read(tmp_path, results, "a.json", format="openpose") is None
    with pytest.raises(UserError, match="expected a list of objects with frame_id"):
        read(tmp_path, results, "a.json", format="mmpose")
    with pytest.raises(UserError, match="expected BRACE's images by name"):
        read(tmp_path, results, "a.json", format="brace")
    with pytest.raises(UserError, match="found no JSON, as --format coco expects"):
        read(tmp_path, npy(DANCE), "a.npy", format="coco")
    with pytest.raises(UserError, match="expected 'keypoints2d'"):
        read(tmp_path, npy(DANCE), "a.npy", format="aist")
    assert read(tmp_path, npz(keypoints2d=DANCE), "a.npz", format="array").frames == T
    assert read(tmp_path, npy(DANCE), "really_an_array.json").frames == T  # the content tells, not the name


def test_openposes_own_is_left_to_its_reader(tmp_path):
    frame = text({"version": 1.3, "people": []})
    assert read(tmp_path, {"c_0_keypoints.json": frame, "c_1_keypoints.json": frame}) is None
    for name, bad in (("empty", b""), ("cut", frame[:-9]), ("list", b'[{"a": 1}]')):
        assert read(tmp_path, {"c_0_keypoints.json": bad, "c_1_keypoints.json": frame}, name) is None
    with pytest.raises(UserError, match="found one frame of OpenPose's, expected a folder"):
        read(tmp_path, frame, "c.json")


def test_two_files_of_a_whole_clip_are_one_too_many(tmp_path):
    results = text(coco_results())
    with pytest.raises(UserError, match="found 2 files .a.json, b.json"):
        read(tmp_path, {"a.json": results, "b.json": results})
    with pytest.raises(UserError, match="2 files"):
        read(tmp_path, {"a.npy": npy(DANCE), "b.pkl": b"x"}, "arrays")
    assert read(tmp_path, {"a.json": results, "b.npy": b"x"}, "both").frames == T  # JSON before arrays


BAD = [
    ("a.json", b"", "invalid JSON"),
    ("a.json", text(coco_results())[:-30], "invalid JSON"),
    ("a.json", b"[" * 100_000, "invalid JSON"),
    ("a.json", b"{}", "found keys none, expected JSON of OpenPose, COCO, MMPose or BRACE"),
    ("a.json", b"3", "found a int"),
    ("a.json", b"[1, 2]", "found a int"),
    ("a.json", text({"images": [], "annotations": []}), "found keys images, annotations"),
    ("a.json", text([{"keypoints": [], "keypoint_scores": []}]), "found keys keypoints, keypoint_scores"),
    ("a.json", text([{"image_id": 1, "bbox": [1, 2, 3, 4]}]), "expected a list of objects with image_id and keypoints"),
    ("a.json", text([*coco_results(), 5]), "found a list with a int"),
    ("a.json", text([{"image_id": 1, "keypoints": [1.0] * 48}]), "48 numbers for a person, expected 51"),
    ("a.json", text([{"image_id": 1, "keypoints": [1.0] * 34}]), "34 numbers"),
    ("a.json", text([{"image_id": 1, "keypoints": []}]), "0 numbers"),
    ("a.json", text([{"image_id": 1, "keypoints": 5}]), "1 numbers"),
    ("a.json", text([{"image_id": 1, "keypoints": None}]), "1 numbers"),
    ("a.json", text([{"image_id": 1, "keypoints": {"a": 1}}]), "differ in length, or are not numbers"),
    ("a.json", text([{"image_id": 1, "keypoints": ["x"] * 51}]), "differ in length, or are not numbers"),
    ("a.json", text([{"image_id": 1, "keypoints": [[1, 2]] * 17}]), "34 numbers"),
    ("a.json", text([{"image_id": n, "keypoints": [1] * k} for n, k in ((0, 51), (1, 78))]), "are two models mixed"),
    ("a.json", text({"instance_info": None}), "found null.* expected a list of objects with frame_id and instances"),
    (
        "a.json",
        text([{"frame_id": 1, "instances": {}}]),
        "found keys none, expected a list of objects with keypoints and keypoint_scores",
    ),
    (
        "a.json",
        text([{"frame_id": 1, "instances": [{"keypoints": [[1, 2]], "keypoint_scores": 1}]}]),
        "frame 1: .* are not numbers of the same joints",
    ),
    (
        "a.json",
        text([{"frame_id": 1, "instances": [{"keypoints": [[1, 2, 3]] * 17, "keypoint_scores": [1] * 17}]}]),
        "68 ",
    ),
    ("a.json", text({"v/img-1.png": {"box": [], "keypoints": [[1, 2]] * 17}}), "34 numbers"),
    ("a.json", text({"v/img-9999999.png": {"box": [], "keypoints": DANCE[0].tolist()}}), "frame numbers up to 9999998"),
    ("a.json", text({"a": {"keypoints": []}}), "image 'a'"),
    ("a.json", text({"0.jpg": {"version": "AlphaPose v0.3", "people": []}}), "AlphaPose with its default format"),
    ("a.json", text({"0.jpg": {"version": "AlphaPose v0.3", "bodies": []}}), "AlphaPose with its default format"),
    ("a.json", text({"v/img-000000.png": {"keypoints": DANCE[0].tolist()}}), "before the video's first"),
]


@pytest.mark.parametrize(("name", "data", "says"), BAD, ids=[f"{n} {s[:30]}" for n, _, s in BAD])
def test_what_cannot_be_read_is_one_line_that_names_the_file(tmp_path, name, data, says):
    is_refused(tmp_path, name, data, says)


def demo(dance, names, data_set):
    """Return MMPose's demo output of a model that names its joints."""
    people = [{"keypoints": d[:, :2].tolist(), "keypoint_scores": d[:, 2].tolist()} for d in dance]
    meta = {"dataset_name": data_set, "num_keypoints": len(names), "keypoint_id2name": dict(enumerate(names))}
    return text(
        {"meta_info": meta, "instance_info": [{"frame_id": t + 1, "instances": [p]} for t, p in enumerate(people)]}
    )


H36M = (  # as MMPose's configs/_base_/datasets/h36m.py names them
    "root right_hip right_knee right_foot left_hip left_knee left_foot spine thorax neck_base head left_shoulder "
    "left_elbow left_wrist right_shoulder right_elbow right_wrist"
).split()


def test_mmpose_models_that_name_their_joints(tmp_path):
    path = tmp_path / "a.json"
    order = np.random.default_rng(0).permutation(17)
    shuffled = demo(DANCE[:, order], [COCO[j] for j in order], "mine")
    found = read(tmp_path, shuffled, "a.json")
    people, notes = conversion.to_body(path, found, 15)
    np.testing.assert_allclose(people, TRUTH, rtol=1e-6)
    assert notes == ["joints are ordered by the names in the file"]
    named = dict(zip(BODY, range(15), strict=True)) | {"root": 8, "thorax": 1, "neck_base": 0, "head": 0, "spine": 1}
    named |= {"right_foot": 11, "left_foot": 14}
    people, _ = conversion.to_body(
        path, read(tmp_path, demo(TRUTH[:, [named[n] for n in H36M]], H36M, "h36m"), "a.json"), 15
    )
    np.testing.assert_allclose(people, TRUTH, rtol=1e-6)
    is_refused(
        tmp_path, "b.json", demo(TRUTH, [f"part {j}" for j in range(15)], "crowdpose"), "'crowdpose', which lack Nose, "
    )


@pytest.mark.parametrize("joints", [17, 26, 133])
def test_cocos_joints_in_openposes_files(tmp_path, joints):
    more = np.concatenate([DANCE, np.full((T, joints - 17, 3), 7.0)], axis=1)
    frames = {
        f"clip_{t:012d}_keypoints.json": text({"people": [{"pose_keypoints_2d": more[t].ravel().tolist()}]})
        for t in range(T)
    }
    assert read(tmp_path, frames) is None
    found = openpose_json.read(tmp_path / "clip", sorted(frames.items()))
    people, notes = conversion.to_body(tmp_path / "clip", found, 15)
    np.testing.assert_allclose(people, TRUTH, rtol=1e-6)
    assert not notes


def test_alphaposes_tracked_results(tmp_path):
    results = coco_results(lambda t: f"{t}.jpg")
    tracked: dict = {"0.jpg": []}  # nobody in the first frame
    for person in results[1:]:
        tracked[person["image_id"]] = [{"keypoints": person["keypoints"], "scores": 2.7, "idx": 1}]
    found = read(tmp_path, text(tracked), "a.json")
    assert found.frame.tolist() == list(range(1, T))
    np.testing.assert_allclose(found.people, DANCE[1:], rtol=1e-6)
    both = {"alphapose-results.json": text(results), "alphapose-results-forvis-tracked.json": text(tracked)}
    assert read(tmp_path, both).frame.tolist() == list(range(T))


def test_arrays_have_no_numbered_frames(tmp_path):
    with pytest.raises(UserError, match="--first-frame 1 is for numbered frames"):
        read(tmp_path, npy(DANCE), "a.npy", first_frame=1)
    assert read(tmp_path, npy(DANCE), "a.npy", first_frame=0).frames == T


def test_openposes_own_files_are_checked_as_all_others(tmp_path):
    people = np.zeros((T, 25, 3))
    people[:, :15] = TRUTH
    frame = np.arange(T)
    for scale, says in (([1 / 1280, 1 / 720, 1], "from 0 to 1"), ([100 / 1280, 100 / 720, 1], "from 0 to 100")):
        found = openpose_json.Detections((people * scale).astype(np.float32), frame, T, 0, 0)
        with pytest.raises(UserError, match=f"found coordinates {says}, expected pixels"):
            conversion.to_body(tmp_path, found, 15)
    found = openpose_json.Detections((people * [1, -1, 1]).astype(np.float32), frame, T, 0, 0)
    upright, notes = conversion.to_body(tmp_path, found, 15)
    assert "y points up: turned over" in notes[0]
    np.testing.assert_allclose(np.diff(upright[..., 1], axis=1), np.diff(TRUTH[..., 1], axis=1), atol=1e-3)
