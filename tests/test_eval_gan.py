import shutil

import numpy as np
import pytest

import eval as stage
from learn2dance.data import data_root, npz
from learn2dance.errors import UserError


def evaluate(*asked):
    """Run the stage within this process, which is faster."""
    stage.main([str(unit) for unit in asked])


def test_a_gan_dances_to_the_songs_of_a_split(root, run_stage, gan):
    shutil.copy(gan, root / "models" / "mine.pt")
    ended = run_stage("eval.py", root, "--model", root / "models" / "mine.pt", "--split", "test", "--no-video")
    assert ended.returncode == 0, ended.stderr
    made = sorted((root / "dances" / "mine").glob("*.npz"))
    assert [p.stem for p in made] == sorted((root / "splits" / "test.txt").read_text().split())
    dances = [npz.load(path, "dance") for path in made]
    assert all(dance["poses"].shape == (240, 15, 2) and not dance["tokens"].size for dance in dances)
    assert all((a["poses"] != b["poses"]).any() for a, b in zip(dances, dances[1:], strict=False))


def test_a_gan_dances_without_music(gan, tmp_path):
    evaluate("--seconds", "2.5", "--model", gan, "--out", tmp_path, "--no-video", "--quiet", "--n", 2)
    one, other = (npz.load(tmp_path / f"dance_{seed}.npz", "dance") for seed in (0, 1))
    assert one["poses"].shape == (75, 15, 2) and (one["poses"] != other["poses"]).any()


@pytest.fixture
def take(trained, tmp_path):
    """Return a real dance, 8 s of 25 frames each."""
    root = data_root.open_root(trained)
    clip = next(clip for clip in root.split("test", root.have("poses")) if root.fps[clip] == 25)
    return shutil.copy(root.file("poses", clip), tmp_path / "take.npz")


def test_given_frames_are_continued(run_stage, take, gan, tmp_path):
    asked = ["--model", gan, "--known", "0:25", "--no-video"]
    ended = run_stage("eval.py", "--given", take, *asked, "--out", tmp_path / "out")
    assert ended.returncode == 0, ended.stderr
    first = npz.load(tmp_path / "out" / "take.npz", "dance")
    assert first["poses"].shape == (200, 15, 2) and first["fps"] == 25
    arrays = dict(np.load(take))
    given = arrays["poses"][:25, 0] - arrays["poses"][:25, 8]  # the nose, in pixels, y down
    nose = first["poses"][:25, 0] - first["poses"][:25, 8]
    assert all(np.corrcoef(side * given[:, i], nose[:, i])[0, 1] > 0.99 for i, side in enumerate((1, -1)))
    arrays["poses"][25:] = arrays["poses"][24]
    np.savez(take, **arrays)
    evaluate("--given", take, *asked, "--out", tmp_path / "second", "--quiet")
    second = npz.load(tmp_path / "second" / "take.npz", "dance")
    np.testing.assert_array_equal(second["poses"], first["poses"])  # frames that are not known have no effect
    assert second["meta"]["parents"] != first["meta"]["parents"]


def test_given_joints_between_given_frames_to_music(take, song, gan, tmp_path):
    asked = ["--given", take, "--model", gan, "--out", tmp_path / "out", "--no-video", "--quiet"]
    asked += ["--known", "0:10,60:70", "--audio", song, "--seconds", 5]
    evaluate(*asked, "--known-joints", "8-14,1")
    path = tmp_path / "out" / "take.npz"
    dance = npz.load(path, "dance")
    assert dance["poses"].shape == (125, 15, 2) and len(dance["beats"]) > 5
    assert set(dance["meta"]["parents"]) == {"model", "audio", "given"}
    before = path.stat().st_mtime_ns
    evaluate(*asked, "--known-joints", "8-14,1")
    assert path.stat().st_mtime_ns == before  # up to date
    evaluate(*asked)
    assert (npz.load(path, "dance")["poses"] != dance["poses"]).any()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            ["--model", "{gan}", "--audio", "{song}", "--prefix", "{take}"],
            "--variation and --energy are not",
        ),
        (["--model", "{gan}", "--audio", "{song}", "--top-k", "3"], "are not supported by the GAN"),
        (["--model", "{gan}", "--audio", "{song}", "--variation", "0"], "are not supported by the GAN"),
        (["--model", "{gan}", "--given", "{take}", "--energy", "0"], "are not supported by the GAN"),
        (["--model", "{gan}", "--audio", "{song}", "--style", "polka"], "the model's styles are chacha, disco, waltz"),
        (["--model", "{model}", "--given", "{take}"], "need a GAN"),
        (["--model", "{model}", "--seconds", "9"], "need a GAN"),
        (["--model", "{gan}", "--given", "{take}", "--known", "900:"], "there are 200 frames"),
        (["--model", "{gan}", "--given", "{song}"], "incomplete or damaged .npz file"),
        (["--model", "{gan}", "--given", "{take}", "--known", "0:9", "--out", "{tmp}"], "would be overwritten"),
        (["--model", "{tmp}/none.pt", "--seconds", "9"], "no such model; train.py or train_seq.py writes it"),
    ],
)
def test_user_errors_with_a_gan(song, model, gan, take, tmp_path, wrong, said):
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
        (["--seconds", "5", "--report"], "--report needs DATA"),
        (["--seconds", "0"], "--seconds: invalid number from 0.1 to 86400"),
    ],
)
def test_invalid_command_lines(capsys, wrong, said):
    with pytest.raises(SystemExit) as ended:
        evaluate(*wrong)
    assert ended.value.code == 2 and said in capsys.readouterr().err
