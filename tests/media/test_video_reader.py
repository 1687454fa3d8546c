import shutil
import subprocess
import wave

import numpy as np
import pytest
from test_video_writer import SIZE, flashing, onsets, song

from learn2dance import cli
from learn2dance.errors import UserError
from learn2dance.media import ffmpeg, video_reader, video_writer

FPS = 25
CLICKS = [0.6, 1.4, 2.92]  # seconds after the first frame at which the picture flashes, and the sound clicks
BUNDLED = ffmpeg.encoder()


@pytest.fixture(autouse=True)
def progress_bars():
    cli.setup(quiet=True)


@pytest.fixture(params=["bundled", "system"] if shutil.which("ffmpeg") else ["bundled"])
def which(request, monkeypatch):
    """Run a test with imageio-ffmpeg's ffmpeg, and again with the system's, where there is one."""
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", BUNDLED if request.param == "bundled" else shutil.which("ffmpeg"))


def make(*arguments):
    """Make a test's video; its last argument is returned."""
    command = [BUNDLED, "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return arguments[-1]


def flashes(path, fps=FPS, at=CLICKS, seconds=4.0):
    """Write a silent video of black frames, white at these seconds."""
    video_writer.write(path, flashing(*[round(second * fps) for second in at]), round(seconds * fps), SIZE, fps)
    return path


def corner(path, size=(96, 48), frames=10):
    """Write a black video whose upper left quarter is white."""
    picture = np.zeros((size[1], size[0], 4), np.uint8)
    picture[: size[1] // 2, : size[0] // 2] = 255
    video_writer.write(path, lambda t: picture.data, frames, size, FPS)
    return path


def pictures(film, fps=None, first=0) -> np.ndarray:
    """Return all frames as `video_reader.reading` gives them, uint8 (T, height, width)."""
    with video_reader.reading(film, "gray", film.size, fps, first) as stream:
        return np.frombuffer(stream.stdout.read(), np.uint8).reshape(-1, film.size[1], film.size[0])


def samples(path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (22050, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


def onset_seconds(path) -> np.ndarray:
    return onsets(np.abs(samples(path)), 0.2) / 22050


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "avi", "ts"])
@pytest.mark.parametrize("late", [0.0, 0.37, -0.25])
def test_the_sound_begins_with_the_first_frame(tmp_path, which, ending, late):
    """`late` is how much later than the picture the recording of the sound began."""
    if ending == "avi" and late:
        pytest.skip("an avi cannot say that its sound begins later")
    clicks = song(tmp_path / "s.wav", clicks=[click - late for click in CLICKS])
    sound = "aac" if ending in ("mp4", "ts") else "pcm_s16le"
    shift = ["-itsoffset", max(0, -late), "-i", flashes(tmp_path / "p.mp4"), "-itsoffset", max(0, late), "-i", clicks]
    out = make(*shift, "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", sound, tmp_path / f"v.{ending}")
    film = video_reader.look(out)
    assert (film.size, film.fps, film.frames, film.plain, film.sound) == (SIZE, FPS, 100, True, True)
    assert film.late == pytest.approx(max(0, -late), abs=0.03)  # encoded sound begins with a bit of padding
    np.testing.assert_array_equal(onsets(pictures(film).mean((1, 2)), 128), np.round(np.array(CLICKS) * FPS))
    video_reader.sound(film, tmp_path / "out.wav")
    np.testing.assert_allclose(onset_seconds(tmp_path / "out.wav"), CLICKS, atol=0.010)


def test_the_sound_is_the_mean_of_its_channels(tmp_path, which):
    wav = song(tmp_path / "s.wav", clicks=CLICKS)
    left = ["-af", "pan=stereo|c0=c0|c1=0*c0", "-c:a", "pcm_s16le"]
    out = make("-i", flashes(tmp_path / "p.mp4"), "-i", wav, "-c:v", "copy", *left, tmp_path / "v.mkv")
    video_reader.sound(video_reader.look(out), tmp_path / "out.wav")
    assert np.abs(samples(tmp_path / "out.wav")).max() == pytest.approx(0.45, abs=0.07)  # clicks of 0.9, one side


def test_a_hole_in_the_sound_stays_a_hole(tmp_path, which):
    wav = song(tmp_path / "s.wav", clicks=CLICKS)
    hole = ["-af", "aselect='not(between(t,1.6,2.4))'", "-c:a", "pcm_s16le"]
    out = make("-i", flashes(tmp_path / "p.mp4"), "-i", wav, "-c:v", "copy", *hole, tmp_path / "v.mkv")
    video_reader.sound(video_reader.look(out), tmp_path / "out.wav")
    np.testing.assert_allclose(onset_seconds(tmp_path / "out.wav"), CLICKS, atol=0.010)


@pytest.mark.parametrize("fps", [24000 / 1001, 25, 30000 / 1001, 30, 50, 60000 / 1001, 17.3])
@pytest.mark.parametrize("ending", ["mp4", "mkv"])  # an mkv rounds its times to milliseconds
def test_even_frames_keep_their_rate_and_are_read_one_for_one(tmp_path, which, fps, ending):
    out = make("-i", flashes(tmp_path / "p.mp4", fps), "-c", "copy", tmp_path / f"v.{ending}")
    film = video_reader.look(out)
    assert film.fps == pytest.approx(fps, rel=2e-4) and film.plain and film.frames == round(4 * fps)
    seen = pictures(film)
    assert len(seen) == film.frames
    assert onsets(seen.mean((1, 2)), 128).tolist() == [round(click * fps) for click in CLICKS]


def test_uneven_frames_are_laid_on_an_even_grid(tmp_path, which):
    """A phone's 30 frames a second, of which the dark gave only every second one from 1.5 to 2.5 s."""
    uneven = "select='not(between(t,1.5,2.5)*mod(n,2))'"
    mixed = ["-vf", uneven, "-fps_mode", "vfr", "-video_track_timescale", "90000"]
    out = make("-i", flashes(tmp_path / "p.mp4", 30), *mixed, "-bf", "0", tmp_path / "v.mp4")
    film = video_reader.look(out)
    assert (film.fps, film.frames, film.plain) == (30, 120, False)
    seen = pictures(film)
    assert len(seen) == 120
    assert onsets(seen.mean((1, 2)), 128).tolist() == [18, 42, 88]
    video_reader.steady(film, tmp_path / "steady.mp4")
    steady = video_reader.look(tmp_path / "steady.mp4")
    assert (steady.fps, steady.frames, steady.plain) == (30, 120, True)
    assert onsets(pictures(steady).mean((1, 2)), 128).tolist() == [18, 42, 88]


def test_a_rate_that_is_asked_for_is_given(tmp_path, which):
    path = flashes(tmp_path / "p.mp4", 50)
    film = video_reader.look(path, 25)
    assert (film.fps, film.frames, film.plain) == (25, 100, False)
    assert len(pictures(film)) == 100
    assert len(pictures(video_reader.look(path), 25, first=40)) == 60
    assert onsets(pictures(video_reader.look(path), 25, first=10).mean((1, 2)), 128).tolist() == [5, 25, 63]


@pytest.mark.parametrize(
    ("degrees", "white"), [(0, (0, 0)), (90, (1, 0)), (180, (1, 1)), (-90, (0, 1))]
)  # counter-clockwise, and where (row, column) the upper left quarter of the stored picture goes
def test_turned_pictures_come_out_upright(tmp_path, which, degrees, white):
    rotated = ["-display_rotation", degrees, "-i", corner(tmp_path / "p.mp4"), "-c", "copy", tmp_path / "v.mp4"]
    film = video_reader.look(make(*rotated))
    assert film.plain == (degrees == 0)
    assert film.size == ((96, 48) if degrees % 180 == 0 else (48, 96))
    video_reader.steady(film, tmp_path / "steady.mp4")
    for seen in (film, video_reader.look(tmp_path / "steady.mp4")):
        rows, columns = np.nonzero(pictures(seen)[0] > 128)
        half = np.array(pictures(seen)[0].shape) / 2
        assert ((rows.mean() > half[0]), (columns.mean() > half[1])) == white


def test_pixels_come_out_square(tmp_path, which):
    film = video_reader.look(make("-i", corner(tmp_path / "p.mp4"), "-vf", "setsar=4/3", tmp_path / "v.mp4"))
    assert film.size == (128, 48) and not film.plain
    assert (pictures(film)[0][:24, :60] > 128).all() and not (pictures(film)[0][:24, 70:] > 128).any()


def test_one_picture_is_a_video(tmp_path, which):
    film = video_reader.look(corner(tmp_path / "one.mp4", frames=1))
    assert (film.frames, film.plain, film.fps) == (1, True, 25) and len(pictures(film)) == 1


def noise(path, ending):
    """Write six seconds of a picture that takes many bytes."""
    busy = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-f", "lavfi", "-i", "sine=440", "-t", "6"]
    return make(*busy, "-movflags", "+faststart", path.with_suffix(f".{ending}"))


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi", "mov"])
def test_a_video_that_is_cut_short_is_an_error(tmp_path, which, ending):
    path = noise(tmp_path / "v", ending)
    assert video_reader.look(path).frames in (150, 151)  # mpeg4 in an avi: ffmpeg shows its first frame for two
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="cut short") as fault:
        video_reader.look(path)
    assert str(path) in str(fault.value) and "\n" not in str(fault.value)


def test_other_files_are_errors(tmp_path, which):
    whole = make("-i", noise(tmp_path / "v", "mp4"), "-c", "copy", tmp_path / "w.mp4")  # its index comes last
    (tmp_path / "headless.mp4").write_bytes(whole.read_bytes().partition(b"moov")[0])
    (tmp_path / "text.mp4").write_text("la la la\n" * 100)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    make("-i", whole, "-vn", tmp_path / "song.mp4")
    cover = ["-map", "0:a", "-map", "1:v", "-frames:v", "1", "-c:v", "mjpeg", "-disposition:v", "attached_pic"]
    make("-i", whole, "-i", whole, *cover, tmp_path / "cover.m4a")
    for name, said in {
        "headless.mp4": "is it a complete media file",
        "text.mp4": "is it a complete media file",
        "empty.mp4": "0 bytes",
        "folder.mp4": "a folder",
        "song.mp4": "found only sound",
        "cover.m4a": "found only sound",
        "vv.mp4": "did you mean",
    }.items():
        with pytest.raises(UserError, match=said) as fault:
            video_reader.look(tmp_path / name)
        assert name in str(fault.value) and "\n" not in str(fault.value)


@pytest.mark.parametrize(
    "name", ["-dash", "two words", 'it\'s "quoted"', "Füße 舞", "50%d of [x];#1", "pipe:1", "a,b\\d"]
)
def test_any_file_name_will_do(tmp_path, which, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wav = song(tmp_path / "s.wav", clicks=CLICKS)
    make("-i", flashes(tmp_path / "p.mp4"), "-i", wav, "-c:v", "copy", tmp_path / f"{name}.mkv")
    film = video_reader.look(f"{name}.mkv")
    video_reader.sound(film, tmp_path / f"{name}.wav")
    video_reader.steady(film, tmp_path / f"{name}.steady.mp4")
    np.testing.assert_allclose(onset_seconds(tmp_path / f"{name}.wav"), CLICKS, atol=0.010)
    assert len(pictures(film)) == len(pictures(video_reader.look(tmp_path / f"{name}.steady.mp4"))) == 100


def test_a_disk_that_is_full_is_one_line_and_leaves_nothing(tmp_path, which):
    wav = song(tmp_path / "s.wav", clicks=CLICKS)
    film = video_reader.look(make("-i", flashes(tmp_path / "p.mp4"), "-i", wav, tmp_path / "v.mp4"))
    (tmp_path / "out").mkdir()
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    try:
        with pytest.raises(UserError, match="out.wav: ffmpeg could not write it") as fault:
            video_reader.sound(film, tmp_path / "out" / "out.wav")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(fault.value) and not list((tmp_path / "out").iterdir())
