"""Start a trainer on several processes of this machine, as torchrun does, but in processes that have imported it."""

import importlib
import multiprocessing
import os
import signal
import sys
import tempfile
from pathlib import Path

import torch
from torch.distributed import TCPStore

from learn2dance import cli
from learn2dance.data.training_run import TrainingRun
from learn2dance.errors import UserError

IMPORTED = ("ranks", "accelerate", "torch._dynamo", "torch.utils.tensorboard", "learn2dance.music2pose.training")
IMPORTED += ("learn2dance.gan.sequence_training", "learn2dance.evaluation.plots")


class Failure(UserError):
    """An error of the test's."""


def launch(name: str, *commands, weights: Path | None = None, fail: dict | None = None) -> tuple:
    """Run the trainer ``name`` in a process for each command; return the exit codes, stdouts and stderrs.

    ``fail`` says what happens to a rank at its 14th step: the name of an exception, or the number of a signal. At the
    end, each process saves its weights as ``<weights>.<rank>``.
    """
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # torchrun has it, and not rank 0
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": store.port, "TORCHELASTIC_USE_AGENT_STORE": True}
    common |= {"WORLD_SIZE": len(commands), "LOCAL_WORLD_SIZE": len(commands), "ACCELERATE_USE_CPU": True}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    with tempfile.TemporaryDirectory() as folder:
        files = [[Path(folder, f"{stream}{rank}") for stream in ("out", "err")] for rank in range(len(commands))]
        started = []
        for rank, command in enumerate(commands):
            env = {key: str(value) for key, value in (common | {"RANK": rank, "LOCAL_RANK": rank}).items()}
            given = (name, [*map(str, command)], env, files[rank], weights, (fail or {}).get(rank))
            started.append(context.Process(target=work, args=given))
            started[-1].start()
        for process in started:
            process.join(60)
            process.kill()
            process.join()
        texts = [[file.read_text() for file in both] for both in files]
    return [process.exitcode for process in started], *zip(*texts, strict=True)


def work(name: str, command: list[str], env: dict, files: list[Path], weights: Path | None, fail) -> None:
    """Run the trainer as one of the processes."""
    os.environ |= env
    for file, stream in zip(files, (1, 2), strict=True):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), stream)
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, closefd=False) for stream in (1, 2))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [f"{name}.py", *command]
    finish, steps = TrainingRun.finish, TrainingRun.steps

    def finish_and_save(run: TrainingRun, measure: str) -> None:
        if weights:
            torch.save(run.network.state_dict(), f"{weights}.{env['RANK']}")
        finish(run, measure)

    def steps_until_failure(run: TrainingRun):
        for step in steps(run):
            if step == 13 and isinstance(fail, int):
                os.kill(os.getpid(), fail)
            elif step == 13 and fail:
                raise {"KeyboardInterrupt": KeyboardInterrupt, "Failure": Failure("no space left")}[fail]
            yield step

    TrainingRun.finish, TrainingRun.steps = finish_and_save, steps_until_failure
    cli.run(importlib.import_module(name).main)
