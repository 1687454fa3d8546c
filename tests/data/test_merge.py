from pathlib import Path

import pytest

from learn2dance.data import data_root, merge
from learn2dance.data.temporary import PREFIX, remove_strays
from learn2dance.errors import UserError


def make(path, files, table="", splits=None):
    """Make a data root of files whose content is their own path."""
    for name in files:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(file))
    if table:
        (path / "clips.csv").write_text(table)
    for name, clips in (splits or {}).items():
        (path / "splits").mkdir(exist_ok=True)
        (path / "splits" / f"{name}.txt").write_text("".join(f"{clip}\n" for clip in clips))
    return path


@pytest.fixture
def waltzes(tmp_path):
    """Return a root of two clips: a folder and an archive."""
    files = ["keypoints/W 1/W_0_keypoints.json", "keypoints/W2.tar.gz", "audio/W 1.ogg", "audio/W2.mp3"]
    files += ["models/music2pose.pt", "poses/W2.npz"]  # of the stages: not copied
    table = "clip,style,fps\nW 1,waltz,25\nW2,waltz,29.97\n"
    return make(tmp_path / "waltzes", files, table, {"train": ["W 1"], "val": ["W2"]})


@pytest.fixture
def street(tmp_path):
    """Return a root of two clips with a video, one without music, and other columns in its table."""
    files = ["keypoints/s1.npz", "keypoints/s2.npz", "audio/s1.wav", "videos/s1.mp4"]
    table = "clip,camera,person,style\ns2,moving,,break\ns1,,2,lock\n"
    return make(tmp_path / "street", files, table, {"train": ["s1"], "test": ["s2"]})


def content(path):
    """Return the content of all files below a folder."""
    return {str(file.relative_to(path)): file.read_text() for file in Path(path).rglob("*") if file.is_file()}


def test_two_roots_become_one_with_all_that_was_known_of_their_clips(waltzes, street, tmp_path):
    before = content(waltzes), content(street)
    merge.main([str(waltzes), str(street), "--out", str(tmp_path / "new" / "both"), "--quiet"])
    found = data_root.open_root(tmp_path / "new" / "both")
    assert set(found.keypoints) == {"W 1", "W2", "s1", "s2"} and not any(found.unusable.values())
    assert set(found.audio) == {"W 1", "W2", "s1"} and set(found.videos) == {"s1"}
    assert found.styles == {"W 1": "waltz", "W2": "waltz", "s1": "lock", "s2": "break"}
    assert found.fps == {"W 1": 25, "W2": 29.97} and found.person == {"s1": 2} and found.camera == {"s2": "moving"}
    both = content(found.path)
    splits = {"train": "W 1\ns1\n", "val": "W2\n", "test": "s2\n"}
    for name, clips in splits.items():
        assert both.pop(f"splits/{name}.txt") == clips
    both.pop("clips.csv")
    kinds = ("keypoints", "audio", "videos")
    inputs = {name: text for part in before for name, text in part.items() if name.split("/")[0] in kinds}
    assert both == inputs and len(both) == 8
    assert (content(waltzes), content(street)) == before  # the roots stay as they are


def test_without_splits_there_are_none(waltzes, street, tmp_path):
    for root in (waltzes, street):
        for file in (root / "splits").iterdir():
            file.unlink()
        (root / "splits").rmdir()
    merge.merge([waltzes, street], tmp_path / "both")
    assert not (tmp_path / "both" / "splits").exists()


def break_roots(how, waltzes, street, out):
    if how == "same name":
        (street / "videos" / "W2.mp4").touch()
    elif how == "same root":
        return [waltzes, waltzes]
    elif how == "out exists":
        make(out, ["mine.txt"])
    elif how == "splits missing":
        (street / "splits").rename(street / "parts")
    elif how == "file twice":
        (street / "keypoints" / "s1.json").touch()
    elif how == "no root":
        return [waltzes, street.with_name("avenue")]
    elif how == "bad table":
        (street / "clips.csv").write_text("clip,fps\ns1,fast\n")
    elif how == "no inputs":
        for kind in ("keypoints", "audio", "videos"):
            (street / kind).rename(street / f"old {kind}")
        make(street, ["poses/s1.npz"])
    return [waltzes, street]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("same name", "street, .*waltzes: both have a clip 'W2'; rename it in one of them"),
        ("same root", "both have a clip 'W 1'"),
        ("out exists", "both: exists already; give a new folder"),
        ("out inside", "both: inside .*waltzes, which is to be copied; give a folder elsewhere"),
        ("splits missing", "street: no splits/, which other roots have"),
        ("file twice", "s1.json, s1.npz have the same clip name; keep one of them"),
        ("no root", "avenue: no such data root"),
        ("bad table", "clips.csv: .*fps"),
        ("no inputs", "street: no clip in keypoints/, audio/ or videos/"),
    ],
)
def test_roots_that_cannot_be_merged(waltzes, street, tmp_path, how, said):
    out = tmp_path / "both"
    if how == "out inside":
        out = waltzes.parent / "." / waltzes.name / "audio" / "both"
    roots = break_roots(how, waltzes, street, out)
    before = content(tmp_path)
    with pytest.raises(UserError, match=said) as fault:
        merge.merge(roots, out)
    assert "\n" not in str(fault.value)
    assert content(tmp_path) == before and out.exists() == (how == "out exists")


def test_nothing_half_written_remains(waltzes, street, tmp_path, monkeypatch):
    def full(source, target, **options):
        raise OSError(28, "No space left on device", str(target))

    before = {path.name for path in tmp_path.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(merge.shutil, "copyfile", full)
        for roots in ([waltzes, street], [street, waltzes]):  # a folder comes first, or a file
            with pytest.raises((OSError, UserError), match="No space left on device"):
                merge.merge(roots, tmp_path / "both")
    assert {path.name for path in tmp_path.iterdir()} == before


def test_as_a_command(run_stage, waltzes, street, tmp_path):
    ended = run_stage("-m", "learn2dance.data.merge", waltzes, street, "--out", tmp_path / "both")
    assert ended.returncode == 0 and ended.stdout.endswith("both: 4 clips of 2 data roots\n"), ended.stderr
    ended = run_stage("-m", "learn2dance.data.merge", waltzes, street, "--out", tmp_path / "both")
    assert ended.returncode == 2 and ended.stderr.startswith("error: ") and ended.stderr.count("\n") == 1


def test_what_a_killed_run_left_is_removed_even_after_a_complete_one(waltzes, tmp_path):
    out, left = tmp_path / "new" / "both", tmp_path / "new" / f"{PREFIX}left"
    merge.main([str(waltzes), "--out", str(out), "--quiet"])
    left.mkdir()
    remove_strays.cache_clear()  # as in a new process
    with pytest.raises(UserError, match="exists already"):
        merge.main([str(waltzes), "--out", str(out), "--quiet"])
    assert out.exists() and not left.exists()
