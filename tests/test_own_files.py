"""Stages and the files between them: files of somebody else's, and none that a stage does not say it reads."""

import shutil

import numpy as np
from conftest import QUICK, QUICK_POSES


def test_stages_take_files_that_others_saved(root, run_stage):
    """Files with the keys of the schema and no more are accepted by every stage, and none is replaced."""
    for kind in ("poses", "music", "tokens"):
        for file in (root / kind).glob("*.npz"):
            arrays = dict(np.load(file))
            arrays.pop("meta")
            np.savez(file, **arrays)
    arrays = dict(np.load(root / "clusters.npz"))
    arrays.pop("meta")
    np.savez(root / "clusters.npz", **arrays)
    before = {file: file.read_bytes() for file in root.rglob("*.npz") if "dances" not in file.parts}
    runs = [
        ("parse.py", root),
        ("-m", "learn2dance.notebook", "Process_Waves.ipynb", root),
        ("-m", "learn2dance.notebook", "Clustering.ipynb", root),
        ("train.py", root, *QUICK),
        ("eval.py", root, "--split", "test", "--no-video"),
        ("train_pose.py", root / "poses", *QUICK_POSES),
    ]
    for run in runs:
        ended = run_stage(*run)
        assert ended.returncode == 0, ended.stderr
    assert {file: file.read_bytes() for file in before} == before


def test_training_does_not_need_the_poses(root, run_stage, tmp_path):
    """The tokens hold what is learned from them."""
    assert run_stage("train.py", root, "--out", tmp_path / "a.pt", *QUICK).returncode == 0
    shutil.rmtree(root / "poses")
    assert run_stage("train.py", root, "--out", tmp_path / "b.pt", *QUICK).returncode == 0
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
