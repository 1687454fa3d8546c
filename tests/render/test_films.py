import os

import numpy as np
from test_video_reader import flashes
from test_video_writer import pictures, song

from learn2dance.data import npz
from learn2dance.media import ffmpeg


def pose(root, clip, at=(40, 30), frames=20):
    """Write a clip's poses, as parse.py does, of a dancer all of whose joints are near one pixel."""
    poses = np.broadcast_to(np.array(at, float), (frames, 15, 2)) + np.eye(15, 2)
    more = {"confidence": np.ones((frames, 15)), "filled": np.zeros((frames, 15), bool), "fps": 25.0}
    npz.save(root / "poses" / f"{clip}.npz", "poses", "a test", {}, {}, poses=poses, **more)


def test_films_are_drawn_once_with_their_music(run_stage, tmp_path):
    for clip in ("a", "it's b"):
        (tmp_path / "videos").mkdir(exist_ok=True)
        flashes(tmp_path / "videos" / f"{clip}.mp4", seconds=0.8)
        pose(tmp_path, clip)
    flashes(tmp_path / "videos" / "not parsed.mp4", seconds=0.2)
    (tmp_path / "audio").mkdir()
    song(tmp_path / "audio" / "a.ogg")
    done = run_stage("-m", "learn2dance.render.films", tmp_path)
    assert done.returncode == 0 and "2 films drawn, 0 were up to date" in done.stdout, done.stderr
    films = {path.stem: path for path in (tmp_path / "films").iterdir()}
    assert sorted(films) == ["a", "it's b"] and all(len(pictures(film)) == 20 for film in films.values())
    assert {clip: ffmpeg.probe(film).sound for clip, film in films.items()} == {"a": True, "it's b": False}
    drawn = pictures(films["a"])[4].astype(int)
    assert np.ptp(drawn[25:36, 35:46]) > 60 and np.ptp(drawn[:15]) < 30  # joints where they are, the video elsewhere
    assert "0 films drawn, 2 were up to date" in run_stage("-m", "learn2dance.render.films", tmp_path).stdout

    later = films["a"].stat().st_mtime + 1000
    for newer in (tmp_path / "audio" / "a.ogg", tmp_path / "videos" / "it's b.mp4"):
        os.utime(newer, (later, later))
        assert "1 films drawn, 1 were up to date" in run_stage("-m", "learn2dance.render.films", tmp_path).stdout
        os.utime(newer, (later - 2000, later - 2000))
    pose(tmp_path, "a", at=(900, 500))
    os.utime(tmp_path / "poses" / "a.npz", (later, later))
    films["it's b"].unlink()
    done = run_stage("-m", "learn2dance.render.films", tmp_path)
    assert done.returncode == 2 and films["it's b"].exists()
    assert done.stderr.startswith("error: ") and "a.mp4: 64x48 pixels, but the poses reach" in done.stderr
    assert "(1 of 2 films not drawn)" in done.stderr


def test_a_clip_of_two_videos_is_named_and_the_others_are_drawn(run_stage, tmp_path):
    (tmp_path / "videos").mkdir()
    for name in ("a.mp4", "b.mp4"):
        flashes(tmp_path / "videos" / name, seconds=0.4)
        pose(tmp_path, name[0], frames=10)
    (tmp_path / "videos" / "a.mov").touch()
    done = run_stage("-m", "learn2dance.render.films", tmp_path)
    assert done.returncode == 2 and "a.mov, a.mp4 have the same clip name" in done.stderr, done.stderr
    assert [path.name for path in (tmp_path / "films").iterdir()] == ["b.mp4"]


def test_nothing_to_draw_is_an_error(run_stage, tmp_path):
    pose(tmp_path, "a")
    done = run_stage("-m", "learn2dance.render.films", tmp_path)
    assert done.returncode == 2 and "no clip has both a video in videos/ and poses in poses/" in done.stderr
