"""Data that tests share: a small toy data root, and the real data where this machine has them."""

import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from learn2dance import threads
from learn2dance.cli import log

ROOT = Path(__file__).parents[1]
threads.limit(1)  # as a stage does


def still_alive(processes: list[psutil.Process], seconds: float = 2.0) -> list[psutil.Process]:
    """Return which of these processes have not ended after so long; ended ones that nobody has waited for count."""
    until = time.monotonic() + seconds
    while True:
        alive = [process for process in processes if runs(process)]
        if not alive or time.monotonic() > until:
            return alive
        time.sleep(0.02)


def runs(process: psutil.Process) -> bool:
    """Return whether a process has not ended; one that nobody has waited for has."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended between the two questions
        return False


@pytest.fixture(autouse=True)
def unconfigured_log():
    """Undo what a stage's `cli.setup` did to the logger: its streams are those of one test, and closed after it."""
    log.handlers.clear()
    log.propagate = True
    log.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real data: ``L2D_DATA``, or ``shared/data`` beside the repository; else skip."""
    path = Path(os.environ.get("L2D_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real data in {path}")
    return path


# Headless, without a sound card or a network of its own, and with sound that a page may start without a click.
CHROMIUM = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking --autoplay-policy=no-user-gesture-required"
).split()


@pytest.fixture(scope="module")  # not longer: Playwright's event loop would be in the way of the notebooks'
def chromium():
    """Return a running Chromium; skip where there is none, but fail in CI."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program and not os.environ.get("CI"):
        pytest.skip("no chromium found; apt-get install chromium")
    assert program, "no chromium found; .ci/run installs it as root"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Return a function that opens a .html file in a window of its own; it must log no error and request nothing."""
    contexts, faults = [], []

    def open_page(file: Path, width: int = 1280, height: int = 800, **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)

        def route(route):
            if route.request.url == file.as_uri():
                route.continue_()
                return
            faults.append(f"request of {route.request.url}")
            route.abort()

        context.route("**/*", route)
        page = context.new_page()
        page.on("console", lambda message: message.type == "error" and faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def run_stage():
    """Run a stage as its user does: ``run_stage("parse.py", DATA, "--fps", 25)`` -> CompletedProcess with text."""

    def run(*arguments, **options) -> subprocess.CompletedProcess:
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, **options)

    return run


# A training so short that a test can wait for it; what it learns is not judged.
QUICK = "--steps 20 --every 10 --width 32 --batch 16 --warmup 5 --no-video".split()


# The same of the GAN's two steps.
QUICK_POSES = "--steps 40 --pretrain-steps 20 --every 20 --width 16 --layers 1 --batch 16".split()
QUICK_PATHS = "--steps 8 --pretrain-steps 4 --every 4 --width 32 --channels 8 --beats 8 --batch 4".split()


def make_trained(path: Path, jobs: int = 1) -> Path:
    """Make a toy data root on which every stage has run, quickly: nine clips of 8 s, 3 levels of 16 codes."""
    import parse
    import train
    from learn2dance.data import data_root
    from learn2dance.music import features
    from learn2dance.synthetic import toy_data
    from learn2dance.tokens import tokenize

    toy_data.make(path, clips=9, seconds=8.0, jobs=jobs)
    parse.main([str(path), "--quiet", "--jobs", str(jobs)])
    features.process(data_root.open_root(path), jobs)
    tokenize.tokenize(data_root.open_root(path), tokenize.Settings(levels=3, codes=16))
    train.main([str(path), "--quiet", *QUICK])
    return path


def make_gan(trained: Path, models: Path) -> Path:
    """Train a sequence GAN, quickly, on a toy root; its pose GAN lies beside it."""
    import train_pose
    import train_seq

    poses, paths = models / "pose_gan.pt", models / "seq_gan.pt"
    train_pose.main([str(trained / "poses"), "--out", str(poses), "--quiet", *QUICK_POSES])
    quietly = ["--pose-gan", str(poses), "--out", str(paths), "--quiet", "--no-video"]
    train_seq.main([str(trained / "poses"), *quietly, *QUICK_PATHS])
    return paths


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """Return what `make_trained` makes."""
    return make_trained(tmp_path_factory.mktemp("toy") / "data root")


@pytest.fixture(scope="session")
def gan(trained, tmp_path_factory) -> Path:
    """Return what `make_gan` makes."""
    return make_gan(trained, tmp_path_factory.mktemp("gan") / "models")


@pytest.fixture
def root(trained, tmp_path) -> Path:
    """Return a copy of the trained toy root that the test may change."""
    return Path(shutil.copytree(trained, tmp_path / "data root"))


@pytest.fixture
def song(trained, tmp_path) -> Path:
    """Return a song whose name has spaces, a quote and an umlaut, outside a data root."""
    from learn2dance.data import data_root

    root = data_root.open_root(trained)
    clip = root.split("test", root.have("music"))[0]
    return Path(shutil.copy(root.audio[clip], tmp_path / "my 'söng' -1.wav"))


@pytest.fixture
def model(trained) -> Path:
    """Return the toy root's music2pose model."""
    return trained / "models" / "music2pose.pt"
