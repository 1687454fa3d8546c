"""Trained models on disk: tensors and plain values, saved atomically, loaded without executing code.

Whatever a file says is checked before it is used: `config` and `arrays` check plain values, and `load_network` compares
tensors with what the network of this configuration has.
"""

import dataclasses
import io
import pickle
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar, get_origin

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from learn2dance.cli import refuse_special
from learn2dance.data import schemas
from learn2dance.data.schemas import SCHEMA
from learn2dance.data.temporary import atomic
from learn2dance.errors import UserError

Model = TypeVar("Model")
Config = TypeVar("Config")
LARGEST = 1 << 16  # of the whole numbers in a configuration
MOST_LAYERS = 100  # of those that say how many parts a network has, each of which takes time to build
LAYERS = ("levels", "layers")
LARGEST_WEIGHT = 1e6  # larger ones would make infinite numbers
WRITERS = {"music2pose": "train.py", "pose_gan": "train_pose.py", "seq_gan": "train_seq.py"}


def save(path: str | Path, kind: str, **parts) -> None:
    """Save tensors and plain Python values (no other objects) atomically; the same content gives the same bytes."""
    buffer = io.BytesIO()  # given a path, torch would write the temporary file's name into the file
    torch.save({"kind": kind, "schema": SCHEMA, **parts}, buffer)
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def with_shared_strings(value: object) -> object:
    """Copy nested containers so that equal strings in them are one object: the same state then gives the same bytes.

    Pickle writes an object that occurs again as a reference to the first. Strings that were read from a file are other
    objects than equal ones in the program.
    """
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {with_shared_strings(key): with_shared_strings(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(with_shared_strings, value))
    return value


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
        _check_archive(content)
        parts = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        _check_tensors(parts, len(content))
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
    except (KeyError, TypeError, AttributeError, RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        found = f"not the parts of a '{parts['kind']}' model ({reason})"
        raise UserError(f"{path}: {found}; was it trained by another version?") from None


def _check_archive(content: bytes) -> None:
    """Raise an UnpicklingError if a file is not torch's zip archive, which holds all uncompressed, or is damaged."""
    if content[:2] != b"PK":
        raise pickle.UnpicklingError("no zip archive")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise pickle.UnpicklingError("compressed, which torch does not write")


def _check_tensors(value: object, size: int) -> None:
    """Raise an UnpicklingError for a tensor that is not dense, or claims more bytes than the file's size."""
    if isinstance(value, Tensor):
        if value.layout != torch.strided or value.is_quantized or value.numel() * value.element_size() > size:
            raise pickle.UnpicklingError("a tensor that is not dense")
    elif isinstance(value, (dict, list, tuple)):
        for part in value.values() if isinstance(value, dict) else value:
            _check_tensors(part, size)


def config(kind: type[Config], values: dict) -> Config:
    """Return a network's configuration, a dataclass of this kind, from the values of its fields.

    Raises a UserError if they are not of the fields' types, or out of range.
    """
    expected = {field.name: field for field in dataclasses.fields(kind)}
    if not isinstance(values, dict) or values.keys() != expected.keys():
        raise UserError(f"the configuration has not the values {', '.join(expected)}")
    for name, value in values.items():
        wanted = expected[name].type
        good = type(value) is (get_origin(wanted) or wanted)
        if wanted is int:
            good = good and 1 <= value <= (MOST_LAYERS if name in LAYERS else LARGEST)
        elif wanted is float:
            good = good and 0 <= value <= 1
        elif wanted is not bool:
            good = good and all(isinstance(part, str) for part in value)
        if not good:
            raise UserError(f"in the configuration, {name} is {str(value)[:40]!r}")
    return kind(**values)


def arrays(kind: str, values: dict, **sizes: int) -> dict[str, np.ndarray]:
    """Return tensors, lists and numbers as arrays of this kind in `schemas.SCHEMAS`; single numbers as such.

    Tensors in less precision are converted. Raises a UserError if they do not match the schema; for ``sizes`` see
    `schemas.check`.
    """
    if not isinstance(values, Mapping):
        raise UserError(f"the {kind} is no dict")
    found = {}
    for key, spec in schemas.SCHEMAS[kind].items():
        value = values.get(key)
        array = value.detach().numpy() if isinstance(value, Tensor) else np.array(value)
        if array.dtype.kind == spec.dtype[0]:
            array = array.astype(spec.dtype)
        found[key] = (
            np.zeros([0 if isinstance(n, str) else n for n in spec.shape], spec.dtype) if value == [] else array
        )
    schemas.check(f"the {kind}", kind, found, **sizes)
    return {key: array.item() if array.ndim == 0 else array for key, array in found.items()}


def load_network(build: Callable[[], nn.Module], state: dict[str, Tensor]) -> nn.Module:
    """Build a network, load its state, and return it in evaluation mode.

    Raises a UserError if the state is not that of such a network (`check_state`). That is found out before memory is
    taken, by building the network without storage first.
    """
    with torch.device("meta"), _Uninitialised():
        expected = build().state_dict()
    check_state(expected, state)
    network = build()
    network.load_state_dict(state)
    return network.eval()


class _Uninitialised(TorchFunctionMode):
    """Gives weights no values: for tensors without storage, torch would import its compiler, which takes a second."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        """Call the function, unless it is of `torch.nn.init`."""
        draws = getattr(function, "__module__", None) == nn.init.__name__  # methods in C have none
        return None if draws else function(*args, **(kwargs or {}))


def check_state(expected: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    """Raise a UserError if a state has not the expected tensors: names, shapes, kinds of dtype, and finite values."""
    if not isinstance(state, dict) or state.keys() != expected.keys():
        names = sorted(map(str, set(state) ^ set(expected))) if isinstance(state, dict) else [type(state).__name__]
        raise UserError(f"the network has not the expected tensors: {', '.join(names)[:80]}")
    for name, tensor in expected.items():
        found = state[name]
        if not isinstance(found, Tensor) or found.shape != tensor.shape:
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise UserError(f"{name} is {shape}, expected {tuple(tensor.shape)}")
        if found.is_floating_point() != tensor.is_floating_point() or found.is_complex():
            raise UserError(f"{name} is {found.dtype}, expected {tensor.dtype}")
        largest = LARGEST_WEIGHT if found.ndim else float("inf")  # single numbers count steps
        good = found.detach().abs() <= largest if found.is_floating_point() else found >= 0  # False for NaN
        if not good.all():
            raise UserError(f"{name} contains numbers that are not finite, too large, or negative counts")


def load_optimiser(optimiser: torch.optim.Optimizer, state: dict) -> None:
    """Load the state of an Adam or AdamW; raise a UserError if it is another optimiser's, or not one at all."""
    expected = optimiser.state_dict()["param_groups"]
    groups, moments = (state.get(key) if isinstance(state, dict) else None for key in ("param_groups", "state"))
    alike = isinstance(groups, list) and isinstance(moments, dict) and len(groups) == len(expected)
    if not alike or not all(_is_alike(*pair) for pair in zip(expected, groups, strict=True)):
        raise UserError("the optimiser has other groups of parameters, or other settings")
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for index, values in moments.items():
        if type(index) is not int or not 0 <= index < len(parameters):
            raise UserError(f"the optimiser has values of an unknown parameter {str(index)[:20]!r}")
        shapes = {"step": (), "exp_avg": parameters[index].shape, "exp_avg_sq": parameters[index].shape}
        check_state({key: torch.empty(shape, device="meta") for key, shape in shapes.items()}, values)
        if not (values["step"] >= 0 and (values["exp_avg_sq"] >= 0).all()):
            raise UserError("the optimiser has negative counts or squares")
    optimiser.load_state_dict(state)


def _is_alike(ours: dict, theirs: object) -> bool:
    """Tell whether a group of an optimiser has the settings of ours; the trainers change learning rate and betas."""
    if not isinstance(theirs, dict) or ours.keys() != theirs.keys():
        return False
    changing, betas = ("lr", "betas"), theirs.get("betas", (0.0, 0.0))
    same = all(type(ours[key]) is type(theirs[key]) and ours[key] == theirs[key] for key in ours.keys() - {*changing})
    rates = [theirs["lr"], *betas] if isinstance(betas, (tuple, list)) and len(betas) == 2 else [None]
    return same and all(type(rate) is float and 0 <= rate < 1e3 for rate in rates)
