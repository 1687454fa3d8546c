"""What train.py and Model.ipynb share: reading a data root, judging by the val split, and where training stands."""

import copy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from learn2dance import networks, songs, store
from learn2dance.clustering import load_codebook
from learn2dance.dancer import Dancer, save_dancer
from learn2dance.dataroot import DataRoot
from learn2dance.networks import Config
from learn2dance.songs import Song
from learn2dance.stage import Fault, log
from learn2dance.tokens import Codebook

STEPS_PER_BEAT = 4
MOTION_SIZE = 64  # numbers that a code's vector keeps of its motion


@dataclass(frozen=True)
class Data:
    """The clips of a data root to learn from and to judge by, as `songs.load` returns them, and their codebook."""

    train: dict[str, dict]
    val: dict[str, dict]
    styles: tuple[str, ...]
    codebook: Codebook
    parents: dict[str, str]


@dataclass
class State:
    """Where training stands, beside the network's and the optimiser's own state."""

    rng: np.random.Generator
    step: int = 0
    best: float = float("inf")
    best_step: int = 0
    best_network: dict[str, Tensor] = field(default_factory=dict)
    waited: int = 0  # looks at the val split since the best

    def note(self, loss: float, network: nn.Module) -> bool:
        """Take note of a loss on the val split, and of the network if it is the best so far; return whether it is."""
        self.waited += 1
        if loss >= self.best:
            return False
        self.best, self.best_step, self.waited = loss, self.step, 0
        self.best_network = copy.deepcopy({key: value.cpu() for key, value in network.state_dict().items()})
        return True


def generator(seed: int) -> np.random.Generator:
    """Return the generator that draws the training sequences."""
    return np.random.Generator(np.random.PCG64(seed))


def read(root: DataRoot) -> Data:
    """Read a data root's songs and codes.

    Raises
    ------
    Fault
        If a stage before has not run, or ran on something else since.
    """
    path = root.path / "clusters.npz"
    codebook = load_codebook(path)
    clips = root.have("music", "labels")
    digest = store.digest(path)
    split = {name: songs.load(root, root.split(name, clips), STEPS_PER_BEAT) for name in ("train", "val")}
    for clip, labels in {**split["train"], **split["val"]}.items():
        if labels["meta"]["parents"].get("clusters") != digest:
            raise Fault(f"{root.file('labels', clip)}: written in another codebook than {path}; run Clustering.ipynb")
    for name, loaded in split.items():
        split[name] = {clip: labels for clip, labels in loaded.items() if labels["known"].any()}
        if not split[name]:
            raise Fault(
                f"{root.path}: no song of the {name} split has a window of whole poses; are the clips long enough?"
            )
    styles = tuple(sorted({labels["style"] for labels in split["train"].values()} - {None}))
    files = [root.file(kind, clip) for kind in ("music", "labels") for loaded in split.values() for clip in loaded]
    return Data(split["train"], split["val"], styles, codebook, {"clusters": digest, "songs": store.digest(*files)})


def new_dancer(data: Data, knobs) -> Dancer:
    """Build an untrained dancer for these data, of the shape that train.py's arguments ask for."""
    normaliser = songs.fit_normaliser([clip["features"] for clip in data.train.values()])
    levels, codes, _ = data.codebook.centroids.shape
    vectors = code_vectors(data.codebook)
    config = Config(
        model=knobs.model,
        levels=levels,
        codes=codes,
        motion_size=vectors.shape[-1],
        music_size=len(normaliser.mean),
        styles=data.styles,
        steps_per_beat=STEPS_PER_BEAT,
        width=knobs.width,
        layers=knobs.layers,
        context=knobs.context,
        dropout=knobs.dropout,
    )
    network = networks.build(config)
    if knobs.model == "transformer":
        network.code_vectors.copy_(vectors)
    return Dancer(network, config, normaliser, data.codebook, data.parents["clusters"])


def code_vectors(codebook: Codebook, size: int = MOTION_SIZE) -> Tensor:
    """Project the centroids on their principal components, scaled so that a whole token's numbers are about one.

    Returns
    -------
    Tensor [shape=(L, K, size), dtype=float32]
    """
    flat = codebook.centroids.reshape(-1, codebook.centroids.shape[-1])
    size = min(size, *flat.shape)
    components = PCA(size, svd_solver="randomized", random_state=0).fit(flat).components_
    vectors = codebook.centroids @ components.T
    return torch.from_numpy(vectors / vectors[0].std()).float()


def loss(network: nn.Module, tokens: Tensor, known: Tensor, music: Tensor, bar: Tensor, style: Tensor) -> Tensor:
    """Return the mean negative log likelihood (nats a code) of each level (L,) over a batch's known windows."""
    return networks.loss(network(tokens, known, music, bar, style), tokens, known)


def step(network: nn.Module, optimiser: torch.optim.Optimizer, batch: list[Tensor], rate: float) -> tuple:
    """Take one gradient step at this learning rate.

    Returns
    -------
    losses : Tensor [shape=(L,)]
        As `loss` returns them, before the step.
    norm : Tensor [shape=()]
        Of the gradient, before it was clipped to one.
    """
    for group in optimiser.param_groups:
        group["lr"] = rate
    network.train()
    losses = loss(network, *batch)
    optimiser.zero_grad()
    losses.mean().backward()
    norm = nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return losses.detach(), norm


def optimiser(network: nn.Module, rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """Return AdamW over the network's weights; biases and norms are not decayed."""
    decayed = [p for p in network.parameters() if p.ndim >= 2]
    kept = [p for p in network.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


def history(folder: Path) -> dict[str, np.ndarray]:
    """Read the TensorBoard scalars of a run: for each name an array (looks, 2) of step and value."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        name: np.array([(scalar.step, scalar.value) for scalar in events.Scalars(name)])
        for name in events.Tags()["scalars"]
    }


@torch.no_grad()
def judge(network: nn.Module, judged: list[Song], config: Config) -> np.ndarray:
    """Return the loss (L,) over whole songs, each window counting the same."""
    network.eval()
    device = next(network.parameters()).device
    total, count = np.zeros(config.levels), 0
    for song in judged:
        parts = songs.crop(song, 0, len(song.tokens), config)
        batch = [part[None].to(device) for part in parts] + [torch.tensor([song.style], device=device)]
        windows = int(song.known.sum())
        total += loss(network, *batch).double().cpu().numpy() * windows
        count += windows
    return total / count


def save_best(path: Path, dancer: Dancer, state: State, knobs: dict, parents: dict[str, str]) -> None:
    """Save the dancer with its best network so far."""
    more = {"step": state.best_step, "loss": state.best, "arguments": knobs, "parents": parents}
    save_dancer(path, dancer, **more)


def save_state(path: Path, knobs: dict, parents: dict, network: nn.Module, optimiser, state: State, done: bool = False):
    """Save all that `resume` needs to go on as if nothing had happened."""
    store.save_checkpoint(
        path,
        "music2pose training",
        arguments=knobs,
        parents=parents,
        network=network.state_dict(),
        optimiser=optimiser.state_dict(),
        torch_rng=torch.get_rng_state(),
        cuda_rng=torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        rng=state.rng.bit_generator.state,
        **{key: getattr(state, key) for key in ("step", "best", "best_step", "best_network", "waited")},
        done=done,
    )


def resume(path: Path, knobs: dict, parents: dict[str, str], network: nn.Module, optimiser, state: State) -> None:
    """Put network, optimiser and state where `save_state` saw them.

    Raises
    ------
    Fault
        If that run had other arguments or other data.
    """
    saved = store.load_checkpoint(path, "music2pose training")
    changed = [
        f"--{key} was {saved['arguments'].get(key)}" for key in knobs if saved["arguments"].get(key) != knobs[key]
    ]
    if saved["parents"] != parents:
        changed.append("the songs or the codebook were others")
    if changed:
        raise Fault(f"{path}: cannot go on, {'; '.join(changed)}; give the same again, or start anew without --resume")
    network.load_state_dict(saved["network"])
    optimiser.load_state_dict(saved["optimiser"])
    torch.set_rng_state(saved["torch_rng"])
    if saved["cuda_rng"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(saved["cuda_rng"])
    state.rng.bit_generator.state = saved["rng"]
    for key in ("step", "best", "best_step", "best_network", "waited"):
        setattr(state, key, saved[key])


def fresh(out: Path, last: Path, knobs: dict, parents: dict[str, str]) -> bool:
    """Tell whether this model exists, whole, trained to its end by the same arguments on the same data."""
    if not out.exists() or not last.exists():
        return False
    try:
        best, state = store.load_checkpoint(out, "music2pose"), store.load_checkpoint(last, "music2pose training")
    except Fault as fault:
        log.warning("%s", fault)
        return False
    made = (knobs, parents)
    return state["done"] and (best["arguments"], best["parents"]) == made == (state["arguments"], state["parents"])
