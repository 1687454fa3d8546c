import shutil
import signal
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from conftest import ROOT
from test_train import full_disk

from learn2dance.data import data_root, npz


@pytest.fixture
def run_on_song(run_stage, song, model):
    """Run the stage on the song, in a process of its own, with further arguments."""
    return partial(run_stage, "eval.py", "--audio", song, "--model", model)


def test_a_dance_to_any_file(run_on_song, tmp_path):
    ended = run_on_song("--out", tmp_path / "out", "--no-video", "--seed", 5)
    assert ended.returncode == 0, ended.stderr
    dance = npz.load(tmp_path / "out" / "my 'söng' -1.npz", "dance")
    assert len(dance["poses"]) == 8 * 30 and dance["seed"] == 5 and dance["fps"] == 30
    assert str(tmp_path / "out" / "my 'söng' -1.npz") in ended.stdout


def test_a_page_beside_the_film(run_on_song, visit, tmp_path):
    assert run_on_song("--out", tmp_path, "--no-video", "--quiet").returncode == 0
    ended = run_on_song("--out", tmp_path, "--no-video", "--html")  # of the dance that exists
    html = tmp_path / "my 'söng' -1.html"
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == f"{html.with_suffix('.npz')}, {html}"  # what it wrote
    page = visit(html)
    page.wait_for_selector("#flash:visible")  # a switch that is there if the page has beats
    assert page.text_content("#time").endswith("0:08.0")
    written = html.stat().st_mtime_ns
    assert run_on_song("--out", tmp_path, "--no-video", "--html").returncode == 0
    assert html.stat().st_mtime_ns == written


def test_the_included_weights_need_no_options(run_stage, song, tmp_path):
    options = ["--style", "waltz", "--out", tmp_path, "--no-video", "--quiet"]
    ended = run_stage("eval.py", "--audio", song, *options)
    assert ended.returncode == 0 and not ended.stdout, ended.stderr
    poses = npz.load(tmp_path / "my 'söng' -1.npz", "dance")["poses"]
    assert poses.shape == (240, 15, 2)
    speed = np.linalg.norm(np.diff(poses, axis=0), axis=-1).mean(1) * 30
    assert speed.reshape(-1)[:210].reshape(7, 30).mean(1).min() > 0.2  # torso lengths per second: it never freezes


@pytest.mark.parametrize("kind", ["model", "gan"])
def test_the_styles_are_listed(trained, run_stage, kind, request):
    """Without a song; the toy data has three styles."""
    ended = run_stage("eval.py", "--style", "list", "--model", request.getfixturevalue(kind))
    assert ended.returncode == 0 and not ended.stderr, ended.stderr
    _, *rows = [line.split() for line in ended.stdout.splitlines()]
    assert [(row[0], row[1]) for row in rows] == [("chacha", "4"), ("disco", "4"), ("waltz", "3")]


@pytest.mark.parametrize("options", [[], ["--style", "auto"], ["--style", "disco"]])
def test_the_style_of_a_song_is_said(run_on_song, tmp_path, options):
    ended = run_on_song("--out", tmp_path, "--no-video", *options)
    assert ended.returncode == 0, ended.stderr
    line = next(line for line in ended.stdout.splitlines() if line.startswith("my 'söng' -1: style "))
    assert ("--style list" in line) == (options[-1:] != ["disco"]) and (options[-1:] != ["disco"] or "disco" in line)


def test_auto_overrides_the_labels_of_a_data_root(root, run_stage):
    """Waltzes that are labelled as disco, and the reverse, are danced so only without --style auto."""
    table, swapped = root / "clips.csv", {"waltz": "disco", "disco": "waltz"}
    rows = [line.split(",") for line in table.read_text().splitlines()]
    table.write_text("".join(",".join([clip, swapped.get(style, style), *rest]) + "\n" for clip, style, *rest in rows))
    said = {}
    for option in ([], ["--style", "auto"]):
        ended = run_stage("eval.py", root, "--no-video", "--split", "train", *option)
        assert ended.returncode == 0, ended.stderr
        said[bool(option)] = [line for line in ended.stdout.splitlines() if ": style " in line]
    assert any("never danced in bars of" in line for line in said[False])
    assert said[True] and not any("never danced in bars of" in line for line in said[True])


@pytest.mark.parametrize("kind", ["model", "gan"])
def test_a_video_with_sound(run_stage, song, kind, request, tmp_path):
    from learn2dance.media import ffmpeg

    ended = run_stage("eval.py", "--audio", song, "--model", request.getfixturevalue(kind), "--out", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert len(npz.load(tmp_path / "my 'söng' -1.npz", "dance")["poses"]) == 240
    found = ffmpeg.probe(tmp_path / "my 'söng' -1.mp4")
    assert found.sound and abs(found.duration - 8) < 0.1


def test_several_dances_differ_and_each_is_reproducible(run_on_song, tmp_path):
    several = run_on_song("--out", tmp_path, "--no-video", "--n", 2, "--seed", 7)
    assert several.returncode == 0, several.stderr
    seven, eight = (npz.load(tmp_path / f"my 'söng' -1_{seed}.npz", "dance") for seed in (7, 8))
    assert (seven["tokens"] != eight["tokens"]).any()
    run_on_song("--out", tmp_path / "one", "--no-video", "--seed", 8)
    np.testing.assert_array_equal(npz.load(tmp_path / "one" / "my 'söng' -1.npz", "dance")["poses"], eight["poses"])


def test_the_songs_of_a_split(root, run_stage):
    ended = run_stage("eval.py", root, "--split", "test", "--no-video")
    assert ended.returncode == 0, ended.stderr
    expected = (root / "splits" / "test.txt").read_text().split()
    made = sorted((root / "dances" / "music2pose").glob("*.npz"))
    assert sorted(expected) == [p.stem for p in made]
    times = [p.stat().st_mtime_ns for p in made]
    assert run_stage("eval.py", root, "--split", "test", "--no-video").returncode == 0
    assert times == [p.stat().st_mtime_ns for p in made]  # up to date


def test_continues_poses(root, run_stage):
    clip = (root / "splits" / "test.txt").read_text().split()[0]
    take = root / "poses" / f"{clip}.npz"
    audio, model = data_root.open_root(root).audio[clip], root / "models" / "music2pose.pt"
    ended = run_stage("eval.py", "--audio", audio, "--model", model, "--prefix", take, "--out", root, "--no-video")
    assert ended.returncode == 0, ended.stderr


def test_the_width_of_the_stage(run_on_song, run_stage, tmp_path):
    assert "--stage W" in run_stage("eval.py", "--help").stdout
    paths = []
    for more in ([], ["--stage", 12], ["--stage", 1]):
        ended = run_on_song("--out", tmp_path, "--no-video", *more)
        assert ended.returncode == 0, ended.stderr
        dance = npz.load(tmp_path / "my 'söng' -1.npz", "dance")  # written again, for another stage
        paths.append(np.column_stack([dance["poses"][:, 8], dance["nearer"]]))
    np.testing.assert_array_equal(paths[0], paths[1])  # 12 is what is used if nothing is said
    assert np.abs(paths[2][:, 0]).max() <= 0.5 + 1e-6 < np.abs(paths[0][:, 0]).max()


def test_variation_and_energy(run_on_song, run_stage, tmp_path):
    said = run_stage("eval.py", "--help").stdout
    assert "--variation V" in said and "--energy E" in said
    tokens = []
    for more in ([], ["--variation", 0.25, "--energy", 1], ["--energy", 10]):
        ended = run_on_song("--out", tmp_path, "--no-video", *more)
        assert ended.returncode == 0, ended.stderr
        tokens.append(npz.load(tmp_path / "my 'söng' -1.npz", "dance")["tokens"])  # written again if they change it
    np.testing.assert_array_equal(tokens[0], tokens[1])  # these are used if nothing is said
    assert (tokens[2] != tokens[0]).any()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--audio", "{tmp}/none.mp3"], "none.mp3"),
        (["--audio", "{tmp}/text.mp3"], "text.mp3"),
        (["--audio", "{tmp}/empty.wav"], "empty.wav"),
        (["--audio", "{song}", "--model", "{tmp}/none.pt"], "no such model"),
        (["--audio", "{song}", "--model", "{trained}/clusters.npz"], "checkpoint"),
        (["--audio", "{song}", "--model", "{trained}/models/music2pose.last.pt"], "expected a 'music2pose' or"),
        (["--audio", "{song}", "--style", "polka"], "--style polka: "),
        (["--audio", "{song}", "{song}"], "several songs have the same name"),
        (["--audio", "{song}", "--prefix", "{trained}/clusters.npz"], "no key 'poses'"),
        (["--audio", "{song}", "--stage", "0.5"], "argument --stage: "),
        (["--audio", "{song}", "--stage", "wide"], "argument --stage: "),
        (["--audio", "{song}", "--variation", "1.5"], "argument --variation: "),
        (["--audio", "{song}", "--energy", "-1"], "argument --energy: "),
        (["--given", "{song}", "--stage", "4"], "--stage is not supported with --given"),
        (["--audio", "{song}", "--seed", "-1"], "invalid whole number below"),
        (["--audio", "{song}", "--device", "cpu:x"], "--device cpu:x"),
        (["{tmp}", "--split", "test"], "expected keypoints/ and audio/"),
        (["{trained}", "--audio", "{song}"], "a data root or --audio"),
        ([], "give a data root, --audio FILE, --given POSES.npz, --seconds S, or --style list"),
    ],
)
def test_user_errors(run_stage, song, model, trained, tmp_path, wrong, said):
    (tmp_path / "text.mp3").write_text("this is no music")
    (tmp_path / "empty.wav").touch()
    asked = [unit.format(tmp=tmp_path, song=song, trained=trained) for unit in wrong]
    more = [] if "--model" in asked or "--audio" not in asked else ["--model", model]
    ended = run_stage("eval.py", *asked, *more, "--out", tmp_path / "out")
    assert ended.returncode == 2, ended.stdout
    assert said in ended.stderr.splitlines()[-1] and "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


def test_inputs_are_not_overwritten(run_on_song, run_stage, song, model, tmp_path):
    run_on_song("--out", tmp_path, "--no-video")
    dance = tmp_path / "my 'söng' -1.npz"
    before = dance.read_bytes()
    ended = run_on_song("--no-video", "--prefix", dance, "--out", tmp_path)
    assert ended.returncode == 2 and "would be overwritten" in ended.stderr and dance.read_bytes() == before
    video = shutil.copy(song, tmp_path / "video.mp4")
    ended = run_stage("eval.py", "--audio", video, "--model", model, "--out", tmp_path)
    assert ended.returncode == 2 and "would be overwritten" in ended.stderr


def test_a_model_of_another_codebook(root, run_stage):
    clusters = root / "clusters.npz"
    arrays = npz.load(clusters, "clusters")
    arrays.pop("meta")
    npz.save(clusters, "clusters", "", {"seed": 1}, {}, **arrays)
    ended = run_stage("eval.py", root, "--split", "test", "--no-video")
    assert ended.returncode == 2 and "trained on codebook" in ended.stderr and ended.stderr.count("\n") == 1


def test_a_full_disk(run_on_song, tmp_path):
    ended = run_on_song("--out", tmp_path / "out", preexec_fn=full_disk)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr and ended.stderr.startswith("error: ")
    left = list((tmp_path / "out").iterdir())
    assert [p.suffix for p in left] == [".npz"]  # no incomplete file is left
    npz.load(left[0], "dance")


def test_ctrl_c(song, model, tmp_path):
    asked = ["--audio", song, "--model", model, "--out", tmp_path / "out", "--no-video", "--n", 999]
    command = [sys.executable, "eval.py", *map(str, asked)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == f"{song}: analysing the music\n"
    assert ": style " in process.stdout.readline()
    assert process.stdout.readline().endswith("_0.npz\n")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and said.startswith("interrupted") and said.count("\n") == 1
    for path in (tmp_path / "out").iterdir():
        npz.load(path, "dance")
