import shutil
import subprocess
import sys
import time

import psutil
import pytest
from conftest import ROOT, still_alive
from test_video_reader import CLICKS, flashes
from test_video_writer import song

from learn2dance.errors import UserError
from learn2dance.media import audio, ffmpeg, video_reader, video_writer


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Put an ffmpeg on the PATH that notes that it ran; return where it does."""
    log, program = tmp_path / "log", tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho ran >> '{log}'\nexec '{ffmpeg.encoder()}' \"$@\"\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.delenv("IMAGEIO_FFMPEG_EXE", raising=False)
    return log


def test_videos_and_songs_are_read_by_the_systems_ffmpeg_and_else_by_the_packages(tmp_path, system, monkeypatch):
    film, wav = flashes(tmp_path / "p.mp4"), song(tmp_path / "s.wav", clicks=CLICKS)
    assert not system.exists()  # what makes films has H.264, which not every system's has
    reads = [lambda: video_reader.look(film), lambda: audio.load(wav), lambda: video_writer.probe(film)]
    found = []
    for read in reads:
        found.append(read())
        assert system.read_text() == "ran\n"
        system.unlink()
    bundled = ffmpeg.encoder()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ffmpeg.reader() == bundled
    monkeypatch.setenv("PATH", str(system.parent / "bin"))
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", bundled)
    assert video_reader.look(film) == found[0] and video_writer.probe(film) == found[2]
    assert not system.exists() and ffmpeg.reader() == ffmpeg.encoder() == bundled


def test_without_any_it_is_said_what_helps(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", type(sys)("none"))
    monkeypatch.setattr(sys.modules["imageio_ffmpeg"], "get_ffmpeg_exe", lambda: (_ for _ in ()).throw(RuntimeError), 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("IMAGEIO_FFMPEG_EXE", raising=False)
    with pytest.raises(UserError, match="pip install imageio-ffmpeg"):
        ffmpeg.reader()


@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv is Linux's alone")
def test_what_it_runs_ends_with_it_even_if_it_is_killed():
    script = """
import subprocess
from learn2dance.media import ffmpeg
with ffmpeg.running(["sleep", "60"]) as process:
    print(process.pid, flush=True)
    process.wait()
"""
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    run = psutil.Process(int(process.stdout.readline()))
    while run.name() != "sleep":  # until setpriv has done its part
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not still_alive([run])
