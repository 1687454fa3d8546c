import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image
from test_animation import STAND
from test_video_writer import onsets, packets, pictures, samples, song

import animate
from learn2dance.data import npz
from learn2dance.media import video_reader

ROOT = Path(__file__).parents[1]


def save(path, poses, **more):
    np.savez(path, poses=np.asarray(poses, np.float32), **more)
    return path


def dance(path, frames=50, fps=25.0, beats=(), lift=None, across=0.0, nearer=0.0):
    """Write what eval.py writes: a dancer who stands, lifted in some frames, or on a path (frames,) over the floor."""
    poses = np.repeat(STAND[None, :15], frames, 0) + (0 if lift is None else lift[:, None, None] * [0, 1])
    poses = poses + np.reshape(across, (-1, 1, 1)) * [1, 0]
    arrays = {"poses": poses, "tokens": np.zeros((1, 2)), "beats": np.array(beats, float), "seed": 0, "fps": fps}
    arrays["nearer"] = np.zeros(frames) + nearer
    npz.save(path, "dance", "test", {}, {}, **arrays)
    return path


@pytest.fixture
def fails(run_stage, tmp_path):
    """Return a function that runs animate.py, which must end with 2 and one line, and leave nothing."""

    def run(*arguments, **options):
        before = sorted(tmp_path.rglob("*"))
        done = run_stage("animate.py", *arguments, **options)
        assert done.returncode == 2, done.stderr
        lines = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
        assert len(lines) == 1 and lines[0].startswith("error: ")
        assert sorted(tmp_path.rglob("*")) == before
        return lines[0]

    return run


def test_a_strangers_poses_become_a_film_beside_them(run_stage, tmp_path):
    file = save(tmp_path / "own.npz", np.repeat(-STAND[None], 45, 0))
    done = run_stage("animate.py", file, "--size", "161x120")
    assert done.returncode == 0, done.stderr
    assert "no fps in it, 30 assumed" in done.stderr and str(tmp_path / "own.mp4") in done.stdout
    about = video_reader.look(tmp_path / "own.mp4")
    assert (about.size, about.fps, about.sound) == ((162, 120), 30, False)
    assert len(pictures(tmp_path / "own.mp4")) == 45
    first = (tmp_path / "own.mp4").read_bytes()
    done = run_stage("animate.py", file, "--size", "161x120", "--quiet")
    assert (done.stdout, (tmp_path / "own.mp4").read_bytes()) == ("", first)


@pytest.mark.parametrize(("start", "to"), [(0, None), (1.3, 30), (0.5, 60)])
def test_the_dancer_jumps_and_the_floor_flashes_on_the_click(run_stage, tmp_path, start, to):
    times = np.array([1.6, 2.8, 4.04])
    lift = np.zeros(150)
    for frame in np.round(times * 25).astype(int):
        lift[frame : frame + 2] = 0.3
    file = dance(tmp_path / "d.npz", 150, 25.0, times, lift)
    audio, out = song(tmp_path / "s.wav", clicks=times), tmp_path / "d.mp4"
    more = ["--fps", to] if to else []
    done = run_stage("animate.py", file, "--audio", audio, "--beats", "--start", start, "--size", 240, *more)
    assert done.returncode == 0, done.stderr
    fps = to or 25
    seen, shown = pictures(out).astype(float), np.array([begin for begin, _ in packets(out, 0)])
    heard = onsets(np.abs(samples(out)), 0.2) / 8000
    np.testing.assert_allclose(heard, times - start, atol=0.5 / fps + 0.006)
    assert len(seen) == pytest.approx((6 - start) * fps, abs=1) and len(samples(out)) / 8000 == pytest.approx(
        len(seen) / fps, abs=0.001
    )
    still = seen[0]
    above = np.abs(seen[:, :30] - still[:30]).mean((1, 2))  # only a head that jumps comes so high
    floor = np.abs(seen[:, :, :40] - still[:, :40]).mean((1, 2))  # beside the dancer there is only the floor
    for what in (above, floor):
        frames = onsets(what, 0.4 * what.max())
        assert len(frames) == 3
        assert np.abs(shown[frames] - heard).max() <= 1 / fps + 1e-6


def test_a_dancer_who_travels_crosses_the_picture(run_stage, tmp_path):
    across = np.linspace(0, 8, 100)
    file = dance(tmp_path / "d.npz", 100, across=across)
    assert run_stage("animate.py", file, "--size", "480x160").returncode == 0
    seen = pictures(tmp_path / "d.mp4").astype(float)
    dancer = np.abs(seen - np.median(seen, axis=0)) > 40  # nobody is anywhere for half of the time
    at = (dancer * np.arange(480)).sum((1, 2)) / dancer.sum((1, 2))
    assert np.corrcoef(at, across)[0, 1] > 0.999 and at[-1] - at[0] > 240
    assert run_stage("animate.py", file, "--size", "480x160", "--follow").returncode == 0
    followed = pictures(tmp_path / "d.mp4").astype(float)
    # In the middle of the film: at its ends, the view moves as the dancer did within half a second.
    changed = [(np.abs(film[40] - film[60]) > 60).sum() for film in (seen, followed)]
    assert changed[1] < 0.01 * changed[0]


def test_a_dancer_twice_as_near_is_drawn_twice_as_large(run_stage, tmp_path):
    second = np.arange(50) >= 25  # there, at the other side
    file = dance(tmp_path / "d.npz", across=4.0 * second, nearer=np.log(2) * second)
    assert run_stage("animate.py", file, "--size", "640x320").returncode == 0
    seen = pictures(tmp_path / "d.mp4").astype(float)
    changed = np.abs(seen[10] - seen[40]) > 60  # the dancer at both places
    heights = [np.ptp(np.flatnonzero(part.any(1))) for part in (changed[:, :320], changed[:, 320:])]
    assert heights[1] / heights[0] == pytest.approx(2, abs=0.15)


def test_several_files_at_different_rates_become_one_film(run_stage, tmp_path):
    slow, fast = dance(tmp_path / "slow.npz", 20, 10.0), save(tmp_path / "fast.npz", np.ones((60, 40, 2)), fps=50)
    done = run_stage(
        "animate.py", slow, fast, "--out", tmp_path / "both.mp4", "--trail", "--beats", "--size", "320x160"
    )
    assert done.returncode == 0, done.stderr
    assert "fast.npz: no beats in it" in done.stderr and "slow.npz" not in done.stderr
    assert len(pictures(tmp_path / "both.mp4")) == 100  # the longer's two seconds at the finer rate


def test_start_and_length_cut_the_film(run_stage, tmp_path):
    file = dance(tmp_path / "d.npz", 100, 25.0)
    done = run_stage("animate.py", file, "--start", 1, "--length", 2, "--size", 64, "--audio", song(tmp_path / "s.wav"))
    assert done.returncode == 0, done.stderr
    assert len(pictures(tmp_path / "d.mp4")) == 50
    assert len(samples(tmp_path / "d.mp4")) == pytest.approx(16000, abs=8)


def test_one_frame_is_a_film_and_a_sheet(run_stage, tmp_path):
    file = save(tmp_path / "one.npz", STAND[None], fps=25)
    for ending in ("mp4", "gif", "png"):
        done = run_stage("animate.py", file, "--out", tmp_path / f"one.{ending}", "--size", 128)
        assert done.returncode == 0, done.stderr
    assert len(pictures(tmp_path / "one.mp4")) == len(pictures(tmp_path / "one.gif")) == 1
    assert image.imread(tmp_path / "one.png").shape[:2] == (128, 128)


def test_a_gif_says_that_it_has_no_sound_and_how_fast_it_is(run_stage, tmp_path):
    file = dance(tmp_path / "d.npz", 120, 120.0)
    done = run_stage("animate.py", file, "--out", tmp_path / "d.gif", "--audio", song(tmp_path / "s.wav"), "--size", 64)
    assert done.returncode == 0 and "no sound" in done.stderr and "at most 50" in done.stderr
    assert len(pictures(tmp_path / "d.gif")) == 50


def test_a_folder_has_the_frames_of_the_film_and_is_never_replaced(run_stage, fails, tmp_path):
    file, frames = dance(tmp_path / "d.npz", 30, 25.0), tmp_path / "frames"
    frames.mkdir()
    wanted = ["--out", f"{frames}/", "--size", "128x96", "--fps", 10]
    done = run_stage("animate.py", file, *wanted, "--audio", song(tmp_path / "s.wav"))
    assert done.returncode == 0 and "no sound" in done.stderr, done.stderr
    assert sorted(path.name for path in frames.iterdir()) == [f"{n:06}.png" for n in range(1, 13)]
    assert image.imread(frames / "000012.png").shape == (96, 128, 3)
    assert "frames: exists and is not an empty folder" in fails(file, *wanted)
    (tmp_path / "a file").touch()
    assert "a file: exists and is not an empty folder" in fails(file, "--out", tmp_path / "a file")


def test_a_page_has_the_song_and_the_beats_from_the_start(run_stage, visit, tmp_path):
    file = dance(tmp_path / "d.npz", 100, 25.0, beats=[0.5, 1.5, 2.5])
    options = ["--start", 1, "--audio", song(tmp_path / "s.wav"), "--out", tmp_path / "d.html", "--beats"]
    done = run_stage("animate.py", file, *options)
    assert done.returncode == 0 and "3.0 s at 25 poses a second" in done.stdout, done.stderr
    page = visit(tmp_path / "d.html")
    page.wait_for_selector("#flash[aria-pressed=true]:visible")
    assert page.text_content("#time") == "0:00.0 / 0:03.0"
    assert page.evaluate("document.querySelector('audio').duration") == pytest.approx(3, abs=0.05)


def test_real_dances_are_drawn(run_stage, shared, tmp_path):
    file = shared / "ballroom" / "truth" / "W_1.npz"  # with joints that were never captured
    audio = shared / "ballroom" / "audio" / "W_1.ogg"
    done = run_stage("animate.py", file, "--audio", audio, "--out", tmp_path / "w.mp4", "--length", 3, "--size", 160)
    assert done.returncode == 0, done.stderr
    assert len(pictures(tmp_path / "w.mp4")) == 75 and np.abs(samples(tmp_path / "w.mp4")).max() > 0.01


def test_faults_of_the_poses(fails, tmp_path):
    good = dance(tmp_path / "good.npz")
    assert "no such file" in fails(tmp_path / "goood.npz")
    np.savez(tmp_path / "other.npz", beats=np.arange(3.0))
    assert "no key 'poses', found beats" in fails(tmp_path / "other.npz")
    np.savez(tmp_path / "pickled.npz", poses=np.array([{}], object))
    assert "pickled" in fails(tmp_path / "pickled.npz")
    (tmp_path / "cut.npz").write_bytes(good.read_bytes()[:-300])
    assert "incomplete or damaged .npz" in fails(good, tmp_path / "cut.npz")
    save(tmp_path / "infinite.npz", np.full((5, 15, 2), np.inf))
    assert "infinite" in fails(tmp_path / "infinite.npz")
    np.savez(tmp_path / "huge.npz", poses=np.full((5, 15, 2), 1e300))
    assert "infinite" in fails(tmp_path / "huge.npz")
    save(tmp_path / "flat.npz", np.zeros((5, 30)))
    assert "expected numbers (frames, joints, 2)" in fails(tmp_path / "flat.npz")
    save(tmp_path / "nobody.npz", np.full((5, 15, 2), np.nan))
    assert "no joint is known" in fails(tmp_path / "nobody.npz", "--out", tmp_path / "x.png")
    save(tmp_path / "speed.npz", STAND[None], fps=np.array("fast"))
    assert "'fps' is fast" in fails(tmp_path / "speed.npz")
    save(tmp_path / "beats.npz", STAND[None], fps=25, beats=np.array(["one", "two"]))
    save(tmp_path / "bars.npz", STAND[None], fps=25, beats=np.arange(3.0), downbeats=np.ones(2, bool))
    assert "'downbeats' is bool (2,), expected bool, one for each" in fails(tmp_path / "bars.npz")
    assert "'beats' is <U3 (2,)" in fails(tmp_path / "beats.npz", "--beats")


def test_faults_of_the_arguments(fails, tmp_path):
    good = dance(tmp_path / "good.npz")
    assert "ends in .mp4 or .gif or .png or .html, or a folder's without a dot, found '.avi'" in fails(
        good, "--out", tmp_path / "x.avi"
    )
    assert "past its end at 2.00 s" in fails(good, "--start", 2)
    assert "expected 0.1 to 1000" in fails(good, "--fps", 1e9)
    assert "--size: cannot be used with a page (.html)" in fails(good, "--size", 64, "--out", tmp_path / "x.html")
    assert "5 dances, expected at most 4" in fails(*[good] * 5, "--out", tmp_path / "x.html")
    assert "2 titles for 1 files" in fails(good, "--titles", "one", "two")
    (tmp_path / "text.mp3").write_text("la la la\n" * 100)
    assert "text.mp3" in fails(good, "--audio", tmp_path / "text.mp3")
    assert "no such audio" in fails(good, "--audio", tmp_path / "none.mp3")
    (tmp_path / "good.mp4").write_bytes(song(tmp_path / "s.wav").read_bytes())
    assert "would be overwritten" in fails(good, "--audio", tmp_path / "good.mp4")
    assert "text.mp3" in fails(good, "--out", tmp_path / "text.mp3" / "x.mp4")  # a file where a folder should be


@pytest.mark.parametrize(
    "bad", [["--fps", "0"], ["--size", "8"], ["--size", "axb"], ["--start", "-1"], ["--length", "0"]]
)
def test_numbers_that_make_no_sense_are_refused(run_stage, tmp_path, bad):
    done = run_stage("animate.py", tmp_path / "x.npz", *bad)
    assert done.returncode == 2 and f"argument {bad[0]}: invalid" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_ours(fails, tmp_path):
    good, folder = dance(tmp_path / "good.npz"), tmp_path / "theirs"
    folder.mkdir(mode=0o500)
    assert "Permission denied" in fails(good, "--out", folder / "x.mp4")


@pytest.mark.parametrize("ending", [".mp4", ".gif", ".png", ""])
def test_a_full_disk_leaves_nothing(fails, tmp_path, ending):
    resource = pytest.importorskip("resource")
    rng = np.random.default_rng(0)
    file = save(tmp_path / "busy.npz", 300 * rng.random((60, 40, 2)), fps=25)
    out = tmp_path / f"x{ending}"
    line = fails(
        file, "--out", out, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
    )  # no file may grow beyond 8 kB
    assert f"x{ending}: " in line


def running(mark: str) -> list[int]:
    """List the processes whose command line holds this text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in path.read_bytes().decode(errors="replace"):
                found.append(int(path.parent.name))
        except OSError:  # it ended meanwhile
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc")
def test_ctrl_c_ends_all_and_leaves_nothing(tmp_path):
    file = dance(tmp_path / "long.npz", 20000)
    command = [sys.executable, "animate.py", str(file), "--out", str(tmp_path / "out" / "x.mp4"), "--size", "512"]
    stage = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while len(running(str(tmp_path / "out"))) < 2 and time.monotonic() < until:  # the stage, and its ffmpeg
        time.sleep(0.05)
    time.sleep(0.3)
    stage.send_signal(signal.SIGINT)
    _, said = stage.communicate(timeout=60)
    assert stage.returncode == 130 and said.startswith("interrupted") and "Traceback" not in said
    assert not list((tmp_path / "out").iterdir()) and not running(str(tmp_path / "out"))


@pytest.mark.parametrize("ending", ["html", "png"])
def test_names_that_are_not_utf8(tmp_path, ending):
    name = os.fsdecode(b"caf\xe9")
    file, out = dance(tmp_path / f"{name}.npz"), tmp_path / f"{name}.{ending}"
    animate.main([str(file), str(file), "--quiet", "--out", str(out)])
    assert out.stat().st_size > 10_000
