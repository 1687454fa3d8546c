"""parse.py with poses of other tools than OpenPose."""

import json
import pickle

import numpy as np
from format_samples import COCO, DANCE, OTHER, TRUTH, T, aist, brace, coco_results, instances, npz, text

from learn2dance.data import npz as data_npz
from learn2dance.poses.formats import clip_files


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
    assert "6 up to date" in run_stage("parse.py", tmp_path).stdout

    (root / "array.npz").write_bytes(npz(poses=DANCE * [0.001, 0.002, 1], fps=25))
    (root / "aist.pkl").write_bytes(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.")
    result = run_stage("parse.py", tmp_path)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    first, second = result.stderr.strip().splitlines()
    assert "aist.pkl: found a call of 'os.system', expected numpy arrays only" in first
    assert "array.npz: found coordinates from 0 to 1, expected pixels" in second


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
