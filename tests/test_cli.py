import os
import subprocess
import sys

import pytest

from learn2dance import cli, threads
from learn2dance.errors import UserError

SCRIPT = """
from learn2dance import cli
from learn2dance.errors import UserError
def main(argv):
    print("said before", flush=True)
    {body}
cli.run(main)
"""


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("return", 0, ""),
        ("raise UserError('a.npz: gone')", 2, "error: a.npz: gone\n"),
        ("raise OSError(28, 'No space left on device', 'a.npz')", 2, "error: a.npz: No space left on device\n"),
        ("raise KeyboardInterrupt", 130, "interrupted: files already written are complete"),
    ],
)
def test_how_a_stage_ends(body, code, said):
    ended = subprocess.run([sys.executable, "-c", SCRIPT.format(body=body)], capture_output=True, text=True)
    assert ended.returncode == code
    assert ended.stderr.startswith(said) and ended.stderr.count("\n") == bool(said)
    assert ended.stdout == "said before\n"


def test_terminated_it_leaves_no_incomplete_file(tmp_path):
    body = f"""
    from learn2dance.data.temporary import atomic
    with atomic({str(tmp_path / "a.npz")!r}) as path:
        path.write_text("half")
        print("writing", flush=True)
        import time
        time.sleep(60)"""
    process = subprocess.Popen([sys.executable, "-c", SCRIPT.format(body=body)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "said before\n" and process.stdout.readline() == "writing\n"
    process.terminate()
    assert process.wait(10) == 143 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_closed_stream_is_open_to_child_processes(number):
    """Otherwise the first file that a child opens would be its stdout, say."""
    body = f"""
    import subprocess, sys
    done = subprocess.run([sys.executable, "-c", "import os; os.fstat({number})"], close_fds=True)
    sys.exit(done.returncode)"""
    command = [sys.executable, "-c", SCRIPT.format(body=body)]
    ended = subprocess.run(command, preexec_fn=lambda: os.close(number), capture_output=True, text=True)
    assert ended.returncode == 0 and not ended.stderr


def test_names_that_are_not_utf8_can_be_logged():
    body = "cli.log.info('%s', 'caf\\udce9.npz')"
    surroundings = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    command = [sys.executable, "-c", SCRIPT.format(body=body)]
    ended = subprocess.run(command, capture_output=True, text=True, env=surroundings)
    assert ended.returncode == 0 and ended.stdout == "said before\ncaf\\udce9.npz\n"


def test_a_bug_prints_its_traceback():
    ended = subprocess.run([sys.executable, "-c", SCRIPT.format(body="1 / 0")], capture_output=True, text=True)
    assert ended.returncode == 1 and "ZeroDivisionError" in ended.stderr and "Traceback" in ended.stderr


def test_shared_flags(capsys):
    parser = cli.parser("What it does.", "seed", "jobs", "threads", "device", "no_video", "quiet")
    args = parser.parse_args(["--seed", "3", "--jobs", "2", "--no-video"])
    assert (args.seed, args.jobs, args.threads, args.device) == (3, 2, 1, "auto")
    assert args.no_video and not args.quiet
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--jobs", "0"])
    assert ended.value.code == 2 and "positive int" in capsys.readouterr().err
    assert parser.parse_args(["--seed", str(2**31 - 1)]).seed == 2**31 - 1
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--seed", str(2**31)])
    assert ended.value.code == 2 and "below 2**31" in capsys.readouterr().err


def test_devices():
    assert cli.device("cpu") == "cpu"
    with pytest.raises(UserError, match="--device warp: torch .* finds only cpu"):
        cli.device("warp")


def test_missing_files_are_guessed(tmp_path):
    (tmp_path / "song.mp3").touch()
    assert cli.existing_path(tmp_path / "song.mp3", "song") == tmp_path / "song.mp3"
    with pytest.raises(UserError, match=r"no such song; did you mean .*song\.mp3\?"):
        cli.existing_path(tmp_path / "sing.mp3", "song")
    with pytest.raises(UserError, match=r"no such song$"):
        cli.existing_path(tmp_path / "no" / "where", "song")


def test_threads_are_limited_also_of_libraries_that_are_loaded_later():
    script = """
import numpy
from learn2dance import cli
cli.setup(threads=1)
import torch, sklearn.cluster, threadpoolctl
print({pool["num_threads"] for pool in threadpoolctl.threadpool_info()}, torch.get_num_threads())
cli.setup(threads=2)
print(torch.get_num_threads(), {pool["num_threads"] for pool in threadpoolctl.threadpool_info()})
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == ["{1} 1", "2 {2}"]


def test_the_first_count_of_spare_cores_waits_and_later_ones_do_not(monkeypatch):
    waits = []
    monkeypatch.setattr(threads.time, "sleep", waits.append)
    threads._own_process.cache_clear()
    assert 1 <= threads.spare() <= threads.cores() and waits
    waits.clear()
    assert 1 <= threads.spare() <= threads.cores() and not waits
