import shutil
import socket
import subprocess
import sys
import time

import psutil
import pytest
from conftest import ROOT, still_alive
from test_video_reader import CLICKS, flashes, make
from test_video_writer import song

from learn2dance.errors import UserError
from learn2dance.media import audio, ffmpeg, video_reader


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
    assert not system.exists()  # videos are written by an ffmpeg with H.264, which a system's may lack
    reads = [lambda: video_reader.look(film), lambda: audio.load(wav), lambda: ffmpeg.probe(film)]
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
    assert video_reader.look(film) == found[0] and ffmpeg.probe(film) == found[2]
    assert not system.exists() and ffmpeg.reader() == ffmpeg.encoder() == bundled


def test_text_in_a_file_is_not_taken_for_its_header(tmp_path):
    plain = flashes(tmp_path / "p.mp4")
    text = {"title": " Duration: 09:09:09.9, start: 7", "artist": "Stream #0:9: Audio: aac", "comment": "[error] wrong"}
    text["copyright"] = "displaymatrix: rotation of 90.00 degrees"
    options = [option for key, value in text.items() for option in ("-metadata", f"{key}={value}")]
    titled = make("-i", plain, *options, "-c", "copy", tmp_path / "t.mp4")
    assert ffmpeg.probe(titled) == ffmpeg.probe(plain) == (False, True, 25, False, 4, 0)
    assert video_reader.look(titled)[1:] == video_reader.look(plain)[1:]


LISTS = {
    "m3u": "\n#EXTM3U\n#EXTINF:9,x\n{}\n",  # with a line before, so that only ffmpeg notices
    "hls": "\n#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
    "ffconcat": "\nffconcat version 1.0\nfile {}\n",
    "mpd": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet><Representation bandwidth="1">'
    "<BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\na={}\n",
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("ending", ["mp3", "m3u8", "mp4"])
def test_no_file_makes_ffmpeg_open_an_address_or_another_file(tmp_path, name, ending):
    other = song(tmp_path / "other.wav")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        for target in (f"http://127.0.0.1:{server.getsockname()[1]}/x.mp3", str(other), other.as_uri()):
            path = tmp_path / f"list.{ending}"
            path.write_text(LISTS[name].format(target))
            for read in (audio.load, video_reader.look, ffmpeg.probe):
                with pytest.raises(UserError, match="neither sound nor picture|a playlist"):
                    read(path)
        with pytest.raises(BlockingIOError):  # nobody has connected
            server.accept()


def test_text_is_no_picture_and_no_sound(tmp_path):
    path = tmp_path / "song.mp3"
    for text in ("Lyrics\nof a song\n" * 40, "-- SBaGen\nNOW pink/40\n", "1\n00:00:01,000 --> 99:59:59,000\nhello\n"):
        path.write_text(text)
        with pytest.raises(UserError, match="neither sound nor picture"):
            audio.load(path)


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
