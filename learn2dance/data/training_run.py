"""The bookkeeping of a training run: its files, its best model, and a saved state from which it resumes exactly."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from torch import nn

from learn2dance import cli, distributed
from learn2dance.cli import log
from learn2dance.data import checkpoint
from learn2dance.data.clip_names import fits_tables
from learn2dance.errors import UserError

# Arguments of the trainers that do not affect the model, but for rounding.
OUTSIDE = {"data", "datadir", "out", "pose_gan", "resume", "device", "threads", "accumulate", "no_video", "quiet"}
VERSION = 3  # raised when a trainer would write other models from the same data: older ones are then trained again
STATE = ("step", "best", "best_step", "waited")
# What the saved state has, of which types.
PARTS = {"arguments": dict, "parents": dict, "network": dict, "optimiser": dict, "torch_rng": torch.Tensor}
PARTS |= {"cuda_rng": list, "rng": dict, "step": int, "best": float, "best_step": int, "waited": int, "done": bool}


class TrainingRun:
    """One run of a trainer, which keeps the loop and calls this for the rest.

    Files: ``out``, the best model; ``last``, the state of training; ``folder``, for TensorBoard. ``hyperparameters``
    and ``parents`` are the arguments and data that the model depends on. ``rng`` draws the training batches. ``step``
    counts the steps taken; ``best`` is the lowest validation loss, ``best_step`` its step, and ``waited`` the number of
    validations since. Of several ``processes``, only the main one writes.
    """

    def __init__(self, kind: str, out: str | Path, args, parents: dict, processes=distributed.SINGLE):
        self.kind, self.out, self.args, self.processes = kind, Path(out), args, processes
        if self.out.is_dir():
            raise UserError(f"--out {out}: found a folder, expected the name of a file, e.g. model.pt")
        if self.out.suffix != ".pt":
            raise UserError(f"--out {out}: expected a name that ends in .pt")  # not clips.csv, by mistake
        self.last = self.out.with_name(f"{self.out.name.removesuffix('.pt')}.last.pt")
        self.folder = self.out.parent / "runs" / self.out.stem
        if not fits_tables(str(self.folder)):
            raise UserError(f"{str(self.folder)!a}: expected a path in UTF-8, for TensorBoard; give another --out")
        self.hyperparameters = {key: value for key, value in vars(args).items() if key not in OUTSIDE}
        self.parents = parents | {"version": VERSION}
        self.rng = np.random.Generator(np.random.PCG64(args.seed))
        self.step, self.best, self.best_step, self.waited = 0, float("inf"), 0, 0

    @cached_property
    def saved(self) -> dict | None:
        """The state in `last`; None if there is none, or if the model in `out` is not of the same run."""
        if not self.last.exists():
            return None
        try:
            model, state = checkpoint.load(self.out, self.kind), checkpoint.load(self.last, f"{self.kind} training")
            _check_parts(self.last, state)
        except UserError as error:
            log.warning("%s", error)
            return None
        same = all(_is_plain(model.get(key)) and model[key] == state[key] for key in ("arguments", "parents"))
        step = model.get("step")
        # A run that was killed after writing the model, and before writing its state, has a later one.
        later = isinstance(step, int) and step > state["best_step"] and not state["done"]
        return state if same and (step == state["best_step"] or later) else None

    def is_up_to_date(self) -> bool:
        """Tell whether the model is complete: trained to the end with these hyperparameters on these data.

        Raises a UserError if the processes found different data or states.
        """
        found = [self.hyperparameters, self.parents, self.saved and self.saved["step"]]
        self.processes.require_same("arguments, data or saved state", found)
        wanted = {"arguments": self.hyperparameters, "parents": self.parents, "done": True}
        if done := self.saved is not None and all(self.saved[key] == value for key, value in wanted.items()):
            self.best_step = self.saved["best_step"]
            log.info("%s: up to date", self.out)
        return done

    def begin(self, network: nn.Module, optimiser) -> None:
        """Start training these; with ``--resume``, continue from the saved state if there is one for the same data.

        Raises a UserError if the saved state has other hyperparameters.
        """
        from torch.utils.tensorboard import SummaryWriter

        self.network, self.optimiser = network, optimiser
        if self.args.resume and self.last.exists():
            self._resume()
        if not self.processes.is_main:
            return
        if not self.step:  # what an earlier run left there would be taken for this one's; TensorBoard purges its curves
            for file in self.folder.glob("step_[0-9]*"):
                file.unlink(missing_ok=True)
        threading.excepthook = _print_unless_disk_error
        with self._curves():
            self.board = SummaryWriter(str(self.folder), purge_step=self.step + 1)

    def _resume(self) -> None:
        saved = self.saved
        if saved is None:
            log.info("%s: does not belong to %s; training starts at step 0", self.last, self.out)
            return
        if saved["parents"] != self.parents:
            log.info("%s: the data or the program have changed since; training starts at step 0", self.last)
            return
        before = saved["arguments"]
        if changed := [f"--{k} was {before.get(k)}" for k, v in self.hyperparameters.items() if before.get(k) != v]:
            hint = "give the same values, or leave out --resume"
            raise UserError(f"{self.last}: cannot resume, {'; '.join(changed)}; {hint}")
        try:
            self._load(saved["network"], saved["optimiser"])
        except UserError as error:
            raise UserError(f"{self.last}: cannot resume, {error}; remove it to start at step 0") from None
        torch.set_rng_state(saved["torch_rng"])
        if saved["cuda_rng"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(saved["cuda_rng"])
        self.rng.bit_generator.state = saved["rng"]
        for key in STATE:
            setattr(self, key, saved[key])
        log.info("%s: resuming at step %d", self.last, self.step)

    def _load(self, network: dict, optimiser: dict) -> None:
        checkpoint.check_state(self.network.state_dict(), network)
        self.network.load_state_dict(network)
        if isinstance(self.optimiser, torch.optim.Optimizer):
            checkpoint.load_optimiser(self.optimiser, optimiser)
        else:  # several
            self.optimiser.load_state_dict(optimiser)

    def _save_state(self, done: bool = False) -> None:
        if not self.processes.is_main:
            return
        state = {"arguments": self.hyperparameters, "parents": self.parents}
        state |= {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}
        state["torch_rng"] = torch.get_rng_state()
        state["cuda_rng"] = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        state["rng"] = self.rng.bit_generator.state
        state |= {key: getattr(self, key) for key in STATE} | {"done": done}
        checkpoint.save(self.last, f"{self.kind} training", **checkpoint.with_shared_strings(state))

    @contextlib.contextmanager
    def _curves(self) -> Iterator[None]:
        """Name the folder of the curves in each ``OSError`` that names no file, e.g. on a full disk."""
        try:
            yield
        except OSError as error:
            error.filename = error.filename or str(self.folder)
            raise

    def add_figure(self, name: str, figure) -> None:
        """Show a matplotlib figure in TensorBoard, at the current step."""
        with self._curves():
            self.board.add_figure(name, figure, self.step)

    def steps(self) -> Iterator[int]:
        """Yield the remaining steps, counted from 0, with a progress bar."""
        self.began, self.began_at = time.monotonic(), self.step
        for step in cli.progress(range(self.step, self.args.steps), "train"):
            self.step = step + 1
            yield step

    def is_validation_step(self) -> bool:
        """Tell whether the current step is followed by a validation: every ``--every``-th, and the last."""
        return self.step % self.args.every == 0 or self.step == self.args.steps

    def validated(self, loss: float, save: Callable, val: dict[str, float], train: dict[str, float]) -> None:
        """Log and save the current step: its scores, the model if its loss is the lowest so far, and the state.

        ``save(path, **more)`` writes the model with further plain values.
        """
        scores = {f"val {name}": value for name, value in val.items()}
        scores |= {f"train {name}": value for name, value in train.items()}
        loss = self.processes.from_main(loss)  # so that all stop at the same step, however they round
        if self.processes.is_main:
            with self._curves():
                for name, value in scores.items():
                    self.board.add_scalar(name.replace(" ", "/", 1), value, self.step)
                self.board.flush()  # before the state is saved: a resumed run does not compute these again
        if np.isnan(loss) and self.step == min(self.args.every, self.args.steps):
            log.warning("too little data for validation: there is no score, and the last model is kept")
        if better := loss < self.best or not np.isfinite(self.best):
            self.best, self.best_step, self.waited = loss, self.step, 0
            if self.processes.is_main:
                save(self.out, step=self.step, loss=loss, arguments=self.hyperparameters, parents=self.parents)
        else:
            self.waited += 1
        self._save_state()
        shown = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
        log.info("step %d of %d%s: %s%s", self.step, self.args.steps, self._time_left(), shown, ", the best" * better)

    def _time_left(self) -> str:
        """Describe the time until the last step, at the mean speed since `steps` began."""
        if self.step == self.args.steps:
            return ""
        seconds = (time.monotonic() - self.began) / (self.step - self.began_at) * (self.args.steps - self.step)
        time_left = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
        return f" ({'at most ' if 'patience' in self.hyperparameters else ''}{time_left} left)"

    def diverged(self, found: str) -> NoReturn:
        """Raise a UserError that says what was found, and which model remains."""
        kept = f"{self.out} is the last good model" if self.out.exists() else "no model was saved"
        raise UserError(f"step {self.step}: training diverged ({found}); {kept}; try a lower --lr")

    def finish(self, measure: str) -> None:
        """Mark the run as complete, and log the best loss by the name of its measure."""
        if self.processes.is_main:
            with self._curves():
                self.board.close()
        self._save_state(done=True)
        log.info("%s: %s %.3f at step %d of %d", self.out, measure, self.best, self.best_step, self.step)


def _print_unless_disk_error(found: threading.ExceptHookArgs) -> None:
    """Print an exception that ended a thread, but for the ``OSError`` of TensorBoard's, which its caller gets too."""
    if not issubclass(found.exc_type, OSError):
        threading.__excepthook__(found)


def _check_parts(path: Path, state: dict) -> None:
    """Raise a UserError for the first part of a saved state that is missing, of another type, or out of range."""
    for key, kind in PARTS.items():
        if not isinstance(state.get(key), kind) or (kind is not bool and isinstance(state[key], bool)):
            found = type(state[key]).__name__ if key in state else "nothing"
            raise UserError(f"{path}: '{key}' is {found}, expected {kind.__name__}; was it edited?")
    counts = [state[key] for key in ("waited", "best_step", "step")]
    if not 0 <= min(counts) <= max(counts) <= 1 << 40 or not all(
        map(_is_plain, (state["arguments"], state["parents"]))
    ):
        raise UserError(f"{path}: its counts of steps or its arguments are damaged")
    try:
        np.random.PCG64().state = state["rng"]
        torch.Generator().set_state(state["torch_rng"])
        for one in state["cuda_rng"] if torch.cuda.is_available() else []:
            torch.Generator("cuda").set_state(one)
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError):
        raise UserError(f"{path}: the states of its random generators are damaged") from None


def _is_plain(value: object) -> bool:
    """Tell whether a value is made of dicts, lists, text and numbers alone, which can be compared."""
    try:
        return bool(json.dumps(value))
    except (TypeError, ValueError, RecursionError):
        return False
