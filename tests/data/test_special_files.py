"""Named pipes, sockets and devices in place of files: reading one might never end."""

import os
import signal
import socket

import pytest

from learn2dance import cli
from learn2dance.data import checkpoint, clips_table, npz, splits
from learn2dance.errors import UserError
from learn2dance.media import audio, video_reader
from learn2dance.poses.formats import clip_files
from learn2dance.render import inputs


@pytest.fixture(autouse=True)
def at_most_ten_seconds():
    """End a read that hangs."""

    def give_up(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(10)
    yield
    signal.alarm(0)


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def listening(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


READERS = {
    "a.npz": npz.read_npz,
    "b.npz": npz.digest,
    "c.npz": lambda path: inputs.read([path], None, 0.0, None, None),
    "model.pt": lambda path: checkpoint.load(path, "music2pose"),
    "clips.csv": lambda path: clips_table.read(path, ["a"]),
    "train.txt": splits.read,
    "clip.json": clip_files.read,
    "clip.tar.gz": clip_files.read,
    "frame.json": lambda path: clip_files.read(path.parent),
    "song.wav": audio.load,
    "video.mp4": video_reader.look,
    "answers.csv": lambda path: cli.existing_path(path, "file of answers"),
}


@pytest.mark.parametrize("make", [pipe, device, listening])
@pytest.mark.parametrize("name", READERS)
def test_it_is_refused_in_one_line(tmp_path, name, make):
    make(tmp_path / name)
    with pytest.raises(UserError) as raised:
        READERS[name](tmp_path / name)
    said = str(raised.value)
    assert said.startswith(f"{tmp_path / name}: a named pipe, socket or device") and "\n" not in said
