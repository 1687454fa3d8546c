import base64

import numpy as np
import pytest
from test_player import CLOCK, DOT, FPS, SECONDS, dot, until
from test_video_writer import song

from learn2dance.errors import UserError
from learn2dance.evaluation import preference
from learn2dance.render import comparison

BEATS = np.arange(0, SECONDS, 0.5)
NAMES = ["going right", 'going left, "ñ"']


@pytest.fixture
def page_file(tmp_path):
    """Write a comparison of a dot that crosses the view to the right with one that crosses it to the left."""
    audio = song(tmp_path / "song.wav", SECONDS)
    dances = [dot(), dot(1, 0)]
    count = comparison.write(tmp_path / "ab.html", dances, FPS, NAMES, audio, [BEATS, BEATS], seed=5, y_up=True)
    assert count == comparison.EXCERPTS + 2 * comparison.CONTROLS
    return tmp_path / "ab.html"


def opened_page(visit, file, **options):
    page = visit(file, **options)
    page.wait_for_selector("#begin:visible")
    return page


def sides_of(page) -> tuple[str, int]:
    """Look at a pair on its first frame: ("pair", side of the dot that goes right) or ("control", matched side)."""
    until(page, "!document.querySelector('audio').seeking")
    page.wait_for_timeout(60)
    # The view has the width 1 of the path and a margin of 0.11 on both sides.
    shown = 1.22 * np.array(page.eval_on_selector_all("figure canvas", f"(all) => all.map({DOT})")) - 0.11
    moment = page.evaluate(CLOCK) / SECONDS
    right, left = (np.abs(shown - at) < 0.01 for at in (moment, 1 - moment))
    if right.any() and left.any():
        return "pair", int(right.argmax())
    assert (right | left).sum() == 1  # the other one is mismatched
    return "control", int((right | left).argmax())


def test_a_whole_comparison(visit, page_file, tmp_path):
    """A rater who finds the dot that goes right more human, and hears which excerpt is matched."""
    page = opened_page(visit, page_file)
    page.click("#begin")
    seen = []
    for _ in range(8):
        kind, side = sides_of(page)
        seen.append(kind)
        answers = {"realism": side, "music": 0} if kind == "pair" else {"realism": 0, "music": side}
        for question, answer in answers.items():
            page.click(f"[data-question={question}] button >> nth={answer}")
        assert page.is_disabled("#next")  # before the dances were seen
        page.evaluate("document.querySelector('audio').playbackRate = 8")
        page.click("#play")
        until(page, "!document.querySelector('#next').disabled")
        page.click("#next")
        if len(seen) == 3:
            page.reload()  # the answers are kept
            page.wait_for_selector("#play:visible")
    assert sorted(seen) == ["control"] * 4 + ["pair"] * 4 and seen != sorted(seen)
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(tmp_path / "answers.csv")
    assert not any(name[:9] in (tmp_path / "answers.csv").read_text() for name in NAMES)
    rows = preference.read([tmp_path / "answers.csv"])
    found = {entry[:3]: (entry.chosen.sum(), entry.asked.sum()) for entry in preference.count(rows)}
    left, right = sorted(NAMES)
    # Every dance, and every matched excerpt, is on side A half of the time.
    assert found == {
        ("realism", left, right): (0, 4),
        ("music", left, right): (2, 4),
        ("realism", "matched", "mismatched"): (2, 4),
        ("music", "matched", "mismatched"): (4, 4),
    }
    page.click("#again")
    page.wait_for_selector("#begin:visible")


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_the_window_and_shows_no_names(visit, page_file, width):
    page = opened_page(visit, page_file, width=width, height=740)
    page.click("#begin")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("document.documentElement.scrollHeight") <= 740
    text = page_file.read_text()
    assert not any(shown in text for name in NAMES for shown in (name, base64.b64encode(name.encode()).decode()))


def test_the_seed_decides_the_order(tmp_path):
    def trials(seed, beats=BEATS):
        return comparison.trials(60.0, 12.0, [beats] * 3, np.random.default_rng(seed))

    assert trials(0) == trials(0) != trials(1)
    pairs = [trial for trial in trials(0) if trial["shifted"] == [0.0, 0.0]]
    first = [trial["dances"][0] for trial in pairs]
    assert len(pairs) == 3 * 4 and [first.count(dance) for dance in range(3)] == [4, 4, 4]
    controls = [trial for trial in trials(0) if trial not in pairs]
    assert len(controls) == 3 * 2 and all(len(set(trial["dances"])) == 1 for trial in controls)
    for trial in controls:
        (shift,) = (shift for shift in trial["shifted"] if shift)
        assert abs(shift) >= 6 and 0 <= trial["start"] + shift <= 48 and abs(shift / 0.5 % 1 - 0.5) < 1e-9
    assert all(trial["start"] + max(trial["shifted"]) <= 48 for trial in trials(2, None))


def test_dances_that_are_too_short(tmp_path):
    with pytest.raises(UserError, match=r"has 5.0 s, expected at least 6 s"):
        comparison.write(tmp_path / "x.html", [dot()[:125], dot()], FPS, NAMES, "none.wav", [None, None], seed=0)


def test_a_page_has_only_one_of_each_name(run_stage, tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "d.npz", poses=np.repeat(dot(), 15, 1), fps=FPS)
    files = [tmp_path / folder / "d.npz" for folder in "ab"]
    options = ["--audio", song(tmp_path / "s.wav"), "--out", tmp_path / "x.html"]
    done = run_stage("animate.py", "--ab", *files, *options)
    assert done.returncode == 2 and "with different names" in done.stderr
    done = run_stage("animate.py", "--ab", *files, "--trail", *options)
    assert done.returncode == 2 and "--trail: cannot be used with --ab" in done.stderr
