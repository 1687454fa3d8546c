"""The toy data root: files in OpenPose's format, songs on the beat, and the same bytes for the same seed."""

import json
import tarfile
import wave

import numpy as np
import pytest

from learn2dance.data import data_root, npz
from learn2dance.synthetic import toy_data
from learn2dance.synthetic.figures import STYLES

CLIPS, SECONDS = 12, 8.0


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("toy") / "data"
    toy_data.make(path, CLIPS, SECONDS, seed=3, jobs=2)
    return path


def tree(path):
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def people(path, clip):
    """Read a clip's frames, by the standard library alone."""
    if (path / "keypoints" / clip).is_dir():
        texts = [file.read_bytes() for file in sorted((path / "keypoints" / clip).iterdir())]
    else:
        with tarfile.open(path / "keypoints" / f"{clip}.tar.gz") as archive:
            texts = [archive.extractfile(entry).read() for entry in archive]
    frames = [json.loads(text)["people"] for text in texts]
    return [[np.reshape(person["pose_keypoints_2d"], (25, 3)) for person in frame] for frame in frames]


def test_the_band_plays_on_the_beat(data):
    for clip in sorted(path.stem for path in (data / "audio").iterdir()):
        truth = npz.load(data / "truth" / f"{clip}.npz", "truth")
        with wave.open(str(data / "audio" / f"{clip}.wav")) as file:
            assert file.getparams()[:4] == (1, 2, 22050, round(SECONDS * 22050))
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
        assert 0.5 < np.abs(sound).max() <= 1
        energy = np.square(sound[: len(sound) // 220 * 220]).reshape(-1, 220).sum(1)  # 10 ms
        rise = np.maximum(np.diff(np.log(energy + 1e-3), prepend=np.log(energy[0] + 1e-3)), 0)
        beat = np.diff(truth["beats"]).mean()

        def near(times, rise=rise):
            at = (times[(times > 0.05) & (times < SECONDS - 0.1)] / 220 * 22050).astype(int)
            return np.array([rise[k - 1 : k + 4].max() for k in at])

        on_beat, between = near(truth["beats"]), near(truth["beats"] + 0.27 * beat)
        assert on_beat.mean() > 3 * between.mean()
        assert between.mean() < on_beat.min() + between.std()
        opens = np.arange(len(truth["beats"])) % truth["beats_per_bar"] == truth["downbeat"]
        loud = np.array([energy[int(t / 220 * 22050) :][:12].sum() for t in truth["beats"][1:-1]])
        assert loud[opens[1:-1]].mean() > 1.2 * loud[~opens[1:-1]].mean()  # the downbeat is accented
        assert truth["downbeat"] < truth["beats_per_bar"]


def test_the_dancer_is_among_the_people_detected(data):
    counts, errors, first = [], [], []
    for clip, fps in data_root.open_root(data).fps.items():
        truth = npz.load(data / "truth" / f"{clip}.npz", "truth")
        assert truth["fps"] == fps and len(truth["poses"]) == round(SECONDS * fps)
        frames = people(data, clip)
        assert len(frames) == len(truth["poses"])
        counts.append([len(frame) for frame in frames])
        height = np.median(np.ptp(truth["poses"][..., 1], axis=1))
        for frame, pose in zip(frames, truth["poses"], strict=True):
            found = [np.median(np.linalg.norm(p[:, :2] - pose, axis=-1)) / height for p in frame]
            if found and min(found) < 0.03:
                errors.append(min(found))
            if len(frame) == 2:
                first.append(int(np.argmin(found)))
        assert (truth["poses"] > 0).all() and (truth["poses"] < (1280, 720)).all()  # the dancer stays in the picture
        assert 250 < height < 460
    assert 0.002 < np.mean([n == 0 for clip in counts for n in clip]) < 0.02  # nobody
    crowded = [clip for clip in counts if max(clip) == 2]
    assert len(crowded) == CLIPS // 4  # a bystander
    assert 0.6 < np.mean([n == 2 for clip in crowded for n in clip]) < 1.0
    assert 0.4 < np.mean(first) < 0.6  # at a random place
    assert len(errors) > 0.9 * sum(len(clip) for clip in counts)  # the dancer is among those found
    sample = people(data, "waltz_01")[5][0]
    assert (np.round(sample, 3) == sample).all()


def test_openpose_keys_and_names(data):
    folder = data / "keypoints" / "waltz_01"
    files = sorted(file.name for file in folder.iterdir())
    assert files[0] == "waltz_01_000000000000_keypoints.json" and len(files) == SECONDS * 25
    content = json.loads((folder / files[0]).read_text())
    assert content["version"] == 1.3
    assert {"person_id", "pose_keypoints_2d", "face_keypoints_2d", "pose_keypoints_3d"} <= set(content["people"][0])
    with tarfile.open(data / "keypoints" / "disco_01.tar.gz") as archive:
        entry = archive.next()
    assert entry.name == "disco_01/disco_01_000000000000_keypoints.json" and entry.mtime == 0


def test_the_root_is_complete(data):
    root = data_root.open_root(data)
    clips = set(root.keypoints)
    assert len(clips) == CLIPS and clips == set(root.audio) == set(root.styles) == set(root.fps)
    assert set(root.fps.values()) == {25.0, 30.0}
    assert sum(path.name.endswith(".tar.gz") for path in root.keypoints.values()) == CLIPS // 3
    splits = [root.split(name, sorted(clips)) for name in ("train", "val", "test")]
    assert sorted(sum(splits, [])) == sorted(clips)  # disjoint and complete
    for split in splits:
        assert {root.styles[clip] for clip in split} == set(STYLES)


def test_same_seed_same_bytes(tmp_path):
    for name, seed, jobs in (("a", 5, 1), ("b", 5, 2), ("c", 6, 2)):
        toy_data.make(tmp_path / name, 9, 4.0, seed=seed, jobs=jobs)
    one, two, three = (tree(tmp_path / name) for name in "abc")
    assert one == two
    assert set(one) == set(three)
    same = {name for name in one if one[name] == three[name]}
    assert all(name.endswith((".csv", ".txt")) for name in same)
