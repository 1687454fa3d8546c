import subprocess
import tracemalloc
import wave
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from learn2dance import cli
from learn2dance.errors import UserError
from learn2dance.media import video_reader, video_writer
from learn2dance.media.ffmpeg import encoder, probe

SIZE = (64, 48)


@pytest.fixture(autouse=True)
def progress_bars():
    cli.setup(quiet=True)


def ffmpeg(*arguments) -> bytes:
    command = [encoder(), "-v", "error", *map(str, arguments)]
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True).stdout


def pictures(path) -> np.ndarray:
    """Decode all frames: uint8 (T, height, width)."""
    width, height = video_reader.look(path).size
    raw = ffmpeg("-i", f"file:{path}", "-f", "rawvideo", "-pix_fmt", "gray", "-fps_mode", "passthrough", "-")
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width)


def samples(path, rate=8000) -> np.ndarray:
    """Decode the sound from the file's time 0 on."""
    raw = ffmpeg("-i", f"file:{path}", "-vn", "-ac", 1, "-ar", rate, "-f", "f32le", "-")
    return np.frombuffer(raw, "<f4")


def packets(path, stream) -> list[tuple[float, float]]:
    """List the (start, duration) in seconds of a stream's packets, as the file says."""
    lines = (
        ffmpeg("-i", f"file:{path}", "-map", f"0:{stream}", "-c", "copy", "-f", "framecrc", "-").decode().splitlines()
    )
    base = next(line.split()[-1] for line in lines if line.startswith("#tb")).split("/")
    tick = int(base[0]) / int(base[1])
    rows = [line.split(",") for line in lines if not line.startswith("#")]
    return [(int(row[2]) * tick, int(row[3]) * tick) for row in rows]


def song(path: Path, seconds=6.0, clicks=(), rate=44100) -> Path:
    """Write a wav that is silent but for clicks of 5 ms."""
    sound = np.zeros(round(seconds * rate))
    for click in clicks:
        at = round(click * rate)
        sound[at : at + rate // 200] = 0.9
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    return path


def flashing(*bright):
    """Return a drawer of black frames, of which these are white."""
    black, white = (np.full((SIZE[1], SIZE[0], 4), value, np.uint8) for value in (0, 255))
    return lambda t: (white if t in bright else black).data


def onsets(values: np.ndarray, level: float) -> np.ndarray:
    """Return where values rise above a level after having been below for a while."""
    above = np.flatnonzero(values > level)
    return above[np.diff(above, prepend=-(10**9)) > 10]


@pytest.mark.parametrize("fps", [25, 30, 29.97, 30000 / 1001, 60, 12.5])
def test_sound_and_picture_meet(tmp_path, fps):
    frames = [0, int(fps), int(2.2 * fps), int(3.9 * fps)]
    start, out = 0.7, tmp_path / "a.mp4"
    audio = song(tmp_path / "s.wav", clicks=[start + t / fps for t in frames])
    video_writer.write(out, flashing(*frames), round(4.5 * fps), SIZE, fps, audio, start)
    seen, heard = pictures(out), samples(out)
    assert len(seen) == round(4.5 * fps)
    shown = [begin for begin, _ in packets(out, 0)]
    assert shown[0] == 0
    np.testing.assert_allclose(np.diff(shown), 1 / fps, atol=1e-4)
    light = onsets(seen.mean((1, 2)), 128)
    assert light.tolist() == frames
    np.testing.assert_allclose(onsets(np.abs(heard), 0.2) / 8000, np.array(shown)[light], atol=0.006)


@pytest.mark.parametrize("seconds", [2.0, 8.0])
def test_the_sound_lasts_as_long_as_the_picture(tmp_path, seconds):
    out = tmp_path / "a.mp4"
    video_writer.write(out, flashing(), 100, SIZE, 25, song(tmp_path / "s.wav", seconds, clicks=[1.0]))
    last = packets(out, 0)[-1]
    assert sum(last) == pytest.approx(4.0, abs=1e-3)
    assert len(samples(out)) / 8000 == pytest.approx(4.0, abs=0.001)
    found = probe(out)
    assert (found.sound, found.picture, found.fps) == (True, True, 25) and found.duration == pytest.approx(4, abs=0.03)


@pytest.mark.parametrize("ending", ["ogg", "mp3", "m4a", "flac", "opus"])
def test_other_formats_keep_their_time(tmp_path, ending):
    audio = tmp_path / f"s.{ending}"
    ffmpeg("-i", song(tmp_path / "s.wav", clicks=[1.0, 3.0]), audio)
    video_writer.write(tmp_path / "a.mp4", flashing(), 100, SIZE, 25, audio, 0.5)
    heard = onsets(np.abs(samples(tmp_path / "a.mp4")), 0.2) / 8000
    np.testing.assert_allclose(heard, [0.5, 2.5], atol=0.015)


def test_a_song_that_is_over_before_the_dance_begins_is_silence(tmp_path):
    video_writer.write(
        tmp_path / "a.mp4", flashing(), 50, SIZE, 25, song(tmp_path / "s.wav", 2, clicks=[1.0]), start=5.0
    )
    heard = samples(tmp_path / "a.mp4")
    assert len(heard) == 16000 and not np.abs(heard).max() > 1e-3


def test_the_same_input_gives_the_same_bytes(tmp_path):
    audio = song(tmp_path / "s.wav", clicks=[1.0])
    for name in ("a.mp4", "b.mp4", "a.gif", "b.gif"):
        video_writer.write(tmp_path / name, flashing(3, 30), 60, SIZE, 25, audio)
    for kind in ("mp4", "gif"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_the_index_comes_first_and_the_pixels_are_what_players_take(tmp_path):
    video_writer.write(tmp_path / "a.mp4", flashing(), 5, SIZE, 25)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    about = subprocess.run([encoder(), "-i", tmp_path / "a.mp4"], capture_output=True, text=True).stderr
    assert "h264" in about and "yuv420p" in about and "bt709" in about


def test_colours_come_through(tmp_path):
    frame = np.zeros((48, 64, 4), np.uint8)
    frame[:, :32], frame[:, 32:] = (240, 137, 43, 255), (20, 23, 31, 255)
    video_writer.write(tmp_path / "a.mp4", lambda t: frame.data, 5, SIZE, 25)
    raw = ffmpeg(
        "-i", tmp_path / "a.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24", "-vf", "scale=in_color_matrix=bt709", "-"
    )
    decoded = np.frombuffer(raw, np.uint8).reshape(-1, 48, 64, 3).astype(int)
    assert np.abs(decoded[2, 24, [10, 50]] - [[240, 137, 43], [20, 23, 31]]).max() <= 4


def test_a_name_without_an_ending_is_a_folder_of_exact_pixels(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (12, 48, 64, 4), np.uint8)
    for name in ("a", "b"):
        video_writer.write(tmp_path / name, lambda t: frames[t].data, 12, SIZE, 25)
    files = sorted((tmp_path / "a").iterdir())
    assert [file.name for file in files] == [f"{n:06}.png" for n in range(1, 13)]
    for drawn, file in zip(frames, files, strict=True):
        np.testing.assert_array_equal(np.round(image.imread(file) * 255), drawn[..., :3])
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_a_gif_has_all_frames_in_time(tmp_path):
    video_writer.write(tmp_path / "a.gif", flashing(7, 20), 30, SIZE, 30)
    shown = packets(tmp_path / "a.gif", 0)
    assert len(shown) == 30
    np.testing.assert_allclose([begin for begin, _ in shown], np.arange(30) / 30, atol=0.0101)  # it counts in 1/100 s
    assert onsets(pictures(tmp_path / "a.gif").mean((1, 2)), 128).tolist() == [7, 20]


@pytest.mark.parametrize(
    "name", ["-dash", "two words", 'it\'s "quoted"', "Füße 舞", "50%d of [x];#1", "pipe:1", "a,b=c\\d"]
)
def test_any_file_name_will_do(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    song(Path(f"{name}.wav"), 1, clicks=[0.5])
    video_writer.write(f"{name}.mp4", flashing(), 25, SIZE, 25, f"{name}.wav")
    video_writer.write(f"{name}.gif", flashing(), 25, SIZE, 25)
    assert np.abs(samples(tmp_path / f"{name}.mp4")).max() > 0.5
    video_writer.write(name.replace(".", ""), flashing(), 25, SIZE, 25)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == ["", ".gif", ".mp4", ".wav"]
    assert len(list(Path(name.replace(".", "")).absolute().glob("*.png"))) == 25


def test_frames_are_not_kept(tmp_path):
    drawn = np.random.default_rng(0).integers(0, 255, (96, 96, 4), np.uint8)
    tracemalloc.start()
    try:
        for name in ("a.mp4", "a.gif"):
            video_writer.write(tmp_path / name, lambda t: (drawn ^ (t % 256)).data, 600, (96, 96), 25)
        assert tracemalloc.get_traced_memory()[1] < 20 * drawn.nbytes + 3e6  # 600 frames are 22 MB
    finally:
        tracemalloc.stop()


def test_an_audio_file_without_sound_is_an_error_before_anything_is_drawn(tmp_path):
    def never(t):
        raise AssertionError

    (tmp_path / "text.mp3").write_text("la la la\n" * 100)
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "folder.wav").mkdir()
    video_writer.write(tmp_path / "silent.mp4", flashing(), 5, SIZE, 25)
    for name, said in {
        "text.mp3": "is it a complete media file",
        "empty.wav": "0 bytes",
        "folder.wav": "folder.wav",
        "silent.mp4": "found no sound",
        "silent.mp3": "no such audio or video file; did you mean",
    }.items():
        with pytest.raises(UserError, match=said) as fault:
            video_writer.write(tmp_path / "a.mp4", never, 5, SIZE, 25, tmp_path / name)
        assert name in str(fault.value) and "\n" not in str(fault.value)
    assert not (tmp_path / "a.mp4").exists()
    with pytest.raises(UserError, match="ends in .mp4 or .gif"):
        video_writer.write(tmp_path / "a.webm", never, 5, SIZE, 25)


def test_when_drawing_stops_so_does_ffmpeg_and_nothing_is_left(tmp_path, monkeypatch):
    started = []
    real = subprocess.Popen

    def remember(*arguments, **options):
        started.append(real(*arguments, **options))
        return started[-1]

    def interrupted(t):
        if t == 40:
            raise KeyboardInterrupt
        return flashing()(t)

    (tmp_path / "a.mp4").write_bytes(b"the one before")
    monkeypatch.setattr(subprocess, "Popen", remember)
    for name in ("a.mp4", "frames"):
        with pytest.raises(KeyboardInterrupt):
            video_writer.write(tmp_path / name, interrupted, 80, SIZE, 25)
    assert started and all(process.poll() is not None for process in started)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"the one before"


def test_a_failing_ffmpeg_is_one_line(tmp_path):
    with pytest.raises(UserError, match="a.mp4: ffmpeg could not write it") as fault:
        video_writer.write(tmp_path / "a.mp4", flashing(), 500, (63, 47), 25)  # H.264 as players take it has even sizes
    assert "\n" not in str(fault.value)
    assert not list(tmp_path.iterdir())


def test_a_notebook_shows_the_bytes(tmp_path):
    for name, kind in {"a.mp4": "video/mp4", "a.gif": "image/gif"}.items():
        video_writer.write(tmp_path / name, flashing(), 5, SIZE, 25)
        shown = video_writer.embed(tmp_path / name, width=320)
        data = shown._repr_html_() if kind == "video/mp4" else shown._repr_mimebundle_()
        assert kind in str(data) and str(tmp_path) not in str(data)
