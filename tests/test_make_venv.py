"""`make venv` with a stand-in for Python that notes what it is asked for and installs nothing."""

import os
import signal
import subprocess
import time

import pytest
from conftest import ROOT

PYTHON = """#!/bin/sh
case "$*" in
    --version) echo "Python 3.99.0" ;;
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; touch "$3/part" ;;
    "-m pip "*)
        echo "$*" >> "$NOTES"
        case "$*" in *"$FAILS"*) exit 1 ;; esac
        case "$*" in *"$HANGS"*) touch "$NOTES.hangs"; exec sleep 60 ;; esac ;;
esac
"""
INSTALL = "-m pip install --quiet --disable-pip-version-check"


@pytest.fixture
def make(tmp_path):
    """Return what starts ``make venv`` in a folder of its own, and the lines of pip's arguments so far."""
    for name in ("Makefile", "requirements.txt", "requirements.lock"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    python, notes = tmp_path / "python", tmp_path / "notes"
    python.write_text(PYTHON)
    python.chmod(0o755)

    def start(*more, fails="nothing", hangs="nothing", ci=""):
        surroundings = os.environ | {"NOTES": str(notes), "FAILS": fails, "HANGS": hangs, "CI": ci}
        command = ["make", f"PYTHON={python}", *more, "venv"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=tmp_path, env=surroundings, start_new_session=True, **pipes)

    return start, lambda: notes.read_text().splitlines() if notes.exists() else []


def test_exact_versions_once(make):
    start, asked = make
    assert start().wait(60) == 0
    assert asked() == [f"{INSTALL} -r requirements.lock"]
    begin = time.perf_counter()
    assert start().wait(60) == 0
    assert time.perf_counter() - begin < 1 and len(asked()) == 1


def test_the_newest_of_the_ranges(make, tmp_path):
    start, asked = make
    assert start().wait(60) == 0
    assert start("LOCK=").wait(60) == 0
    assert asked()[1:] == [f"{INSTALL} --upgrade --upgrade-strategy eager -r requirements.txt"]
    assert start().wait(60) == 0  # which stay
    assert len(asked()) == 2


def test_torch_from_elsewhere(make):
    start, asked = make
    assert start("TORCH_INDEX=https://example.org/cpu").wait(60) == 0
    assert asked()[0] == f"{INSTALL} --index-url https://example.org/cpu torch==2.13.0" and len(asked()) == 2


def test_where_the_exact_versions_do_not_fit(make):
    start, asked = make
    process = start(fails="requirements.lock")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "requirements.lock does not fit Python 3.99.0 (see above); taking the ranges of requirements.txt" in said
    assert asked()[-1] == f"{INSTALL} -r requirements.txt"


def test_in_ci_the_exact_versions_must_fit(make):
    start, asked = make
    assert start(fails="requirements.lock", ci="true").wait(60) == 2
    assert asked() == [f"{INSTALL} -r requirements.lock"]


def test_an_interrupted_installation_is_made_anew_and_a_failed_one_too(make, tmp_path):
    start, asked = make
    process = start(hangs="requirements.lock")
    while not (tmp_path / "notes.hangs").exists():
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (tmp_path / ".venv" / "half").write_text("of a package")
    process = start()
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "its installation was interrupted; starting again" in said
    assert not (tmp_path / ".venv" / "half").exists() and (tmp_path / ".venv" / "part").exists()
    assert len(asked()) == 2
    os.utime(tmp_path / ".venv" / "installed", (0, 0))  # older than the requirements
    assert start(fails="pip").wait(60) == 2
    assert start().wait(60) == 0 and len(asked()) == 5


def test_the_lock_holds_exact_versions_and_no_addresses():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert all("==" in line.split(";")[0] and "://" not in line and not line.startswith("-") for line in wanted)
    names = {line.split("==")[0] for line in wanted}
    asked = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert {line.replace(">", "=").split("=")[0] for line in asked} <= names
    assert not [name for name in names if name.startswith(("nvidia", "cuda", "triton"))]
