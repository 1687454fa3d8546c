"""The two networks that predict motion tokens from music: a causal transformer, and the BiLSTM of the original.

Both have the same interface. For N sequences of B beats, they predict the L whole-body tokens of the window that starts
at each beat, from the motion before it and the music around it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from learn2dance.music.beat_grid import BAR_POSITIONS


@dataclass(frozen=True)
class Config:
    """Hyperparameters of a network: all that is needed to build it."""

    model: str  # "transformer" or "lstm"
    levels: int
    codes: int
    motion_size: int  # components of ``motion_pca``, for a window or a token
    music_size: int  # components of ``music_pca``, for each step of music
    styles: tuple[str, ...]
    steps_per_beat: int = 4
    width: int = 64
    layers: int = 1
    heads: int = 4
    context: int = 8  # beats of motion that the transformer attends to
    before: int = 2  # beats of music that are input before the window's start …
    after: int = 4  # … and from it on
    dropout: float = 0.4


def build(config: Config) -> nn.Module:
    """Build the network that the configuration describes."""
    return {"transformer": MotionTransformer, "lstm": MotionLSTM}[config.model](config)


class MotionTransformer(nn.Module):
    """A causal transformer over motion, with local attention to the music.

    In each block, a beat attends to the `context` windows before it, then to the steps of music from `before` beats
    before its window's start to `after` beats after it. Within a beat, levels are predicted in order: each from the
    beat's state and the sum of the vectors of the tokens chosen so far (after Lee et al., RQ-Transformer, CVPR 2022,
    with one hidden layer per level instead of its depth transformer).
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = c = config
        # A token's vector is its projected centroid and is not trained, so similar tokens have similar vectors.
        self.register_buffer("code_vectors", torch.zeros(c.levels, c.codes, c.motion_size))
        self.motion = nn.Linear(c.motion_size, c.width)
        self.no_motion = nn.Parameter(torch.zeros(c.width))  # replaces a window that is missing or invalid
        self.music = nn.Sequential(nn.Dropout(c.dropout), nn.Linear(c.music_size, c.width), nn.LayerNorm(c.width))
        self.music_place = nn.Parameter(0.02 * torch.randn((c.before + c.after) * c.steps_per_beat, c.width))
        self.bar = nn.Embedding(BAR_POSITIONS, c.width)
        self.style = nn.Embedding(len(c.styles) + 1, c.width)  # 0: unknown
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.norm = nn.LayerNorm(c.width)
        self.partial = nn.ModuleList(nn.Linear(c.motion_size, c.width) for _ in range(c.levels))
        self.hidden = nn.ModuleList(nn.Linear(c.width, c.width) for _ in range(c.levels))
        self.classify = nn.ModuleList(nn.Linear(c.width, c.codes) for _ in range(c.levels))
        self.dropout = nn.Dropout(c.dropout)

    def encode_music(self, music: Tensor, bar: Tensor, style: Tensor) -> tuple[Tensor, ...]:
        """Encode music, bar position and style: tensors (N, B, …), to be sliced by beat and passed to `states`."""
        c = self.config
        music = self.music(music)
        around = [block.encode_music(music, self.music_place, c.before + c.after) for block in self.blocks]
        return self.bar(bar) + self.style(style)[:, None], *around

    def states(self, encoded: tuple[Tensor, ...], before: Tensor, known: Tensor, past: list | None = None) -> Tensor:
        """Return the states (N, B, width) from which the tokens of these beats are predicted.

        ``encoded`` is the output of `encode_music` for these beats. ``before`` (N, B, motion_size) is the motion
        (projected by ``motion_pca``) of the window one beat earlier, and ``known`` (N, B) tells whether that window
        exists and is valid. ``past`` caches keys and values for step-by-step generation: it is empty at the first call,
        and updated in place.
        """
        place, *around = encoded
        x = self.dropout(torch.where(known[..., None], self.motion(before), self.no_motion) + place)
        if past is not None and not past:
            past.extend([] for _ in self.blocks)
        for i, block in enumerate(self.blocks):
            x = block(x, around[i], None if past is None else past[i])
        return self.norm(x)

    def vectors(self, tokens: Tensor) -> Tensor:
        """Sum the vectors of the tokens (…, l) of the first l levels: (…, motion_size)."""
        return self.code_vectors[torch.arange(tokens.shape[-1], device=tokens.device), tokens].sum(-2)

    def level_logits(self, state: Tensor, chosen: Tensor) -> Tensor:
        """Return the logits (…, K) of the next level, given the tokens (…, l) of the levels before it."""
        level = chosen.shape[-1]
        hidden = self.hidden[level](state) + self.partial[level](self.vectors(chosen))
        return self.classify[level](self.dropout(functional.gelu(hidden)))

    def forward(self, tokens: Tensor, motion: Tensor, known: Tensor, music: Tensor, bar: Tensor, style: Tensor):
        """Return the logits (N, B, L, K) of all tokens, given the true motion and tokens before each (teacher forcing).

        ``tokens`` (N, B, L), int64, are the whole-body tokens of the windows, ``motion`` (N, B, motion_size) their
        motion projected by ``motion_pca``, and ``known`` (N, B) tells which are valid. ``music`` (N, B + before + after
        - 1, S, D) holds projected features, S steps per beat, from `before` beats before the first window's start.
        ``bar`` (N, B), int64, is the position in the bar (`beat_grid.bar_positions`), ``style`` (N,), int64, the index
        into the styles plus one; 0 if unknown.
        """
        state = self.states(self.encode_music(music, bar, style), shift(motion), shift(known))
        return torch.stack([self.level_logits(state, tokens[..., :level]) for level in range(self.config.levels)], 2)


class Block(nn.Module):
    """Causal self-attention over beats, cross-attention to the music around each, and a two-layer perceptron."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = c = config
        self.norms = nn.ModuleList(nn.LayerNorm(c.width) for _ in range(3))
        self.qkv = nn.Linear(c.width, 3 * c.width)
        self.self_output = nn.Linear(c.width, c.width)
        self.distance = nn.Parameter(torch.zeros(c.heads, c.context))  # attention bias by distance in beats
        self.cross_query = nn.Linear(c.width, c.width)
        self.key_value = nn.Linear(c.width, 2 * c.width, bias=False)
        self.cross_output = nn.Linear(c.width, c.width)
        self.mlp = nn.Sequential(
            nn.Linear(c.width, 4 * c.width), nn.GELU(), nn.Dropout(c.dropout), nn.Linear(4 * c.width, c.width)
        )
        self.dropout = nn.Dropout(c.dropout)

    def forward(self, x: Tensor, around: Tensor, past: list[Tensor] | None) -> Tensor:
        """Map states (N, B, width) and the output of `encode_music` to new states.

        ``past``, if given, holds the keys and values of earlier beats, and is updated in place.
        """
        n, beats, width = x.shape
        heads = self.config.heads
        q, k, v = self.qkv(self.norms[0](x)).view(n, beats, 3, heads, -1).permute(2, 0, 3, 1, 4)  # (N, heads, B, dim)
        if past is not None:
            if past:
                k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
            past[:] = [k[:, :, 1 - self.config.context :], v[:, :, 1 - self.config.context :]]
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=self.mask(beats, k.shape[2]))
        x = x + self.dropout(self.self_output(mixed.transpose(1, 2).reshape(n, beats, width)))
        q = self.cross_query(self.norms[1](x)).view(n * beats, heads, 1, -1)
        k, v = around.view(n * beats, -1, 2, heads, width // heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.dropout(self.cross_output(mixed.reshape(n, beats, width)))
        return x + self.dropout(self.mlp(self.norms[2](x)))

    def encode_music(self, music: Tensor, place: Tensor, beats: int) -> Tensor:
        """Return the keys and values (N, B, M, 2 width) of the music (N, B + beats - 1, S, width) around each beat.

        M is ``beats`` times S. Positions ``place`` (M, width) are added after the linear map, so that each step is
        mapped once.
        """
        around = self.key_value(music).unfold(1, beats, 1)  # (N, B, S, 2 width, beats)
        return around.permute(0, 1, 4, 2, 3).flatten(2, 3) + self.key_value(place)

    def mask(self, queries: int, keys: int) -> Tensor:
        """Return the attention bias (heads, queries, keys) of the last beats to all: by distance, -inf if masked."""
        beat = torch.arange(keys, device=self.distance.device)
        back = beat[keys - queries :, None] - beat[None, :]
        seen = (back >= 0) & (back < self.config.context)
        return self.distance[:, back.clamp(0, self.config.context - 1)].masked_fill(~seen, -math.inf)


class MotionLSTM(nn.Module):
    """The original architecture: a BiLSTM over the song, the previous window as a vector, a two-layer classifier.

    As in learn2dance (A. Pekis et al.), but with an output for every beat instead of one per song, and with several
    levels of tokens, which are predicted independently.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = c = config
        self.music = nn.Linear(c.music_size, c.width)
        self.lstm = nn.LSTM(c.width, c.width, num_layers=2, batch_first=True, bidirectional=True, dropout=c.dropout)
        self.previous = nn.Linear(c.motion_size, c.width)
        self.classify = nn.Sequential(
            nn.Linear(3 * c.width, c.width), nn.ReLU(), nn.Dropout(c.dropout), nn.Linear(c.width, c.levels * c.codes)
        )

    def encode_music(self, music: Tensor, bar: Tensor, style: Tensor) -> tuple[Tensor, ...]:
        """As `MotionTransformer.encode_music`, but without bar position and style."""
        own = music[:, self.config.before : music.shape[1] - self.config.after + 1].mean(2)
        return (self.lstm(self.music(own))[0],)

    def states(self, encoded: tuple[Tensor, ...], before: Tensor, known: Tensor, past: list | None = None) -> Tensor:
        """As `MotionTransformer.states`, but of the motion uses only the previous window."""
        return torch.cat([encoded[0], self.previous(before) * known[..., None]], -1)

    def level_logits(self, state: Tensor, chosen: Tensor) -> Tensor:
        """As `MotionTransformer.level_logits`, but independent of the chosen tokens."""
        return self.classify(state).unflatten(-1, (self.config.levels, -1))[..., chosen.shape[-1], :]

    def forward(self, tokens: Tensor, motion: Tensor, known: Tensor, music: Tensor, bar: Tensor, style: Tensor):
        """As `MotionTransformer.forward`."""
        state = self.states(self.encode_music(music, bar, style), shift(motion), shift(known))
        return self.classify(state).unflatten(-1, (self.config.levels, -1))


def shift(x: Tensor) -> Tensor:
    """Shift (N, B, …) one beat later; the first beat gets zeros (invalid)."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)


def loss(logits: Tensor, tokens: Tensor, known: Tensor) -> Tensor:
    """Return the mean cross-entropy (nats) of each level (L,) over the valid windows, for logits (N, B, L, K)."""
    each = functional.cross_entropy(logits.movedim(-1, 1), tokens, reduction="none")  # (N, B, L)
    return (each * known[..., None]).sum((0, 1)) / known.sum().clamp(min=1)
