import base64
import re
import zlib

import numpy as np
import pytest
from test_animation import STAND, still
from test_video_writer import onsets, samples, song

from learn2dance.errors import UserError
from learn2dance.render import player

FPS, SECONDS = 25.0, 10.0
# Where the dot of a dance is on its canvas: the mean x of the pixels that are not background, as a fraction.
DOT = """(canvas) => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let [sum, count] = [0, 0];
    for (let i = 0; i < pixels.length; i += 4) {
        if (Math.abs(pixels[i] - pixels[0]) + Math.abs(pixels[i + 1] - pixels[1]) > 60) {
            sum += (i / 4) % canvas.width;
            count += 1;
        }
    }
    return sum / count / canvas.width;
}"""
# After each frame that is drawn: the sound's clock, and the dot of each dance.
WATCH = f"""(seconds) => new Promise((resolve) => {{
    const [rows, song, dot] = [[], document.querySelector("audio"), {DOT}];
    const canvases = [...document.querySelectorAll("figure canvas")];
    const begin = performance.now();
    const step = () => {{
        rows.push([song.currentTime, ...canvases.map(dot)]);
        performance.now() - begin < 1000 * seconds ? requestAnimationFrame(step) : resolve(rows);
    }};
    requestAnimationFrame(step);
}})"""
CLOCK = "document.querySelector('audio').currentTime"


def dot(start=0.0, end=1.0, fps=FPS):
    """Return a dance of one joint that crosses the view from start to end (0-1) at a constant speed."""
    poses = np.zeros((int(SECONDS * fps), 1, 2))
    poses[:, 0, 0] = start + (end - start) * np.arange(len(poses)) / fps / SECONDS
    return poses


@pytest.fixture
def write(tmp_path):
    """Return a function that writes dances with ten seconds of silent song as a page."""

    def make(*dances, **options):
        options.setdefault("audio", song(tmp_path / "song.wav", SECONDS))
        player.write(tmp_path / "page.html", dances, FPS, y_up=True, **options)
        return tmp_path / "page.html"

    return make


def until(page, condition):
    """Wait until a condition holds (the page's policy forbids the eval of Playwright's wait_for_function)."""
    for _ in range(400):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(condition)


def settled(page, time):
    """Seek, and wait until the page has drawn this moment; return the dots."""
    page.evaluate(f"{CLOCK} = {time}")
    until(page, "!document.querySelector('audio').seeking")
    return np.array(page.evaluate(WATCH, 0.1)[-1][1:])


def times_of(rows, first, last, from_, to):
    """Convert positions of dots to times, given those at two times."""
    return from_ + (rows - first) / (last - first) * (to - from_)


def opened(visit, file, **options):
    page = visit(file, **options)
    page.wait_for_selector("#play:visible")
    return page


def test_what_is_drawn_is_in_step_with_the_sound(visit, write):
    page = opened(visit, write(dot(), dot(1, 0), dot(0.2, 0.9), dot(0.5, 0.1)))
    first, last = settled(page, 1.0), settled(page, 9.0)
    settled(page, 2.0)
    page.click("#play")
    until(page, f"{CLOCK} > 2.1")
    rows = np.array(page.evaluate(WATCH, 3))
    heard, drawn = rows[:, 0], times_of(rows[:, 1:], first, last, 1.0, 9.0)
    assert np.ptp(heard) > 2 and drawn.shape[1] == 4
    assert np.abs(drawn - heard[:, None]).max() < 0.04


def test_half_speed(visit, write):
    page = opened(visit, write(dot()))
    page.select_option("#speed", "0.5")
    page.click("#play")
    until(page, f"{CLOCK} > 0.2")
    before = page.evaluate(f"[{CLOCK}, performance.now()]")
    until(page, f"{CLOCK} > 1.0")
    after = page.evaluate(f"[{CLOCK}, performance.now()]")
    assert 1000 * (after[0] - before[0]) / (after[1] - before[1]) == pytest.approx(0.5, abs=0.05)
    assert page.evaluate("document.querySelector('audio').preservesPitch")


def test_keys_and_pointer_move_through_the_dance(visit, write):
    page = opened(visit, write(dot()))

    def at():
        page.wait_for_timeout(50)
        until(page, "!document.querySelector('audio').seeking")
        return page.evaluate(CLOCK)

    box = page.locator("#timeline").bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 20)
    assert at() == pytest.approx(5, abs=0.02)
    for key, time in [("ArrowLeft", 3), ("ArrowRight", 5), (".", 5.04), (",", 5), ("Home", 0), ("End", 10)]:
        page.keyboard.press(key)
        assert at() == pytest.approx(time, abs=0.03), key
    page.keyboard.press("Shift+ArrowLeft")
    assert at() == 0
    page.keyboard.press("End")
    page.keyboard.press(" ")  # from the beginning
    until(page, f"{CLOCK} > 0.3")
    assert page.text_content("#play") == "Pause"
    page.keyboard.press("k")
    until(page, "document.querySelector('#play').textContent == 'Play'")
    page.keyboard.press("ArrowDown")
    assert page.input_value("#speed") == "0.75"
    page.keyboard.press("?")
    assert page.locator("dialog dt").count() > 10 and page.is_visible("dialog")
    page.keyboard.press("Escape")
    assert not page.is_visible("dialog")


@pytest.mark.parametrize("attempt", range(5))
def test_it_plays_after_seeks_that_overlap(visit, write, attempt):
    """Chromium 150 stalled in 4 of 25 attempts when the page began each seek at once."""
    page = opened(visit, write(dot()))
    for key in "ArrowLeft ArrowRight . , Home End Shift+ArrowLeft End".split():
        page.keyboard.press(key)
    page.keyboard.press(" ")
    until(page, f"{CLOCK} > 0.5")


def test_a_section_is_looped(visit, write):
    page = opened(visit, write(dot()))
    for time in (4.0, 4.5):
        settled(page, time)
        page.keyboard.press("l")
    page.keyboard.press(" ")
    heard = np.array(page.evaluate(WATCH, 2.0))[:, 0]
    assert heard.min() > 3.9 and heard.max() < 4.9 and (np.diff(heard) < -0.3).sum() >= 2
    page.keyboard.press("l")
    until(page, f"{CLOCK} > 5")


def test_mirrored(visit, write):
    page = opened(visit, write(dot()))
    before = settled(page, 2.0)[0]
    page.keyboard.press("m")
    assert page.get_attribute("#mirror", "aria-pressed") == "true"
    assert settled(page, 2.0)[0] == pytest.approx(1 - before, abs=0.01)


def test_missing_joints_are_not_drawn(visit, write):
    poses = dot()
    poses[100:150] = np.nan
    page = opened(visit, write(poses))
    assert np.isfinite(settled(page, 3.0)).all()
    page.evaluate(f"{CLOCK} = 5")
    page.wait_for_timeout(200)
    assert np.isnan(page.evaluate(WATCH, 0.1)[-1][1])  # no pixel differs from the background


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_fits_the_window_and_follows_its_theme(visit, write, width, theme):
    file = write(*[still(250)] * 3, titles=["a title that is much too long for a window of 360 pixels", "b", "c"])
    page = opened(visit, file, width=width, height=740, color_scheme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    canvas = page.locator("figure canvas")
    corner = "(canvas) => [...canvas.getContext('2d').getImageData(1, 1, 1, 1).data].slice(0, 3)"
    brightness = np.mean(canvas.first.evaluate(corner))
    assert canvas.count() == 3 and (brightness < 50 if theme == "dark" else brightness > 200)
    page.keyboard.press("d")
    page.wait_for_timeout(100)
    assert (np.mean(canvas.first.evaluate(corner)) < 50) == (theme == "light")


@pytest.mark.parametrize("joints", [1, 15, 17, 18, 25, 30])
def test_all_skeletons_and_switches(visit, write, joints):
    poses = np.repeat(np.resize(STAND, (joints, 2))[None], 250, 0)
    marks = {"beats": np.arange(0, 10, 0.5).tolist(), "bars": [0.0, 2.0, 4.0], "phrases": [0.0, 4.0]}
    page = opened(visit, write(poses, marks=[marks], trail=True, beats=True))
    assert [page.get_attribute(f"#{name}", "aria-pressed") for name in ("trail", "flash", "names")] == [
        "true",
        "true",
        "false",
    ]
    page.evaluate(f"{CLOCK} = 5.1")
    page.wait_for_timeout(100)
    unnamed = page.screenshot()
    page.keyboard.press("j")
    page.wait_for_timeout(100)
    assert page.screenshot() != unnamed


def test_the_timeline_shows_beats_bars_and_phrases(visit, write):
    marks = {"beats": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "bars": [2.0, 4.0, 6.0], "phrases": [4.0]}
    page = opened(visit, write(dot(), marks=[marks]))
    count = """(canvas, x) => {
        const column = canvas.getContext("2d").getImageData(Math.round(x * canvas.width), 0, 1, canvas.height / 2 - 2);
        return column.data.filter((value, i) => i % 4 === 3 && value > 0).length;
    }"""
    beat, bar, phrase, none = (
        page.eval_on_selector("#timeline canvas", count, second / SECONDS) for second in (3, 6, 4, 3.5)
    )
    assert phrase > bar > beat > none == 0


def test_without_a_song_the_page_has_a_clock_of_its_own(visit, write):
    page = opened(visit, write(dot(), audio=None))
    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")  # 1.25
    page.click("#play")
    begin = page.evaluate("performance.now()")
    until(page, "document.querySelector('#timeline').ariaValueNow > 3.5")
    passed = (page.evaluate("performance.now()") - begin) / 1000
    assert 1.25 * passed == pytest.approx(1.5, abs=0.3)


def test_the_song_in_the_page_keeps_its_time(write, tmp_path):
    clicks = [2.5, 4.0, 7.75]
    file = write(dot(), audio=song(tmp_path / "s.wav", 9.0, clicks), start=1.5)
    encoded = re.search(r'id="song">([^<]*)<', file.read_text())[1]
    (tmp_path / "song.m4a").write_bytes(base64.b64decode(encoded))
    heard = samples(tmp_path / "song.m4a")
    assert len(heard) / 8000 == pytest.approx(SECONDS, abs=0.05)  # padded with silence
    np.testing.assert_allclose(onsets(np.abs(heard), 0.3) / 8000, np.array(clicks) - 1.5, atol=0.005)


def test_poses_come_back_from_their_bytes(write):
    rng = np.random.default_rng(0)
    poses = still(250) + 0.1 * rng.standard_normal((250, 25, 2))
    poses[3:9, 4] = np.nan
    about, data = player.pack(poses, FPS)
    levels = np.cumsum(np.frombuffer(data, "<i2").reshape(250, 25, 2), axis=0, dtype=np.int16)
    found = np.where(levels == player.MISSING, np.nan, np.array(about["middle"]) + about["step"] * levels)
    np.testing.assert_allclose(found, poses, atol=0.51 * about["step"])
    assert about["step"] < (np.nanmax(poses) - np.nanmin(poses)) / 60000


def test_the_same_input_gives_the_same_bytes_and_titles_are_text(visit, write):
    title = "</script><b>&amp; 'x'"
    file = write(dot(), titles=[title])
    before = file.read_bytes()
    assert write(dot(), titles=[title]).read_bytes() == before
    page = opened(visit, file)
    assert page.title() == title and page.text_content("figcaption") == title


def test_marks_begin_at_the_start():
    dance = {"beats": np.arange(4.0), "downbeats": np.array([True, False, True, False])}
    expected = {"beats": [0.5, 1.5], "bars": [0.5], "phrases": []}
    assert player.marks(dance, 1.5) == expected
    assert player.marks({"beats": None}) == {"beats": [], "bars": [], "phrases": []}


def test_five_dances_are_too_many(write):
    with pytest.raises(UserError, match="5 dances, expected at most 4"):
        write(*[dot()] * 5)


def test_data_are_compressed(write):
    found = re.search(r'id="data" data-header="(\d+)">([^<]*)<', write(dot()).read_text())
    assert len(zlib.decompress(base64.b64decode(found[2]))) == int(found[1]) + 2 * 2 * 250
