"""Data that tests share: a small toy data root, and the real data where this machine has them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real data: ``L2D_DATA``, or ``shared/data`` beside the repository; else skip."""
    path = Path(os.environ.get("L2D_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real data in {path}")
    return path


@pytest.fixture
def run_stage():
    """Run a stage as its user does: ``run_stage("parse.py", DATA, "--fps", 25)`` -> CompletedProcess with text."""

    def run(*arguments, **options) -> subprocess.CompletedProcess:
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, **options)

    return run
