import json

import numpy as np

from learn2dance.data import openpose_files


def test_a_frame_is_as_openpose_writes_it():
    people = np.arange(150, dtype=float).reshape(2, 25, 3)
    frame = json.loads(openpose_files.text(people))
    assert frame["version"] == 1.3
    # the keys of OpenPose 1.7's own files
    parts = [f"{part}_keypoints_{d}d" for d in (2, 3) for part in ("pose", "face", "hand_left", "hand_right")]
    for one, joints in zip(frame["people"], people, strict=True):
        assert list(one) == ["person_id", *parts] and one["person_id"] == [-1]
        np.testing.assert_array_equal(one["pose_keypoints_2d"], joints.ravel())
        assert not any(one[part] for part in parts[1:])
    assert json.loads(openpose_files.text([])) == {"version": 1.3, "people": []}


def test_files_are_named_after_clip_and_frame(tmp_path):
    openpose_files.write(tmp_path / "c", "my clip", [[], [np.zeros((25, 3))], []])
    files = sorted((tmp_path / "c").iterdir())
    assert [file.name for file in files] == [f"my clip_00000000000{t}_keypoints.json" for t in range(3)]
    assert [len(json.loads(file.read_text())["people"]) for file in files] == [0, 1, 0]
