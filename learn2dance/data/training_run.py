"""The state of a training run, saved so that training resumes exactly (bit for bit)."""

import copy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from learn2dance.cli import log
from learn2dance.data import checkpoint
from learn2dance.errors import UserError


@dataclass
class TrainingState:
    """The state of a training run, without that of the network and the optimiser."""

    rng: np.random.Generator
    kind: str = "music2pose"  # of the model, stored in its checkpoints
    step: int = 0
    best: float = float("inf")
    best_step: int = 0
    best_network: dict[str, Tensor] = field(default_factory=dict)
    waited: int = 0  # validations since the best one

    def note(self, loss: float, network: nn.Module) -> bool:
        """Record a validation loss, and the network if it is the best so far; return whether it is.

        The trainer defines the loss; lower is better.
        """
        self.waited += 1
        if loss >= self.best or (np.isnan(loss) and np.isfinite(self.best)):
            return False
        self.best, self.best_step, self.waited = loss, self.step, 0
        self.best_network = copy.deepcopy({key: value.cpu() for key, value in network.state_dict().items()})
        return True

    def found(self) -> dict:
        """Return step and loss of the best network, for the model's file."""
        return {"step": self.best_step, "loss": self.best}


def batch_generator(seed: int) -> np.random.Generator:
    """Return the random generator that draws the training sequences."""
    return np.random.Generator(np.random.PCG64(seed))


def save_state(
    path: Path,
    hyperparameters: dict,
    parents: dict,
    network: nn.Module,
    optimiser,
    state: TrainingState,
    done: bool = False,
):
    """Save everything that `resume` needs to continue exactly."""
    checkpoint.save(
        path,
        f"{state.kind} training",
        arguments=hyperparameters,
        parents=parents,
        network=network.state_dict(),
        optimiser=optimiser.state_dict(),
        torch_rng=torch.get_rng_state(),
        cuda_rng=torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        rng=state.rng.bit_generator.state,
        **{key: getattr(state, key) for key in ("step", "best", "best_step", "best_network", "waited")},
        done=done,
    )


def resume(
    path: Path, hyperparameters: dict, parents: dict, network: nn.Module, optimiser, state: TrainingState
) -> None:
    """Restore network, optimiser and state from `save_state`; leave them as they are if the data have changed since.

    Raises
    ------
    UserError
        If that run had other hyperparameters.
    """
    saved = checkpoint.load(path, f"{state.kind} training")
    if saved["parents"] != parents:
        log.info("%s: the data have changed since, training starts anew", path)
        return
    changed = [
        f"--{key} was {saved['arguments'].get(key)}"
        for key in hyperparameters
        if saved["arguments"].get(key) != hyperparameters[key]
    ]
    if changed:
        raise UserError(
            f"{path}: cannot go on, {'; '.join(changed)}; give the same again, or start anew without --resume"
        )
    network.load_state_dict(saved["network"])
    optimiser.load_state_dict(saved["optimiser"])
    torch.set_rng_state(saved["torch_rng"])
    if saved["cuda_rng"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(saved["cuda_rng"])
    state.rng.bit_generator.state = saved["rng"]
    for key in ("step", "best", "best_step", "best_network", "waited"):
        setattr(state, key, saved[key])
    log.info("%s: goes on from step %d", path, state.step)


def is_up_to_date(out: Path, last: Path, hyperparameters: dict, parents: dict, kind: str = "music2pose") -> bool:
    """Tell whether this model is complete: trained to the end with the same hyperparameters on the same data."""
    if not out.exists() or not last.exists():
        return False
    try:
        best, state = checkpoint.load(out, kind), checkpoint.load(last, f"{kind} training")
    except UserError as fault:
        log.warning("%s", fault)
        return False
    made = (hyperparameters, parents)
    return state["done"] and (best["arguments"], best["parents"]) == made == (state["arguments"], state["parents"])
