import hashlib
import os
import zipfile

import numpy as np
import pytest
import torch

from learn2dance.data import checkpoint, npz
from learn2dance.errors import UserError


def poses(frames=4, **changed):
    arrays = {
        "poses": np.zeros((frames, 15, 2)),
        "confidence": np.ones((frames, 15)),
        "filled": np.zeros((frames, 15), bool),
        "fps": 25,
    }
    return arrays | changed


def saved(path, **changed):
    npz.save(path, "poses", "parse.py", {"joints": 15}, {"keypoints": "abc"}, **poses(**changed))
    return path


def test_what_is_saved_is_loaded(tmp_path):
    loaded = npz.load(saved(tmp_path / "new folder" / "a.npz", poses=np.full((4, 15, 2), 7.0)), "poses")
    assert loaded["poses"].dtype == np.float32 and (loaded["poses"] == 7).all()
    assert loaded["fps"] == 25.0
    assert loaded["meta"]["parents"] == {"keypoints": "abc"}
    assert [p.name for p in (tmp_path / "new folder").iterdir()] == ["a.npz"]


def test_an_optional_key_has_a_default(tmp_path):
    assert npz.load(saved(tmp_path / "a.npz"), "poses")["travel"] is True
    assert npz.load(saved(tmp_path / "b.npz", travel=False), "poses")["travel"] is False
    np.savez(tmp_path / "c.npz", **poses())
    assert npz.load(tmp_path / "c.npz", "poses")["travel"] is True
    np.savez(tmp_path / "d.npz", **poses(travel=np.array("no")))
    with pytest.raises(UserError, match=r"'travel' is <U2 \(\), expected bool \(\)"):
        npz.load(tmp_path / "d.npz", "poses")


def test_same_content_same_bytes(tmp_path):
    assert saved(tmp_path / "a.npz").read_bytes() == saved(tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"poses": np.zeros((4, 15, 3))}, r"'poses' is float32 \(4, 15, 3\), expected float32 \(T, J, 2\)"),
        ({"confidence": np.ones((5, 15))}, r"'confidence' is float32 \(5, 15\).*'T': 4"),
        ({"poses": np.full((4, 15, 2), np.inf)}, "'poses' contains numbers that are not finite"),
        ({"confidence": np.full((4, 15), np.nan)}, "'confidence' contains numbers that are not finite"),
        ({"more": 1}, "more not in the schema"),
    ],
)
def test_arrays_that_do_not_match_the_schema_are_not_saved(tmp_path, changed, said):
    with pytest.raises(UserError, match=said):
        saved(tmp_path / "a.npz", **changed)
    assert not list(tmp_path.iterdir())


def test_unknown_joints_may_be_nan(tmp_path):
    assert np.isnan(npz.load(saved(tmp_path / "a.npz", poses=np.full((4, 15, 2), np.nan)), "poses")["poses"]).all()


def broken(path, how):
    if how == "missing":
        path.unlink()
    elif how == "cut short":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "no npz":
        path.write_text("hello")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "pickled":
        np.savez(path, poses=np.array([{"a": 1}], object))
    elif how == "single array":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    elif how == "other program":
        np.savez(path, poses=np.zeros((4, 15, 2)))
    elif how == "older":
        arrays = dict(np.load(path))
        np.savez(path, **arrays | {"meta": np.array(str(arrays["meta"]).replace('"schema": 3', '"schema": 1'))})
    elif how == "compressed and damaged":
        np.savez_compressed(path, poses=np.random.default_rng(0).normal(size=(99, 15, 2)))
        content = bytearray(path.read_bytes())
        content[2000:2008] = b"garbage!"
        path.write_bytes(content)
    elif how == "another zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("poses.npy", b"hello")
    elif how == "key gone":
        arrays = dict(np.load(path))
        del arrays["confidence"]
        np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("missing", "no such file"),
        ("cut short", "incomplete or damaged .npz"),
        ("no npz", "incomplete or damaged .npz"),
        ("empty", "incomplete or damaged .npz"),
        ("pickled", "pickled objects"),
        ("single array", "a single array"),
        ("other program", "no key 'confidence'"),
        ("older", "schema 1, expected 3"),
        ("key gone", "no key 'confidence'"),
        ("compressed and damaged", "incomplete or damaged .npz"),
        ("another zip", "'poses' is not an array"),
    ],
)
def test_broken_files_are_named_in_one_line(tmp_path, how, said):
    path = saved(tmp_path / "a.npz")
    broken(path, how)
    with pytest.raises(UserError, match=said) as fault:
        npz.load(path, "poses")
    assert "a.npz" in str(fault.value) and "\n" not in str(fault.value)


def test_another_kind_is_refused(tmp_path):
    with pytest.raises(UserError, match="expected a 'dance' file, found a 'poses' file"):
        npz.load(saved(tmp_path / "a.npz"), "dance")


def test_up_to_date_only_with_the_same_arguments_and_parents(tmp_path):
    path = saved(tmp_path / "a.npz")
    assert npz.is_up_to_date(path, "poses", {"joints": 15}, {"keypoints": "abc"})
    assert not npz.is_up_to_date(path, "poses", {"joints": 25}, {"keypoints": "abc"})
    assert not npz.is_up_to_date(path, "poses", {"joints": 15}, {"keypoints": "abd"})
    broken(path, "cut short")
    assert not npz.is_up_to_date(path, "poses", {"joints": 15}, {"keypoints": "abc"})


def test_digest_follows_content_and_names(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "1.json").write_text("x")
    first = npz.digest(folder)
    os.utime(folder / "1.json", (0, 0))
    assert npz.digest(folder) == first
    (folder / "1.json").rename(folder / "2.json")
    second = npz.digest(folder)
    (folder / "2.json").write_text("y")
    assert len({first, second, npz.digest(folder)}) == 3


def test_a_digest_is_of_all_of_a_large_file(tmp_path):
    """It is SHA-256 of the name, which is "." for a file itself, and the content."""
    file, content = tmp_path / "large", np.random.default_rng(0).bytes(3_000_001)
    file.write_bytes(content)
    assert npz.digest(file) == hashlib.sha256(b".\0" + content).hexdigest()[:16]


def test_a_file_without_meta_is_read_and_never_replaced(tmp_path):
    path = tmp_path / "a.npz"
    arrays = poses() | {"fps": np.float32(30)}  # float64 where the schema says float32, and the other way round
    np.savez(path, **arrays)
    found = npz.load(path, "poses")
    assert found["poses"].dtype == np.float32 and found["fps"] == 30.0 and found["meta"] == {}
    assert npz.is_up_to_date(path, "poses", {"joints": 15}, {"keypoints": "abc"})
    np.savez(path, **{key: array for key, array in arrays.items() if key != "filled"})
    with pytest.raises(UserError, match="no key 'filled'"):
        npz.is_up_to_date(path, "poses", {}, {})
    for meta in (np.array('{"author": "me"}'), np.array("text")):  # somebody else's
        np.savez(path, **arrays, meta=meta)
        assert npz.is_up_to_date(path, "poses", {}, {})
    np.savez(path, **arrays, meta=np.array({"author": "me"}, object))
    with pytest.raises(UserError, match="pickled"):
        npz.is_up_to_date(path, "poses", {}, {})
    for fps in (0, -25, np.nan):
        np.savez(path, **arrays | {"fps": fps})
        with pytest.raises(UserError, match="'fps'"):
            npz.load(path, "poses")
    np.savez(path, **arrays | {"filled": np.zeros((4, 15))})
    with pytest.raises(UserError, match="'filled' is float64"):
        npz.load(path, "poses")


def test_poses_of_other_programs(tmp_path):
    np.savez(tmp_path / "bare.npz", poses=np.ones((3, 18, 2)))
    found = npz.load_poses(tmp_path / "bare.npz")
    assert found["poses"].shape == (3, 18, 2) and found["fps"] is None and not found["y_up"]
    for name, array, said in (
        ("flat", np.ones((3, 36)), "expected numbers"),
        ("deep", np.ones((3, 18, 3)), "expected numbers"),
        ("none", np.ones((0, 18, 2)), "expected numbers"),
        ("text", np.full((3, 18, 2), "a"), "expected numbers"),
        ("infinite", np.full((3, 18, 2), np.inf), "infinite"),
    ):
        np.savez(tmp_path / name, poses=array)
        with pytest.raises(UserError, match=said):
            npz.load_poses(tmp_path / f"{name}.npz")


def test_checkpoints(tmp_path):
    path = tmp_path / "model.pt"
    checkpoint.save(path, "music2pose", tensor=torch.arange(3), number=2**100)
    parts = checkpoint.load(path, "music2pose")
    assert parts["tensor"].tolist() == [0, 1, 2] and parts["number"] == 2**100
    first = path.read_bytes()
    checkpoint.save(tmp_path / "other.pt", "music2pose", tensor=torch.arange(3), number=2**100)
    assert (tmp_path / "other.pt").read_bytes() == first
    with pytest.raises(UserError, match="expected a 'pose_gan' checkpoint, found 'music2pose'"):
        checkpoint.load(path, "pose_gan")
    path.write_bytes(first[:-200])
    with pytest.raises(UserError, match="incomplete checkpoint"):
        checkpoint.load(path, "music2pose")
    for content in (first[: len(first) // 2], b"hello", b""):
        path.write_bytes(content)
        with pytest.raises(UserError, match="model.pt: (incomplete|not a) checkpoint") as fault:
            checkpoint.load(path, "music2pose")
        assert "\n" not in str(fault.value)
    with pytest.raises(UserError, match="no such model"):
        checkpoint.load(tmp_path / "none.pt", "music2pose")


def test_a_network_in_half_precision_is_loaded_as_it_is():
    torch.manual_seed(0)
    network, loaded = torch.nn.BatchNorm1d(7), torch.nn.BatchNorm1d(7)
    network(torch.randn(50, 7))
    state = checkpoint.halved(network.state_dict())
    assert state["running_mean"].dtype == torch.float16 and state["num_batches_tracked"].dtype == torch.int64
    loaded.load_state_dict(state)
    torch.testing.assert_close(loaded.running_mean, network.running_mean, atol=0, rtol=1e-3)
    assert loaded.running_mean.dtype == torch.float32 and loaded.num_batches_tracked == 1
    assert all(torch.equal(value, checkpoint.halved(loaded.state_dict())[key]) for key, value in state.items())


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was here"),)

    torch.save({"kind": "music2pose", "evil": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(UserError, match="not a checkpoint of tensors and plain values"):
        checkpoint.load(tmp_path / "evil.pt", "music2pose")
    assert not (tmp_path / "was here").exists()
