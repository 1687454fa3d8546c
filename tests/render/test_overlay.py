import numpy as np
import pytest
from test_animate import fails, save  # noqa: F401  (fails is a fixture)
from test_video_reader import corner, flashes, make
from test_video_writer import onsets, packets, pictures, samples, song

from learn2dance.media import video_reader

SPOT = (40, 30)  # pixels at which all of a dancer's joints are


def spot(path, frames, fps, at=SPOT):
    """Write poses of one point, as parse.py does: in pixels, y down."""
    return save(path, np.broadcast_to(np.array(at, float), (frames, 3, 2)) + np.eye(3, 2), fps=fps)


def test_the_poses_lie_over_their_frames_in_time_and_place(run_stage, tmp_path):
    """A picture that flashes white when the joint jumps; the film's every frame shows both, or neither."""
    moments = [10, 33, 61]
    poses = np.full((75, 3, 2), 20.0) + np.eye(3, 2)
    poses[moments] += [24, 0]
    film = flashes(tmp_path / "v.mp4", 25, [moment / 25 for moment in moments], 3.0)
    done = run_stage("animate.py", save(tmp_path / "p.npz", poses, fps=25), "--over", film, "--out", tmp_path / "o.mp4")
    assert done.returncode == 0, done.stderr
    about = video_reader.look(tmp_path / "o.mp4")
    assert (about.size, about.fps, about.sound) == ((64, 48), 25, False)
    seen = pictures(tmp_path / "o.mp4").astype(int)
    assert len(seen) == 75
    assert onsets(seen[:, :10].mean((1, 2)), 128).tolist() == moments  # above the joints: the video alone
    around = {20: seen[:, 15:26, 15:26], 44: seen[:, 15:26, 39:50]}
    drawn = np.array([[np.ptp(part[t]) > 60 for t in range(75)] for part in around.values()])
    assert np.flatnonzero(drawn[1]).tolist() == moments and np.flatnonzero(~drawn[0]).tolist() == moments


@pytest.mark.parametrize("late", [0.0, -0.4])
def test_the_videos_own_sound_comes_along_from_where_it_starts(run_stage, tmp_path, late):
    """`late`: the recording of the sound began before that of the picture."""
    clicks = [1.2, 2.4]
    wav = song(tmp_path / "s.wav", clicks=[click - late for click in clicks])
    shift = ["-itsoffset", -late, "-i", flashes(tmp_path / "p.mp4", 25, clicks), "-i", wav]
    film = make(*shift, "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "pcm_s16le", tmp_path / "v.mkv")
    poses = spot(tmp_path / "p.npz", 100, 25)
    for start in (0, 0.8):
        out = tmp_path / "o.mp4"
        done = run_stage("animate.py", poses, "--over", film, "--start", start, "--length", 2, "--out", out)
        assert done.returncode == 0, done.stderr
        assert len(pictures(out)) == 50
        expected = [click - start for click in clicks if click - start < 2]
        np.testing.assert_allclose(onsets(np.abs(samples(out)), 0.2) / 8000, expected, atol=0.012)
        light = onsets(pictures(out)[:, :10].mean((1, 2)), 128)
        np.testing.assert_allclose(np.array([begin for begin, _ in packets(out, 0)])[light], expected, atol=0.021)


def test_a_turned_video_is_drawn_upright_in_its_pixels(run_stage, tmp_path):
    film = make("-display_rotation", 90, "-i", corner(tmp_path / "p.mp4"), "-c", "copy", tmp_path / "v.mp4")  # 48x96
    done = run_stage(
        "animate.py", spot(tmp_path / "p.npz", 10, 25, (24, 20)), "--over", film, "--out", tmp_path / "o.mp4"
    )
    assert done.returncode == 0, done.stderr
    seen = pictures(tmp_path / "o.mp4")[4]
    assert seen.shape == (96, 48) and (seen[60:, 30:] < 60).all() and np.ptp(seen[12:28, 16:34].astype(int)) > 60


def test_sound_size_and_rate_can_be_others(run_stage, tmp_path):
    film, wav = flashes(tmp_path / "v.mp4", 25, [1.0]), song(tmp_path / "s.wav", clicks=[0.6])
    more = ["--audio", wav, "--size", "128x96", "--fps", 50, "--out", tmp_path / "o.gif"]
    done = run_stage("animate.py", spot(tmp_path / "p.npz", 75, 25), "--over", film, *more)
    assert done.returncode == 0 and "no sound" in done.stderr, done.stderr
    seen = pictures(tmp_path / "o.gif")
    assert seen.shape == (150, 96, 128) and onsets(seen[:, :20].mean((1, 2)), 128).tolist() == [50]


def test_poses_of_another_video_are_an_error(run_stage, fails, tmp_path):  # noqa: F811
    film = flashes(tmp_path / "v.mp4", 25)
    far = spot(tmp_path / "far.npz", 100, 25, (900, 500))
    assert "64x48 pixels, but the poses reach to (901, 501)" in fails(far, "--over", film, "--out", tmp_path / "x.mp4")
    near = spot(tmp_path / "near.npz", 300, 25)
    done = run_stage("animate.py", near, "--over", film, "--out", tmp_path / "o.mp4")
    assert done.returncode == 0 and "poses of 12.0 s, a video of 4.0 s" in done.stderr
    assert len(pictures(tmp_path / "o.mp4")) == 100


def test_faults(fails, tmp_path):  # noqa: F811
    from test_animate import dance

    film, poses = flashes(tmp_path / "v.mp4", 25), spot(tmp_path / "p.npz", 100, 25)
    generated = dance(tmp_path / "generated.npz")
    (tmp_path / "text.mp4").write_text("la la la")
    over = ("--over", film, "--out", tmp_path / "o.mp4")
    assert "would be overwritten" in fails(poses, "--over", film, "--out", film)
    assert "found y up (a generated dance)" in fails(generated, *over)
    assert "no such video" in fails(poses, "--over", tmp_path / "none.mp4")
    assert "is it a complete media file" in fails(poses, "--over", tmp_path / "text.mp4")
    assert "ends in .mp4 or .gif" in fails(poses, "--over", film, "--out", tmp_path / "o.png")
    assert "--trail: cannot be used with --over" in fails(poses, *over, "--trail")
    assert "ends before second 30" in fails(spot(tmp_path / "long.npz", 1000, 25), *over, "--start", 30)
    nobody = save(tmp_path / "nobody.npz", np.full((5, 15, 2), np.nan), fps=25)
    assert "no joint is known" in fails(nobody, *over)
    assert "past" in fails(poses, *over, "--start", 30)
