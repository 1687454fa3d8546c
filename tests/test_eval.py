import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from test_train import full_disk

from learn2dance.data import data_root, npz
from learn2dance.errors import UserError


@pytest.fixture
def song(trained, tmp_path):
    """Return a song under a name that needs care, beside no data root."""
    root = data_root.open_root(trained)
    return shutil.copy(root.audio[root.split("test", root.have("music"))[0]], tmp_path / "my 'söng' -1.wav")


@pytest.fixture
def model(trained):
    return trained / "models" / "music2pose.pt"


def test_a_dance_to_any_file(run_stage, song, model, tmp_path):
    ended = run_stage(
        "eval.py", "--audio", song, "--model", model, "--out", tmp_path / "out", "--no-video", "--seed", 5
    )
    assert ended.returncode == 0, ended.stderr
    dance = npz.load(tmp_path / "out" / "my 'söng' -1.npz", "dance")
    assert len(dance["poses"]) == 8 * 30 and dance["seed"] == 5 and dance["fps"] == 30
    assert str(tmp_path / "out" / "my 'söng' -1.npz") in ended.stdout


def test_the_weights_that_come_along_dance_without_more_ado(run_stage, song, tmp_path):
    ended = run_stage(
        "eval.py", "--audio", song, "--style", "waltz", "--out", tmp_path / "out", "--no-video", "--quiet"
    )
    assert ended.returncode == 0 and not ended.stdout, ended.stderr
    poses = npz.load(tmp_path / "out" / "my 'söng' -1.npz", "dance")["poses"]
    assert poses.shape == (240, 15, 2)
    speed = np.linalg.norm(np.diff(poses, axis=0), axis=-1).mean(1) * 30
    assert speed.reshape(-1)[:210].reshape(7, 30).mean(1).min() > 0.2  # torso lengths a second: it never freezes


def test_a_film_with_sound(run_stage, song, model, tmp_path):
    from learn2dance.media import ffmpeg

    ended = run_stage("eval.py", "--audio", song, "--model", model, "--out", tmp_path)
    assert ended.returncode == 0, ended.stderr
    found = ffmpeg.probe(tmp_path / "my 'söng' -1.mp4")
    assert found.sound and abs(found.duration - 8) < 0.1


def test_several_dances_differ_and_each_can_be_had_again(run_stage, song, model, tmp_path):
    several = run_stage(
        "eval.py", "--audio", song, "--model", model, "--out", tmp_path, "--no-video", "--n", 2, "--seed", 7
    )
    assert several.returncode == 0, several.stderr
    seven, eight = (npz.load(tmp_path / f"my 'söng' -1_{seed}.npz", "dance") for seed in (7, 8))
    assert (seven["tokens"] != eight["tokens"]).any()
    run_stage("eval.py", "--audio", song, "--model", model, "--out", tmp_path / "one", "--no-video", "--seed", 8)
    np.testing.assert_array_equal(npz.load(tmp_path / "one" / "my 'söng' -1.npz", "dance")["poses"], eight["poses"])


def test_the_songs_of_a_split(root, run_stage):
    ended = run_stage("eval.py", root, "--split", "test", "--no-video")
    assert ended.returncode == 0, ended.stderr
    expected = (root / "splits" / "test.txt").read_text().split()
    made = sorted((root / "dances" / "music2pose").glob("*.npz"))
    assert sorted(expected) == [p.stem for p in made]
    times = [p.stat().st_mtime_ns for p in made]
    assert run_stage("eval.py", root, "--split", "test", "--no-video").returncode == 0
    assert times == [p.stat().st_mtime_ns for p in made]  # fresh: not danced again


def test_goes_on_from_poses(root, run_stage):
    clip = (root / "splits" / "test.txt").read_text().split()[0]
    take = root / "poses" / f"{clip}.npz"
    audio, model = data_root.open_root(root).audio[clip], root / "models" / "music2pose.pt"
    ended = run_stage("eval.py", "--audio", audio, "--model", model, "--prefix", take, "--out", root, "--no-video")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--audio", "{tmp}/none.mp3"], "none.mp3"),
        (["--audio", "{tmp}/text.mp3"], "text.mp3"),
        (["--audio", "{tmp}/empty.wav"], "empty.wav"),
        (["--audio", "{song}", "--model", "{tmp}/none.pt"], "no such model"),
        (["--audio", "{song}", "--model", "{trained}/clusters.npz"], "checkpoint"),
        (
            ["--audio", "{song}", "--model", "{trained}/models/music2pose.last.pt"],
            "expected a 'music2pose' or 'seq_gan' checkpoint",
        ),
        (["--audio", "{song}", "--style", "polka"], "--style polka: "),
        (["--audio", "{song}", "{song}"], "several songs have the same name"),
        (["--audio", "{song}", "--prefix", "{trained}/clusters.npz"], "no key 'poses'"),
        (["--audio", "{song}", "--seed", "-1"], "invalid whole number value: '-1'"),
        (["--audio", "{song}", "--device", "cpu:x"], "--device cpu:x"),
        (["{tmp}", "--split", "test"], "expected keypoints/ and audio/"),
        (["{trained}", "--audio", "{song}"], "a data root or --audio"),
        ([], "give a data root, --audio FILE, --given POSES.npz, or --seconds S"),
    ],
)
def test_faults_of_the_user(run_stage, song, model, trained, tmp_path, wrong, said):
    (tmp_path / "text.mp3").write_text("this is no music")
    (tmp_path / "empty.wav").touch()
    asked = [unit.format(tmp=tmp_path, song=song, trained=trained) for unit in wrong]
    more = [] if "--model" in asked or "--audio" not in asked else ["--model", model]
    ended = run_stage("eval.py", *asked, *more, "--out", tmp_path / "out")
    assert ended.returncode == 2, ended.stdout
    assert said in ended.stderr.splitlines()[-1] and "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


def test_what_it_dances_to_and_from_is_not_overwritten(run_stage, song, model, tmp_path):
    run_stage("eval.py", "--audio", song, "--model", model, "--out", tmp_path, "--no-video")
    dance = tmp_path / "my 'söng' -1.npz"
    before = dance.read_bytes()
    again = ["--audio", song, "--model", model, "--no-video"]
    ended = run_stage("eval.py", *again, "--prefix", dance, "--out", tmp_path)
    assert ended.returncode == 2 and "would be overwritten" in ended.stderr and dance.read_bytes() == before
    film = shutil.copy(song, tmp_path / "film.mp4")
    ended = run_stage("eval.py", "--audio", film, "--model", model, "--out", tmp_path)
    assert ended.returncode == 2 and "would be overwritten" in ended.stderr


def test_a_model_of_another_codebook(root, run_stage):
    clusters = root / "clusters.npz"
    arrays = npz.load(clusters, "clusters")
    arrays.pop("meta")
    npz.save(clusters, "clusters", "", {"seed": 1}, {}, **arrays)
    ended = run_stage("eval.py", root, "--split", "test", "--no-video")
    assert ended.returncode == 2 and "trained on codebook" in ended.stderr and ended.stderr.count("\n") == 1


def test_a_full_disk(run_stage, song, model, tmp_path):
    ended = run_stage("eval.py", "--audio", song, "--model", model, "--out", tmp_path / "out", preexec_fn=full_disk)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr and ended.stderr.startswith("error: ")
    left = list((tmp_path / "out").iterdir())
    assert [p.suffix for p in left] == [".npz"]  # what was written stays whole, and nothing half-written is left
    npz.load(left[0], "dance")


def test_ctrl_c(song, model, tmp_path):
    asked = ["--audio", song, "--model", model, "--out", tmp_path / "out", "--no-video", "--n", 999]
    command = [sys.executable, "eval.py", *map(str, asked)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().endswith("_0.npz\n")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and said.startswith("interrupted") and said.count("\n") == 1
    for path in (tmp_path / "out").iterdir():
        npz.load(path, "dance")


@pytest.fixture
def toy_root(trained):
    return data_root.open_root(trained)


def evaluate(*asked):
    """Run the stage within this process: for what a process of its own would only make slower."""
    import eval as stage_of_dances

    stage_of_dances.main([str(unit) for unit in asked])


def test_a_gan_dances_to_the_songs_of_a_split(root, run_stage, gan):
    shutil.copy(gan, root / "models" / "mine.pt")
    ended = run_stage("eval.py", root, "--model", root / "models" / "mine.pt", "--split", "test", "--no-video")
    assert ended.returncode == 0, ended.stderr
    made = sorted((root / "dances" / "mine").glob("*.npz"))
    assert [p.stem for p in made] == sorted((root / "splits" / "test.txt").read_text().split())
    dances = [npz.load(path, "dance") for path in made]
    assert all(dance["poses"].shape == (240, 15, 2) and not dance["tokens"].size for dance in dances)
    assert all((a["poses"] != b["poses"]).any() for a, b in zip(dances, dances[1:], strict=False))


def test_a_gan_dances_to_any_file_with_a_film(run_stage, song, gan, tmp_path):
    from learn2dance.media import ffmpeg

    ended = run_stage("eval.py", "--audio", song, "--model", gan, "--out", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert len(npz.load(tmp_path / "my 'söng' -1.npz", "dance")["poses"]) == 240
    found = ffmpeg.probe(tmp_path / "my 'söng' -1.mp4")
    assert found.sound and abs(found.duration - 8) < 0.1


def test_a_gan_dances_without_music(gan, tmp_path):
    evaluate("--seconds", "2.5", "--model", gan, "--out", tmp_path, "--no-video", "--quiet", "--n", 2)
    one, other = (npz.load(tmp_path / f"dance_{seed}.npz", "dance") for seed in (0, 1))
    assert one["poses"].shape == (75, 15, 2) and (one["poses"] != other["poses"]).any()


@pytest.fixture
def take(toy_root, tmp_path):
    """Return a real dance, 8 s of 25 frames each."""
    clip = next(clip for clip in toy_root.split("test", toy_root.have("poses")) if toy_root.fps[clip] == 25)
    return shutil.copy(toy_root.file("poses", clip), tmp_path / "take.npz")


def test_given_frames_are_gone_on_from(run_stage, take, gan, tmp_path):
    asked = ["--model", gan, "--known", "0:25", "--no-video"]
    ended = run_stage("eval.py", "--given", take, *asked, "--out", tmp_path / "out")
    assert ended.returncode == 0, ended.stderr
    assert "known joints are reproduced with a mean error of" in ended.stdout and "% of torso length" in ended.stdout
    first = npz.load(tmp_path / "out" / "take.npz", "dance")
    assert first["poses"].shape == (200, 15, 2) and first["fps"] == 25
    arrays = dict(np.load(take))
    arrays["poses"][25:] = arrays["poses"][24]
    np.savez(take, **arrays)
    evaluate("--given", take, *asked, "--out", tmp_path / "again", "--quiet")
    again = npz.load(tmp_path / "again" / "take.npz", "dance")
    np.testing.assert_array_equal(again["poses"], first["poses"])  # what is not given is not looked at
    assert again["meta"]["parents"] != first["meta"]["parents"]


def test_given_joints_between_given_frames_to_music(take, song, gan, tmp_path):
    asked = ["--given", take, "--model", gan, "--out", tmp_path / "out", "--no-video", "--quiet"]
    evaluate(*asked, "--known", "0:10,60:70", "--known-joints", "8-14,1", "--audio", song, "--seconds", 5)
    path = tmp_path / "out" / "take.npz"
    dance = npz.load(path, "dance")
    assert dance["poses"].shape == (125, 15, 2) and len(dance["beats"]) > 5
    assert set(dance["meta"]["parents"]) == {"model", "audio", "given"}
    before = path.stat().st_mtime_ns
    evaluate(*asked, "--known", "0:10,60:70", "--known-joints", "8-14,1", "--audio", song, "--seconds", 5)
    assert path.stat().st_mtime_ns == before  # fresh
    evaluate(*asked, "--known", "0:10,60:70", "--audio", song, "--seconds", 5)
    assert (npz.load(path, "dance")["poses"] != dance["poses"]).any()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--model", "{gan}", "--audio", "{song}", "--prefix", "{take}"], "are not supported by the GAN; use --given"),
        (["--model", "{gan}", "--audio", "{song}", "--top-k", "3"], "are not supported by the GAN; use --given"),
        (["--model", "{gan}", "--audio", "{song}", "--style", "polka"], "the model's styles are chacha, disco, waltz"),
        (["--model", "{model}", "--given", "{take}"], "need a GAN"),
        (["--model", "{model}", "--seconds", "9"], "need a GAN"),
        (["--model", "{gan}", "--given", "{take}", "--known", "900:"], "there are 200 frames"),
        (["--model", "{gan}", "--given", "{song}"], "incomplete or damaged .npz file"),
        (["--model", "{gan}", "--given", "{take}", "--known", "0:9", "--out", "{tmp}"], "would be overwritten"),
        (["--model", "{tmp}/none.pt", "--seconds", "9"], "no such model; train.py or train_seq.py writes it"),
    ],
)
def test_what_a_gan_cannot_do(song, model, gan, take, tmp_path, wrong, said):
    asked = [unit.format(tmp=tmp_path, song=song, model=model, gan=gan, take=take) for unit in wrong]
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(UserError) as fault:
        evaluate(*asked, *([] if "--out" in asked else ["--out", tmp_path / "out"]), "--no-video", "--quiet")
    assert said in str(fault.value) and "\n" not in str(fault.value)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--given", "a.npz", "--known", "5:5"], "invalid frames value: '5:5'"),
        (["--given", "a.npz", "--known", "0-25"], "invalid frames value: '0-25'"),
        (["--given", "a.npz", "--known-joints", "4-2"], "invalid joints value: '4-2'"),
        (["--audio", "a.mp3", "--known", "0:25"], "--known and --known-joints need --given"),
        (["data", "--given", "a.npz"], "--given takes one --audio FILE or none"),
        (["--given", "a.npz", "--report"], "--report needs DATA"),
        (["--seconds", "0"], "--seconds: invalid number from 0.1 to 86400"),
    ],
)
def test_words_that_make_no_sense(capsys, wrong, said):
    with pytest.raises(SystemExit) as ended:
        evaluate(*wrong)
    assert ended.value.code == 2 and said in capsys.readouterr().err
