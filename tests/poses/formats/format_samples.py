"""One clean dance, written in every format by a few lines that know nothing of the code, and how to read it."""

import io
import json

import numpy as np
import pytest

from learn2dance.data import npz as data_npz
from learn2dance.errors import UserError
from learn2dance.poses.formats import clip_files, other_tools

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
    return other_tools.read(path, files, **options)


def is_refused(tmp_path, name, data, says):
    """Check that a file raises an error of one line that names it."""
    with pytest.raises(UserError, match=says) as fault:
        read(tmp_path, data, name)
    assert name in str(fault.value)
    assert "\n" not in str(fault.value) and len(str(fault.value)) < 400 + len(str(tmp_path))
