"""Statistics of the clips of a data root, on clips whose truth is known."""

import numpy as np
import pytest
from test_sync import STEP, dance, song

from learn2dance.data import data_root, npz
from learn2dance.errors import UserError
from learn2dance.motion import kinematics
from learn2dance.report_page import statistics
from learn2dance.report_page.statistics import Clip


def clip(name, style="waltz", split="train", **more):
    values = {"seconds": 60.0, "missing": 0.0, "interpolated": 0.0, "still": True, "tempo": 90.0, "beats_per_bar": 3}
    return Clip(name, style, tuple(split.split()), **values | {"drift": np.nan} | more)


def test_a_table_has_a_line_a_style_and_one_for_all():
    clips = [
        clip("a", missing=0.1, drift=0.01, tempo=84.0),
        clip("b", split="val test", seconds=180.0, drift=0.03, still=False),
        clip("c", "rumba", "val", interpolated=0.5, tempo=np.nan, beats_per_bar=0),
    ]
    heading, *lines = statistics.table(clips)
    found = {line[0]: dict(zip(heading, line, strict=True)) for line in lines}
    assert list(found) == ["rumba", "waltz", "all"]
    waltz = found["waltz"]
    assert [waltz[key] for key in ("train", "val", "test", "minutes")] == ["1", "1", "1", "4.0"]
    assert (waltz["beats a minute"], waltz["beats a bar"], waltz["camera still"]) == ("84-90", "3", "1 of 2")
    assert waltz["missing"] == "2.5%"  # a tenth of one minute in four
    assert waltz["drift"] == "+2.0% (+1.0% to +3.0%)"
    assert [found["rumba"][key] for key in ("beats a minute", "beats a bar", "drift")] == ["-", "-", "-"]
    assert found["all"]["interpolated"] == "10.0%" and found["all"]["minutes"] == "5.0"
    assert statistics.worst(clips) == "a (10.0%)"


def test_statistics_are_those_of_the_files(root):
    """Of one clip the right wrist is lost for half of the time; it is one of 25 joints. Another has no music."""
    names = (root / "splits" / "train.txt").read_text().split()
    file = root / "poses" / f"{names[0]}.npz"
    poses = npz.load(file, "poses")
    meta = poses.pop("meta")
    poses["poses"][: len(poses["poses"]) // 2, 4] = np.nan
    npz.save(file, "poses", "", {}, meta["parents"], **poses)
    (root / "music" / f"{names[1]}.npz").unlink()
    found = {clip.name: clip for clip in statistics.collect(data_root.open_root(root))}
    first, second = found[names[0]], found[names[1]]
    joints = poses["poses"].shape[1]
    assert first.missing == pytest.approx(0.5 / joints, abs=0.002) and first.splits == ("train",)
    assert first.seconds == pytest.approx(8, abs=0.1)
    assert np.isnan(second.tempo) and np.isnan(second.drift) and np.isfinite(first.tempo)
    music = npz.load(root / "music" / f"{names[0]}.npz", "music")
    assert (first.tempo, first.beats_per_bar) == (music["tempo"], music["beats_per_bar"])


@pytest.mark.parametrize("rate", [1.0, 1.0235])
def test_drift_is_how_much_faster_the_music_is(root, rate):
    """A minute of dance of known rate."""
    name = (root / "splits" / "train.txt").read_text().split()[0]
    (root / "clusters.npz").unlink()  # so that nothing is known of the other dances
    for kind, changed in (
        ("poses", {"poses": 300 + 100 * dance(song(), rate)[0] * (1, -1), "fps": kinematics.METRIC_FPS}),
        ("music", song() | {"tempo": 120.0, "duration": 65.0}),
    ):
        arrays = npz.load(root / kind / f"{name}.npz", kind)
        meta = arrays.pop("meta")
        if kind == "poses":
            shape = changed["poses"].shape[:2]
            arrays |= {"confidence": np.ones(shape, np.float32), "filled": np.zeros(shape, bool)}
        npz.save(root / kind / f"{name}.npz", kind, "", {}, meta["parents"], **arrays | changed)
    found = next(clip for clip in statistics.collect(data_root.open_root(root)) if clip.name == name)
    assert found.drift == pytest.approx(rate - 1, abs=STEP) and found.seconds == 60


def test_without_poses_there_are_none(tmp_path):
    (tmp_path / "audio").mkdir()
    with pytest.raises(UserError, match="no clip has all of poses"):
        statistics.collect(data_root.open_root(tmp_path))
