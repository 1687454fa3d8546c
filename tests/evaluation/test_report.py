import json
import shutil
from collections import Counter

import numpy as np
import pytest
from test_gan_generate import untaught

from learn2dance.data import data_root, npz
from learn2dance.errors import UserError
from learn2dance.evaluation import baselines, gan_report, report
from learn2dance.tokens.tokenize import load_codebook

ROWS = set("real,spliced,frozen,white noise,on the spot,reconstruction,no network,mismatched song,model".split(","))


def test_the_report_of_a_split(root, run_stage):
    ended = run_stage("eval.py", root, "--split", "test", "--report", "--n", 2)
    assert ended.returncode == 0 and not ended.stderr, ended.stderr
    out = root / "dances" / "music2pose"
    card = json.loads((out / "scores.json").read_text())
    rows = card["rows"]
    clips = (root / "splits" / "test.txt").read_text().split()
    assert set(card["clips"]) == set(clips)
    assert set(rows) == ROWS and card["seeds"] == [0, 1] and not list(out.glob("*.mp4"))
    assert (out / "report.png").read_bytes()[:4] == b"\x89PNG"
    assert all(name in ended.stdout for name in ROWS)
    real, model = rows["real"], rows["model"]
    assert real["jerk_ratio"] == real["top_speed_ratio"] == real["copy_8"] == [1, 1, 1]
    assert real["limb_ratio"][0] < 1.5
    assert rows["frozen"]["frozen"][0] == 1 and rows["frozen"]["bar_locking"][0] == 0 and real["frozen"][0] < 0.2
    spliced, noise = (rows[name]["nearest_training_distance"][0] for name in ("spliced", "white noise"))
    assert spliced < real["nearest_training_distance"][0] < noise
    assert rows["white noise"]["jerk_ratio"][0] > 5 and rows["white noise"]["FID_k"][0] > 10 * real["FID_k"][0]
    for key in ("FID_k", "recall_poses", "bar_locking", "jerk_ratio"):
        assert model[key][1] <= model[key][0] <= model[key][2]
    assert model["windows"] >= 2 * real["windows"]  # two seeds, and no joint unknown
    assert model["dances"] == 2 * real["dances"] == 2 * len(clips) and model["songs"] == len(clips)
    assert model["multimodality_k"][0] > 0 and real["multimodality_k"] == [None] * 3
    for song, part in model["by_song"].items():
        own, other = part["bar_locking"][0], rows["mismatched song"]["by_song"][song]["bar_locking"][0]
        assert part["own_minus_mismatched"][0] == pytest.approx(own - other, abs=1e-3) and "FID_k" not in part
    for key in ("bar_locking", "precision_windows"):  # songs have equal weights, and so have the songs of a style
        mean = np.mean([part[key][0] for part in model["by_song"].values()])
        assert model[key][0] == pytest.approx(mean, abs=1e-3)
    styles = data_root.open_root(root).styles
    assert {style: part["songs"] for style, part in model["by_style"].items()} == Counter(map(styles.get, clips))
    assert 0 < model["own_minus_mismatched_p"] <= 1 and "own_minus_mismatched" not in real

    before = {path.name: path.read_bytes() for path in out.iterdir()}
    again = run_stage("eval.py", root, "--split", "test", "--report", "--n", 2, "--by-song")
    assert again.returncode == 0 and "by song:" not in ended.stdout
    assert all(f"\n{part}, {row} " in again.stdout for part in model["by_song"] for row in ("real", "model"))
    assert all(f"\n{part}, {row} " in again.stdout for part in model["by_style"] for row in ("real", "model"))
    assert before == {path.name: path.read_bytes() for path in out.iterdir()}


def test_the_report_of_a_gan(root, run_stage, gan):
    model = shutil.copy(gan, root / "models" / "seq_gan.pt")
    ended = run_stage("eval.py", root, "--model", model, "--report", "--n", 1)
    assert ended.returncode == 0 and not ended.stderr, ended.stderr
    out = root / "dances" / "seq_gan"
    card = json.loads((out / "scores.json").read_text())
    assert set(card["rows"]) == ROWS - {"no network"} | {"music2pose"}
    assert (out / "report.png").read_bytes()[:4] == b"\x89PNG" and not list(out.glob("*.mp4"))
    # A barely trained GAN scores worse than real motion.
    assert card["rows"]["model"]["FID_k"][0] > card["rows"]["real"]["FID_k"][0]
    for name in ("pose GAN", "train poses"):
        assert set(card[name]) == {"FID", "FID_g", "precision", "recall"} and card[name]["FID"] > 0
    assert set(card["completion"]) == {"gap", "continuation"}
    for methods in card["completion"].values():
        assert set(methods) == {"GAN", "interpolation", "last pose", "nearest"}
    assert 0 < card["reconstruction"] < 0.05 and "poses encoded and decoded" in ended.stdout
    for said in ("one second completed, gap:", "interpolation", "pose GAN", "music2pose"):
        assert said in ended.stdout


def widen(root):
    """Give the dances of a root ten joints more, as parse.py --joints 25 does."""
    for path in (root / "poses").glob("*.npz"):
        arrays = dict(np.load(path))
        more = {key: np.concatenate([a, a[:, :10]], axis=1) for key, a in arrays.items() if a.shape[1:2] == (15,)}
        np.savez(path, **(arrays | more))


@pytest.mark.parametrize("joints", [15, 25])
def test_further_scores_of_a_gan_of_any_number_of_joints(root, joints):
    """Of one whose poses are random: its latent space leaves nothing out."""
    widen(root)
    dancer = untaught(joints, styles=("chacha", "disco", "waltz"), music=True)
    data = data_root.open_root(root)
    clips = data.split("test", data.have("poses", "music"))
    card = gan_report.make(data, dancer, clips, 0)
    assert card["train poses"]["FID"] < card["pose GAN"]["FID"] and np.isfinite(card["pose GAN"]["FID_g"])
    assert card["reconstruction"] < 1e-5
    found = [row["error"][0] for task in card["completion"].values() for row in task.values()]
    assert len(found) == 8 and np.isfinite(found).all() and "continuation" in gan_report.table(card)


@pytest.mark.parametrize(
    ("joints", "said"),
    [(9, "the dances have 9 joints, .* has 15; --report needs"), (25, "the dances have 25 joints, .*poses has 15;")],
)
def test_a_gan_of_other_joints_is_refused(trained, joints, said):
    with pytest.raises(UserError, match=said):
        gan_report.check_joints(data_root.open_root(trained), trained / "models" / "seq_gan.pt", untaught(joints))


def test_the_report_of_a_gan_does_not_need_music2pose(root, run_stage, gan):
    (root / "models" / "music2pose.pt").unlink()
    ended = run_stage("eval.py", root, "--model", gan, "--report", "--n", 1, "--quiet")
    assert ended.returncode == 0 and ended.stderr.count("\n") == 1, ended.stderr
    assert "music2pose.pt: no such model, so the report has no row music2pose" in ended.stderr
    card = json.loads((root / "dances" / "seq_gan" / "scores.json").read_text())
    assert set(card["rows"]) == ROWS - {"no network"}


@pytest.mark.parametrize("wrong", [["--audio", "song.mp3"], ["data", "--split", "train"], ["data", "--style", "tango"]])
def test_the_report_refuses_other_inputs(run_stage, wrong):
    ended = run_stage("eval.py", *wrong, "--report")
    assert ended.returncode == 2 and "--report needs DATA" in ended.stderr


def test_spliced_dances_are_real_motion_in_time(root):
    data = data_root.open_root(root)
    clips = data.have("poses", "music")
    music = {clip: npz.load(data.file("music", clip), "music") for clip in clips}
    book = load_codebook(root / "clusters.npz")
    pieces = baselines.unit_pieces(data, clips[:3])
    song, style = music[clips[3]], pieces[0]["style"]
    first, same, other = (baselines.spliced(pieces, song, style, book, np.random.default_rng(s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert (
        first.shape == (np.ceil(song["duration"] * 30), 15, 2) and np.isfinite(first).all() and (first != other).any()
    )
    assert all(len(p["bar"]) == len(p["windows"]) for p in pieces)


def test_the_mismatched_song_is_another_of_the_same_style():
    styles = {"a": "waltz", "b": "tango", "c": "waltz", "d": "rumba", "e": "waltz"}
    songs = {clip: clip for clip in styles} | {"c": "a"}  # two clips to the same song
    assert baselines.mismatched_song("a", list("abcde"), styles, songs) == "e"
    assert baselines.mismatched_song("e", list("abcde"), styles, songs) == "a"
    assert baselines.mismatched_song("d", list("abcde"), styles, songs) != "d"


def test_only_some_songs(root, run_stage):
    """The report of one song: its real dance alone is the reference, and there is nothing to draw songs from."""
    clip = (root / "splits" / "test.txt").read_text().split()[0]
    ended = run_stage("eval.py", root, "--report", "--songs", clip, "nothing*", "--n", 1)
    assert ended.returncode == 0, ended.stderr
    card = json.loads((root / "dances" / "music2pose" / "scores.json").read_text())
    assert list(card["clips"]) == card["reference"]["songs"] == [clip]
    assert card["rows"]["model"]["songs"] == 1 and card["rows"]["model"]["bar_locking"][1:] == [None, None]


@pytest.mark.parametrize("report", [[], ["--report"]])
def test_no_such_songs(trained, run_stage, report):
    ended = run_stage("eval.py", trained, *report, "--songs", "W_*", "T_?")
    assert ended.returncode == 2 and ended.stderr.splitlines()[-1].startswith("error: --songs W_* T_?: matches none of")
    ended = run_stage("eval.py", "--audio", "song.mp3", "--songs", "W_*")
    assert ended.returncode == 2 and "--songs needs DATA" in ended.stderr


def test_of_many_training_dances_some_are_drawn_to_compare_with(caplog, monkeypatch):
    monkeypatch.setattr(report.log, "propagate", True)
    caplog.set_level("INFO", "learn2dance")
    names = [f"{number:02}" for number in range(30)]
    assert report.compared(names, dict.fromkeys(names, {"duration": 240}), 0) == names and not caplog.text
    drawn = {seed: report.compared(names, dict.fromkeys(names, {"duration": 600}), seed) for seed in (0, 1)}
    assert all(len(part) == 12 and part == sorted(set(part)) for part in drawn.values()) and drawn[0] != drawn[1]
    assert "compared with 12 of 30 training dances, drawn at random" in caplog.text
    assert len(report.compared(names, dict.fromkeys(names, {"duration": 9000}), 0)) == 1
