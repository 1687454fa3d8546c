import os

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


def test_names_that_the_tables_cannot_hold_are_an_error_of_their_clips_alone(tmp_path, caplog):
    latin, two = os.fsdecode(b"caf\xe9"), "a\nb"
    make(tmp_path, *(f"{kind}/{clip}.npz" for clip in (latin, two, "a") for kind in ("poses", "music")))
    root = data_root.open_root(make(tmp_path, f"keypoints/{latin}/0.json", "keypoints/a.tar", f"audio/{two}.wav"))
    assert list(root.keypoints) == ["a"] and not root.audio
    for kind, clip in (("keypoints", latin), ("audio", two)):
        with pytest.raises(UserError, match=f"{kind}/.*expected a name that is one line of UTF-8"):
            root.one(kind, clip)
    assert root.have("poses", "music") == ["a"]
    assert sum("left out" in line for line in caplog.messages) == 4


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
    table.write_text("clip,person,camera\na,2.0,Moving\n")  # as spreadsheets and pandas write them
    root = data_root.open_root(tmp_path)
    assert root.person == {"a": 2} and root.camera == {"a": "moving"}
    for text, said in (
        ("name,fps\na,25\n", "no column 'clip'"),
        ("clip,fps\na,fast\n", "could not convert"),
        ("clip,fps\na,0\n", "fps of a is 0.0"),
        ("clip,fps\na,nan\n", "fps of a is nan"),
        ("clip,person\na,0\n", "person of a is '0', expected a number from 1"),
        ("clip,camera\na,shaky\n", "camera of a is 'shaky', expected still or moving"),
        ("clip,style,fps\na,waltz,25\na.mp3,tango,\n", "style of 'a' is waltz and tango; keep one of the rows"),
        ("a,25,30\n", "no header, and it can be read in several ways"),
        ("clip,style\na,slow, waltz\n", "3 cells for 'a', expected 2; quote what has commas"),
    ):
        table.write_text(text)
        with pytest.raises(UserError, match=said):
            data_root.open_root(tmp_path)
    table.write_bytes(b"clip,style\na,\xe9l\xe9gant\n")
    with pytest.raises(UserError, match="not UTF-8"):
        data_root.open_root(tmp_path)


TABLES = {
    "blanks": "clip, style, fps\nMy clip, slow waltz, 29.97\n",
    "semicolons and a decimal comma": "clip;style;fps\r\nMy clip;slow waltz;29,97\r\n",
    "tabs": "clip\tstyle\tfps\nMy clip\tslow waltz\t29.97\n",
    "quotes, BOM, CRLF": '\ufeff"clip","style","fps"\r\n"My clip", "slow waltz","29.97"\r\n',
    "order and case of the header": "FPS,Clip,Style\n29.97,My clip,slow waltz\n",
    "no header": "My clip,slow waltz,29.97\n",
    "no header, another order": "My clip,29.97,slow waltz\n",
    "names of files": "clip,style,fps\nvideos/My clip.MP4,slow waltz,29.97\n",
    "case": "clip,style,fps\nmy CLIP,slow waltz,29.97\n",
    "two rows": "clip,style,fps\nMy clip,slow waltz,\nMy clip.mp3,,29.97\n",
    "empty lines": "clip,style,fps\n\nMy clip,slow waltz,29.97\n,,\n\n",
}


@pytest.mark.parametrize("way", TABLES)
def test_a_table_that_can_be_read_in_one_way_is(tmp_path, way):
    make(tmp_path, "audio/My clip.mp3")
    (tmp_path / "clips.csv").write_bytes(TABLES[way].encode())
    root = data_root.open_root(tmp_path)
    assert root.styles == {"My clip": "slow waltz"} and root.fps == {"My clip": 29.97}


def test_rows_of_no_clip_or_of_several_are_named(tmp_path, caplog):
    data_root.log.propagate = True
    make(tmp_path, "audio/a.mp3", "audio/B.mp3", "audio/b.wav")
    table = tmp_path / "clips.csv"
    table.write_text("clip,style,camera man\na,waltz,x\nc.mp4,tango,y\n")
    assert data_root.open_root(tmp_path).styles["a"] == "waltz"
    assert "rows of no clip: 'c.mp4'; are the names right" in caplog.text
    assert "ignored: column camera man; those used are clip, style, fps" in caplog.text
    caplog.clear()
    data_root.open_root(tmp_path, coming=["c"])
    assert "rows of no clip" not in caplog.text
    table.write_text("clip,style\nb.mp4,waltz\n")
    with pytest.raises(UserError, match="'b.mp4' may be B or b; write the clip's exact name"):
        data_root.open_root(tmp_path)
    table.write_text("clip,style\nb,waltz\nB,tango\n")
    assert data_root.open_root(tmp_path).styles == {"b": "waltz", "B": "tango"}


def test_what_file_managers_leave_is_no_data(tmp_path):
    junk = ".DS_Store", "._a.json", "Thumbs.db", "desktop.ini", "__MACOSX/a.json", "._b.mp3", "._a.npz"
    folders = "keypoints", "audio", "videos", "poses", "music", "splits"
    make(tmp_path, "keypoints/a/0.json", "audio/a.mp3", "poses/a.npz", "splits/._train.txt")
    make(tmp_path, *(f"{folder}/{name}" for folder in folders for name in junk))
    (tmp_path / "splits" / "._train.txt").write_bytes(b"\0\x05\x16\x07\xff")
    (tmp_path / "splits" / "train.txt").write_text("a\n")
    root = data_root.open_root(tmp_path)
    assert list(root.keypoints) == list(root.audio) == root.have("poses") == ["a"] and not root.videos
    assert root.split("train", ["a"]) == ["a"] and root.in_no_split(["a", "b"]) == ["b"]


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
        ("clip; style\na.mp4; waltz\nb; tango\n", "clip,style,fps\na.mp4,waltz,29.97\nb,tango,\n"),
        ("a,waltz\nb,tango\n", "clip,style,fps\na,waltz,29.97\nb,tango,\n"),
    ],
)
def test_the_rest_of_the_table_is_kept(tmp_path, before, after):
    table = tmp_path / "clips.csv"
    if before is not None:
        table.write_text(before)
    clips_table.note_fps(tmp_path, "a", 29.97, ["a", "b"])
    assert table.read_text() == after
