import pytest

from learn2dance.data import clips_table, data_root
from learn2dance.errors import UserError


def make(path, *files):
    for name in files:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return path


def test_clips_pair_by_name(tmp_path):
    make(tmp_path, "keypoints/b.tar.gz", "keypoints/a b/0.json", "audio/a b.MP3", "audio/b.x.wav", "audio/notes.txt")
    root = data_root.open_root(tmp_path)
    assert {clip: p.name for clip, p in root.keypoints.items()} == {"a b": "a b", "b": "b.tar.gz"}
    assert {clip: p.name for clip, p in root.audio.items()} == {"a b": "a b.MP3", "b.x": "b.x.wav"}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["ballroom/audio/a.mp3"], "found ballroom; is it one folder too deep"),
        (["keypoint/a.tar"], "expected keypoints/ and audio/ in a data root, found keypoint"),
    ],
)
def test_roots_that_cannot_be_read(tmp_path, files, said):
    with pytest.raises(UserError, match=said):
        data_root.open_root(make(tmp_path, *files))


def test_two_files_for_one_clip_are_an_error_of_that_clip_alone(tmp_path):
    both = "keypoints/a/0.json", "keypoints/a.tar", "audio/a.mp3", "audio/b.mp3", "audio/b.wav", "videos/a.mov"
    root = data_root.open_root(make(tmp_path, *both, "keypoints/b.pkl", "videos/b.mp4", "videos/b.mov"))
    assert (list(root.keypoints), list(root.audio), list(root.videos)) == (["b"], ["a"], ["a"])
    assert root.one("audio", "a").name == "a.mp3" and root.one("audio", "c") is None
    for kind, clip, names in (("keypoints", "a", "a, a.tar"), ("audio", "b", "b.mp3, b.wav"), ("videos", "b", "b.mov")):
        with pytest.raises(UserError, match=f"{kind}: {names}.*have the same clip name"):
            root.one(kind, clip)


def test_a_misspelt_root_is_guessed(tmp_path):
    make(tmp_path, "ballroom/audio/a.mp3")
    with pytest.raises(UserError, match="did you mean .*ballroom"):
        data_root.open_root(tmp_path / "balroom")
    with pytest.raises(UserError, match="a file, expected a data root"):
        data_root.open_root(tmp_path / "ballroom" / "audio" / "a.mp3")


def test_table(tmp_path):
    make(tmp_path, "audio/a.mp3")
    table = tmp_path / "clips.csv"
    table.write_text("\ufeffclip,style,fps,person,camera\na,waltz,29.97,2,moving\nb,,\n", encoding="utf-8")
    root = data_root.open_root(tmp_path)
    assert root.styles == {"a": "waltz"} and root.fps == {"a": 29.97}
    assert root.person == {"a": 2} and root.camera == {"a": "moving"}
    for text, said in (
        ("name,fps\na,25\n", "no column 'clip'"),
        ("clip,fps\na,fast\n", "could not convert"),
        ("clip,fps\na,0\n", "fps of a is 0.0"),
        ("clip,fps\na,nan\n", "fps of a is nan"),
        ("clip,person\na,0\n", "person of a is '0', expected a number from 1"),
        ("clip,camera\na,shaky\n", "camera of a is 'shaky', expected still or moving"),
    ):
        table.write_text(text)
        with pytest.raises(UserError, match=said):
            data_root.open_root(tmp_path)
    table.write_bytes(b"clip,style\na,\xe9l\xe9gant\n")
    with pytest.raises(UserError, match="not UTF-8"):
        data_root.open_root(tmp_path)


def test_incomplete_clips_are_named_and_left_out(tmp_path, caplog):
    root = data_root.open_root(make(tmp_path, "audio/a.mp3", "poses/a.npz", "poses/b.npz", "music/a.npz"))
    data_root.log.propagate = True
    assert root.have("poses", "music") == ["a"]
    assert "b: left out, no music/b.npz" in caplog.text
    with pytest.raises(UserError, match=r"no clip has all of poses, tokens \(found 2 in poses/, 0 in tokens/\)"):
        root.have("poses", "tokens")


def test_new_splits_are_written_once_and_share_no_clip(tmp_path):
    root = data_root.open_root(make(tmp_path, "audio/a.mp3"))
    clips = [f"clip {i}" for i in range(25)]
    parts = {name: root.split(name, clips) for name in ("train", "val", "test")}
    assert [len(parts[name]) for name in ("train", "val", "test")] == [21, 2, 2]
    assert sorted(sum(parts.values(), [])) == sorted(clips)
    assert {name: root.split(name, [*clips, "new"]) for name in parts} == parts
    assert root.in_no_split([*clips, "new"]) == ["new"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["audio", "splits"]


def test_given_splits(tmp_path):
    root = data_root.open_root(make(tmp_path, "audio/a.mp3"))
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "train.txt").write_text("b\n\n a \nc\n")
    assert root.split("train", ["a", "b", "d"]) == ["a", "b"]
    with pytest.raises(UserError, match="none of its 3 clips exists"):
        root.split("train", ["d"])
    with pytest.raises(UserError, match=r"val.txt: no such split"):
        root.split("val", ["a"])


def test_a_folder_may_be_named_as_a_frame_is(tmp_path):
    root = data_root.open_root(make(tmp_path, "keypoints/take_1_keypoints.json/0.json", "keypoints/b_1_keypoints.json"))
    assert list(root.keypoints) == ["take_1_keypoints.json"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "clip,style,fps\na,,29.97\n"),
        ("clip,dancer\n", "clip,dancer,fps\na,,29.97\n"),  # a header alone
        ("", "clip,style,fps\na,,29.97\n"),
        ("clip,fps,style\nb,25\na,,waltz\n", "clip,fps,style\nb,25,\na,29.97,waltz\n"),
        ("clip,fps\na,25\n", "clip,fps\na,25\n"),
    ],
)
def test_the_rest_of_the_table_is_kept(tmp_path, before, after):
    table = tmp_path / "clips.csv"
    if before is not None:
        table.write_text(before)
    clips_table.note_fps(tmp_path, "a", 29.97)
    assert table.read_text() == after
