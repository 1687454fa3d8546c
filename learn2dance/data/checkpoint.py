"""Trained models on disk: tensors and plain values, saved atomically, loaded without executing code."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from learn2dance.cli import refuse_special
from learn2dance.data.schemas import SCHEMA
from learn2dance.data.temporary import atomic
from learn2dance.errors import UserError

Model = TypeVar("Model")
WRITERS = {"music2pose": "train.py", "pose_gan": "train_pose.py", "seq_gan": "train_seq.py"}


def save(path: str | Path, kind: str, **parts) -> None:
    """Save tensors and plain Python values (no other objects) atomically; the same content gives the same bytes."""
    buffer = io.BytesIO()  # given a path, torch would write the temporary file's name into the file
    torch.save({"kind": kind, "schema": SCHEMA, **parts}, buffer)
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a network's state on the CPU, in half precision: files are half as long. Networks load it as it is."""
    return {key: value.cpu().half() if value.is_floating_point() else value.cpu() for key, value in state.items()}


def load(path: str | Path, *kinds: str) -> dict:
    """Load a checkpoint of one of these kinds to the CPU; with ``weights_only=True`` no code is executed.

    Raises a UserError if it is missing, incomplete, of another kind, or of another schema version.
    """
    refuse_special(path)
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        writers = " or ".join(WRITERS[kind.split()[0]] for kind in kinds)
        raise UserError(f"{path}: no such model; {writers} writes it") from None
    try:
        parts = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        hint = "is it another program's file?"
        raise UserError(f"{path}: not a checkpoint of tensors and plain values; {hint}") from None
    except Exception as error:  # torch has no exception of its own for damaged files
        hint = "was writing it interrupted?"
        raise UserError(f"{path}: incomplete checkpoint ({type(error).__name__}); {hint}") from None
    found = parts.get("kind") if isinstance(parts, dict) else type(parts).__name__
    if found not in kinds:
        wanted = " or ".join(f"'{kind}'" for kind in kinds)
        raise UserError(f"{path}: expected a {wanted} checkpoint, found {found!r}; was it written by another trainer?")
    if parts.get("schema") != SCHEMA:
        raise UserError(f"{path}: found schema {parts.get('schema')}, expected {SCHEMA}; train it with this version")
    return parts


def load_as(path: str | Path, builders: dict[str, Callable[[dict], Model]]) -> Model:
    """Load a checkpoint of one of these kinds, and build a model from its parts on the CPU: ``builders[kind](parts)``.

    Raises a UserError as `load` does, or if the parts are not those of such a model.
    """
    parts = load(path, *builders)
    try:
        return builders[parts["kind"]](parts)
    except (KeyError, TypeError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        found = f"not the parts of a '{parts['kind']}' model ({reason})"
        raise UserError(f"{path}: {found}; was it trained by another version?") from None
