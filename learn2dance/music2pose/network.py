"""The network that predicts a dance's next motion tokens."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from learn2dance.music.beat_grid import BAR_POSITIONS


@dataclass(frozen=True)
class Config:
    """Hyperparameters of a network: all that is needed to build it."""

    levels: int
    codes: int
    motion_size: int  # components of ``motion_pca``, for a window or a token
    styles: tuple[str, ...]
    width: int = 64
    dropout: float = 0.4


class Dropout(nn.Dropout):
    """Dropout by uniform random numbers: on a CPU, torch's own takes more than twice as long to draw what is kept."""

    def forward(self, values: Tensor) -> Tensor:
        """Return the values (…), in training with a fraction ``p`` of them set to 0 and the others scaled up."""
        if not self.training or not self.p:
            return values
        kept = torch.rand(values.shape, device=values.device) >= self.p
        return values * (kept / (1 - self.p if self.p < 1 else 1)).to(values.dtype)


class TokenPredictor(nn.Module):
    """Predicts the L whole-body tokens of the window at a beat from the window before it, the bar and the style.

    Levels are predicted in order: each from the state and the sum of the vectors of the tokens before it (after Lee et
    al., RQ-Transformer, CVPR 2022, with one hidden layer per level instead of its depth transformer). The network does
    not see earlier windows, nor other features of the music: they did not lower the loss on unseen songs (LOG.md).
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = c = config
        # A token's vector is its projected centroid and is not trained, so similar tokens have similar vectors.
        self.register_buffer("code_vectors", torch.zeros(c.levels, c.codes, c.motion_size))
        self.motion = nn.Linear(c.motion_size, c.width)
        self.no_motion = nn.Parameter(torch.zeros(c.width))  # replaces a window that is missing or invalid
        self.bar = nn.Embedding(BAR_POSITIONS, c.width)
        self.style = nn.Embedding(len(c.styles) + 1, c.width)  # 0: unknown
        self.mlp = nn.Sequential(
            nn.LayerNorm(c.width),
            nn.Linear(c.width, 4 * c.width),
            nn.GELU(),
            Dropout(c.dropout),
            nn.Linear(4 * c.width, c.width),
            Dropout(c.dropout),
        )
        self.norm = nn.LayerNorm(c.width)
        self.partial = nn.ModuleList(nn.Linear(c.motion_size, c.width) for _ in range(c.levels))
        self.hidden = nn.ModuleList(nn.Linear(c.width, c.width) for _ in range(c.levels))
        self.classify = nn.ModuleList(nn.Linear(c.width, c.codes) for _ in range(c.levels))
        self.dropout = Dropout(c.dropout)

    def states(self, before: Tensor, known: Tensor, bar: Tensor, style: Tensor) -> Tensor:
        """Return the states (N, width) from which tokens are predicted; for the arguments see `forward`."""
        motion = torch.where(known[:, None], self.motion(before), self.no_motion)
        x = self.dropout(motion + self.bar(bar) + self.style(style))
        return self.norm(x + self.mlp(x))

    def level_logits(self, states: Tensor, chosen: Tensor) -> Tensor:
        """Return the logits (…, K) of the next level, given the tokens (…, l) of the levels before it."""
        level = chosen.shape[-1]
        vectors = self.code_vectors[torch.arange(level, device=chosen.device), chosen].sum(-2)
        hidden = self.hidden[level](states) + self.partial[level](vectors)
        return self.classify[level](self.dropout(functional.gelu(hidden)))

    def forward(self, tokens: Tensor, before: Tensor, known: Tensor, bar: Tensor, style: Tensor) -> Tensor:
        """Return the logits (N, L, K) of the tokens (N, L), int64, of N windows, each given the levels before it.

        ``before`` (N, motion_size) is the motion of the window one beat earlier, projected by ``motion_pca``, and
        ``known`` (N,), bool, tells whether it is known. ``bar`` (N,), int64, is the position in the bar of the window's
        first beat (`beat_grid.bar_positions`), ``style`` (N,), int64, the index into the styles plus one; 0 if unknown.
        """
        states = self.states(before, known, bar, style)
        return torch.stack([self.level_logits(states, tokens[:, :level]) for level in range(self.config.levels)], 1)


def loss(network: TokenPredictor, tokens: Tensor, *given: Tensor) -> Tensor:
    """Return the mean cross-entropy (nats per token) of each level (L,); for the arguments see `forward`."""
    logits = network(tokens, *given)  # (N, L, K)
    # As rows: over a dimension that is not the last one, the softmax takes five times as long on a CPU.
    losses = functional.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none")
    return losses.view_as(tokens).mean(0)
