"""Dances to songs, as a worker of a cluster writes them."""

import shutil

import pytest

from learn2dance import dances
from learn2dance.data import data_root
from learn2dance.errors import UserError


@pytest.mark.parametrize("name", ["model", "prefix"])
def test_another_model_or_prefix_than_the_one_asked_for_is_refused(trained, tmp_path, name):
    root = data_root.open_root(trained)
    clips = sorted(root.have("poses", "music"))
    files = {"model": tmp_path / "model.pt", "prefix": tmp_path / "prefix.npz"}
    shutil.copy(trained / "models" / "music2pose.pt", files["model"])
    shutil.copy(root.file("poses", clips[0]), files["prefix"])
    options = {"prefix": files["prefix"]}
    parents = dances.digests(files["model"], options) | {name: "of the file on another machine"}
    request = dances.Request(files["model"], "cpu", range(1), options, tmp_path / "out", (), parents)
    song = dances.Song(clips[0], None, root.file("music", clips[0]), None)
    with pytest.raises(UserError, match=f"{files[name].name}: this {name} has changed, or is another on a worker"):
        dances.dance((request, song))
    assert not (tmp_path / "out").exists()
