"""The page about a run, as a user writes it and as a browser shows it."""

import json
import shutil

import pytest

from learn2dance.data import data_root
from learn2dance.errors import UserError
from learn2dance.report_page import __main__ as report_page
from learn2dance.report_page import sections

RUN = ("-m", "learn2dance.report_page")


def titles(page):
    return [heading.text_content() for heading in page.query_selector_all("h2")]


def test_a_page_of_a_whole_run(root, trained, run_stage, visit):
    ended = run_stage("eval.py", root, "--split", "test", "--n", 1, "--no-video")
    assert ended.returncode == 0, ended.stderr
    ended = run_stage(*RUN, root)
    assert ended.returncode == 0 and not ended.stderr, ended.stderr
    assert ended.stdout.splitlines()[-1] == f"{root / 'report.html'}: open it in a browser"
    page = visit(root / "report.html")
    assert titles(page) == ["Data", "Codebook", "Training", "Report", "Dances"]
    cells = [cell.text_content() for cell in page.query_selector_all("table tr:last-child td")]
    assert cells[0] == "all" and sum(map(int, cells[1:4])) == len(list((root / "poses").glob("*.npz")))
    images = page.query_selector_all("img")
    assert len(images) >= 4 and all(image.evaluate("image => image.naturalWidth > 0") for image in images)
    frame = page.query_selector("iframe")
    frame.scroll_into_view_if_needed()
    player = frame.content_frame()
    player.wait_for_selector("#time")
    assert player.text_content("#time").endswith("0:08.0")
    captions = [caption.text_content() for caption in player.query_selector_all("figcaption")]
    assert captions == ["real dance", "music2pose"]
    player.click("#play")
    page.wait_for_timeout(1500)
    assert not player.text_content("#time").startswith("0:00.0")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    before = (root / "report.html").read_bytes()
    assert run_stage(*RUN, root).returncode == 0
    assert (root / "report.html").read_bytes() == before


def test_it_fits_a_phone_and_says_what_is_missing(root, run_stage, visit, tmp_path):
    """After parse.py alone."""
    for name in ("tokens", "models", "music"):
        (root / name).rename(tmp_path / name)
    ended = run_stage(*RUN, root, "--out", tmp_path / "a.html")
    assert ended.returncode == 0, ended.stderr
    page = visit(tmp_path / "a.html", 360, 740)
    assert titles(page) == ["Data", "Codebook", "Training", "Report", "Dances"]
    texts = " ".join(paragraph.text_content() for paragraph in page.query_selector_all("p"))
    assert all(f"make {target}" in texts for target in ("clusters", "train", "report", "dances"))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_page_writes_nothing_else(root, tmp_path):
    """Without splits, music and audio."""
    for name in ("splits", "music", "audio"):
        (root / name).rename(tmp_path / name)
    before = sorted(root.rglob("*"))
    report_page.main([str(root), "--out", str(tmp_path / "a.html"), "--quiet"])
    assert sorted(root.rglob("*")) == before and (tmp_path / "a.html").exists()


def test_names_are_escaped(root, run_stage, visit, tmp_path):
    """A clip, as its song and its style, can have any name."""
    evil = "<img src=x onerror=alert(1)>"
    table = root / "clips.csv"
    table.write_text(table.read_text().replace("waltz,", f"{evil},"))
    ended = run_stage(*RUN, root, "--out", tmp_path / "a.html")
    assert ended.returncode == 0, ended.stderr
    page = visit(tmp_path / "a.html")
    assert evil in [cell.text_content() for cell in page.query_selector_all("td")]
    assert not page.query_selector("img[src=x]")


@pytest.mark.parametrize(
    "content", ["", "[]", '{"rows": 3}', '{"rows": {"real": {"songs": "many"}}}', '{"rows": {"real": [1]}}']
)
def test_damaged_scores(root, content):
    folder = root / "dances" / "m"
    folder.mkdir(parents=True)
    (folder / "scores.json").write_text(content)
    with pytest.raises(UserError, match=r"scores.json: not the scores of a report"):
        list(sections.report(data_root.open_root(root)))


def test_scores_are_shown_with_their_intervals_and_chance(root):
    folder = root / "dances" / "m"
    folder.mkdir(parents=True)
    row = {"songs": 3, "FID_k": [9.26, 4.0, 20.0], "bar_locking": [0.3, 0.2, 0.4], "bar_locking_chance": [0.1, 0, 0]}
    (folder / "scores.json").write_text(json.dumps({"rows": {"model": row}}))
    _, block = sections.report(data_root.open_root(root))
    line = dict(zip(*block.table, strict=True))
    assert (line["songs"], line["FID_k"], line["bar locking (chance)"]) == (
        "3",
        "9.3 [4.0, 20.0]",
        "0.30 [0.20, 0.40] (0.10)",
    )
    assert block.heading == "m" and line["style"] == "-"


def test_songs_of_each_style_come_first():
    styles = {"a": "waltz", "b": "waltz", "c": "rumba"}
    assert sections._spread(["a", "b", "c", "d"], styles) == ["a", "c", "d", "b"]


def test_another_ending_is_refused(root, run_stage):
    ended = run_stage(*RUN, root, "--out", root / "clips.csv")
    assert ended.returncode == 2 and "expected a name that ends in .html" in ended.stderr


def test_seeds_of_a_song_without_audio_are_of_one_song(root):
    """As are hidden files of a file manager no dances."""
    song = (root / "splits" / "train.txt").read_text().split()[0]
    for audio in (root / "audio").glob(f"{song}.*"):
        audio.unlink()
    folder = root / "dances" / "m"
    folder.mkdir(parents=True)
    for seed in (0, 1):
        shutil.copy(root / "poses" / f"{song}.npz", folder / f"{song}_{seed}.npz")
    (folder / f"._{song}_0.npz").write_text("a resource fork")
    (block,) = sections.dances(data_root.open_root(root), 4)
    assert block.heading.startswith(f"{song}, ")
