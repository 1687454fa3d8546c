"""What a checkpoint says is checked before it is used."""

import io
import subprocess
import sys
import zipfile
from copy import deepcopy
from dataclasses import dataclass

import pytest
import torch
from conftest import ROOT
from torch import nn

from learn2dance.data import checkpoint
from learn2dance.errors import UserError


@dataclass(frozen=True)
class Shape:
    """A configuration with a field of each type."""

    width: int
    layers: int = 1
    names: tuple[str, ...] = ()
    dropout: float = 0.5
    music: bool = True


GOOD = {"width": 3, "layers": 2, "names": ("a",), "dropout": 0.1, "music": False}


@pytest.mark.parametrize(
    "changed",
    [{"width": 0}, {"width": 3.0}, {"width": True}, {"width": 2**62}, {"layers": 10**5}, {"names": (1,)},
     {"names": "a"}, {"dropout": float("nan")}, {"dropout": 1}, {"music": 1}, {"more": 1}],
)  # fmt: skip
def test_a_configuration_has_the_types_of_its_fields(changed):
    assert checkpoint.config(Shape, GOOD) == Shape(3, 2, ("a",), 0.1, False)
    with pytest.raises(UserError, match="configuration"):
        checkpoint.config(Shape, GOOD | changed)
    for values in ({}, [], GOOD | {"names": None}):
        with pytest.raises(UserError, match="configuration"):
            checkpoint.config(Shape, values)


def test_a_network_larger_than_its_state_is_refused_before_it_takes_memory():
    state, built = nn.Linear(3, 2).state_dict(), []

    def build(width=3):
        built.append(nn.Linear(width, 2))
        return built[-1]

    assert torch.equal(checkpoint.load_network(build, state).weight, state["weight"])
    built.clear()
    with pytest.raises(UserError, match=r"weight is \(2, 3\), expected \(2, 4294967296\)"):
        checkpoint.load_network(lambda: build(2**32), state)  # 32 GiB
    assert [layer.weight.device.type for layer in built] == ["meta"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [({"weight": torch.full((2, 3), torch.nan)}, "not finite"), ({"weight": torch.full((2, 3), 1e30)}, "too large"),
     ({"weight": torch.zeros(2, 3, dtype=torch.int64)}, "is torch.int64"), ({"weight": 1.0}, "weight is float"),
     ({"more": torch.zeros(1)}, "expected tensors: more"), ({"bias": torch.zeros(3)}, r"bias is \(3,\)")],
)  # fmt: skip
def test_a_state_that_is_not_the_networks(changed, says):
    with pytest.raises(UserError, match=says):
        checkpoint.load_network(lambda: nn.Linear(3, 2), nn.Linear(3, 2).state_dict() | changed)


@pytest.mark.parametrize("tensor", [torch.zeros(1).expand(2**40), torch.eye(3).to_sparse()])
def test_a_tensor_that_claims_more_than_the_file_holds(tmp_path, tensor):
    checkpoint.save(tmp_path / "a.pt", "pose_gan", tensor=[{"deep": tensor}])
    with pytest.raises(UserError, match="a.pt: not a checkpoint"):
        checkpoint.load(tmp_path / "a.pt", "pose_gan")


def test_a_compressed_checkpoint_is_not_unpacked(tmp_path):
    checkpoint.save(tmp_path / "a.pt", "pose_gan", tensor=torch.zeros(1 << 20))
    packed = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "a.pt") as good, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in good.namelist():
            bomb.writestr(name, good.read(name))
    (tmp_path / "b.pt").write_bytes(packed.getvalue())
    assert len(packed.getvalue()) < 1 << 16
    with pytest.raises(UserError, match="b.pt: not a checkpoint"):
        checkpoint.load(tmp_path / "b.pt", "pose_gan")


def trained(rate=0.1):
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(network.parameters(), rate, betas=(0.9, 0.98))
    network(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    return network, optimiser


def test_an_optimiser_goes_on_from_its_state():
    network, optimiser = trained()
    copy = nn.Linear(3, 2)
    copy.load_state_dict(network.state_dict())
    other = torch.optim.AdamW(copy.parameters(), 0.1, betas=(0.9, 0.98))
    checkpoint.load_optimiser(other, deepcopy(optimiser.state_dict()))
    for net, opt in ((network, optimiser), (copy, other)):
        net.zero_grad()
        net(torch.ones(1, 3)).square().sum().backward()
        opt.step()
    assert torch.equal(network.weight, copy.weight)


def _without(state):
    del state["state"][0]["exp_avg"]


@pytest.mark.parametrize(
    "damage",
    [_without, lambda s: s.pop("state"), lambda s: s["param_groups"].append({}), lambda s: s["state"].update({7: {}}),
     lambda s: s["state"][1].update(exp_avg=torch.zeros(7)), lambda s: s["state"][1].update(step=torch.tensor(-1.0)),
     lambda s: s["param_groups"][0].update(lr="fast"), lambda s: s["param_groups"][0].update(weight_decay=9.0)],
)  # fmt: skip
def test_what_is_not_the_state_of_an_optimiser(damage):
    _, optimiser = trained()
    state = optimiser.state_dict()
    damage(state)
    with pytest.raises(UserError, match="the optimiser|tensors|exp_avg"):
        checkpoint.load_optimiser(trained()[1], state)


def test_loading_does_not_import_the_compiler_of_torch():
    """Its import takes a second: a third of a dance to a song."""
    code = "import sys; from pathlib import Path; from learn2dance import generation\n"
    code += "for name in 'music2pose', 'seq_gan': generation.load(Path(f'weights/{name}.pt'))\n"
    code += "sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=120).returncode == 0
