"""The two networks that choose motion tokens for music: a causal transformer, and the original's BiLSTM.

Both are called alike and answer alike: N sequences of B beats, in which beat b takes the L codes of the figure that
starts there (the codebook's whole-body levels), from the motion before it and the music around it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from learn2dance.music.beat_grid import BAR_POSITIONS


@dataclass(frozen=True)
class Config:
    """The shape of a network: all it takes to build it anew."""

    model: str  # "transformer" or "lstm"
    levels: int
    codes: int
    motion_size: int  # numbers in which a window of motion, or a code, is seen
    music_size: int  # numbers in a step of music
    styles: tuple[str, ...]
    steps_per_beat: int = 4
    width: int = 64
    layers: int = 1
    heads: int = 4
    context: int = 8  # beats that the transformer looks back
    before: int = 2  # beats of music that it hears before the window's first beat …
    after: int = 4  # … and from there on
    dropout: float = 0.4


def build(config: Config) -> nn.Module:
    """Build the network that the configuration describes."""
    return {"transformer": MotionTransformer, "lstm": MotionLSTM}[config.model](config)


class MotionTransformer(nn.Module):
    """A causal transformer over motion, with local attention to the music.

    In each block a beat attends to the `context` beats before it, then to the steps of music from `before` beats
    before its window to `after` beats after the window's start. Levels are predicted in order within the beat: each
    from the beat's state and the sum of the code vectors chosen so far (after Lee et al., RQ-Transformer, CVPR 2022,
    with one hidden layer a level in place of its depth transformer).
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = c = config
        # Codes enter as vectors of the motion they stand for, so that codes alike are alike from the start.
        self.register_buffer("code_vectors", torch.zeros(c.levels, c.codes, c.motion_size))
        self.motion = nn.Linear(c.motion_size, c.width)
        self.no_motion = nn.Parameter(torch.zeros(c.width))  # in place of a window before the first, or unknown
        self.music = nn.Sequential(nn.Dropout(c.dropout), nn.Linear(c.music_size, c.width), nn.LayerNorm(c.width))
        self.music_place = nn.Parameter(0.02 * torch.randn((c.before + c.after) * c.steps_per_beat, c.width))
        self.bar = nn.Embedding(BAR_POSITIONS, c.width)
        self.style = nn.Embedding(len(c.styles) + 1, c.width)  # 0: not known
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.norm = nn.LayerNorm(c.width)
        self.partial = nn.ModuleList(nn.Linear(c.motion_size, c.width) for _ in range(c.levels))
        self.hidden = nn.ModuleList(nn.Linear(c.width, c.width) for _ in range(c.levels))
        self.classify = nn.ModuleList(nn.Linear(c.width, c.codes) for _ in range(c.levels))
        self.dropout = nn.Dropout(c.dropout)

    def encode_music(self, music: Tensor, bar: Tensor, style: Tensor) -> tuple[Tensor, ...]:
        """Embed all that is known before the dance: tensors (N, B, …) to be sliced by beats and given to `states`."""
        c = self.config
        music = self.music(music)
        around = [block.encode_music(music, self.music_place, c.before + c.after) for block in self.blocks]
        return self.bar(bar) + self.style(style)[:, None], *around

    def states(self, heard: tuple[Tensor, ...], before: Tensor, known: Tensor, past: list | None = None) -> Tensor:
        """Return the states (N, B, width) from which the codes of these beats are chosen.

        Parameters
        ----------
        heard : tuple of Tensor
            What `encode_music` returned, for these beats.
        before : Tensor [shape=(N, B, motion_size)]
            The motion (`projection.Projection`) of the window one beat before each.
        known : Tensor [shape=(N, B), dtype=bool]
            Whether there was one.
        past : list, optional
            An empty list at first: filled with what later calls, for the beats that follow, need of these.
        """
        placed, *around = heard
        moved = torch.where(known[..., None], self.motion(before), self.no_motion)
        x = self.dropout(moved + placed)
        if past is not None and not past:
            past.extend([] for _ in self.blocks)
        for i, block in enumerate(self.blocks):
            x = block(x, around[i], None if past is None else past[i])
        return self.norm(x)

    def vectors(self, tokens: Tensor) -> Tensor:
        """Sum the vectors of codes (…, l) over their levels, of which there may be fewer than L: (…, motion_size)."""
        levels = tokens.shape[-1]
        return self.code_vectors[torch.arange(levels, device=tokens.device), tokens].sum(-2)

    def level_logits(self, state: Tensor, chosen: Tensor) -> Tensor:
        """Return the logits (…, K) of the next level, given the codes (…, l) of the levels before it."""
        level = chosen.shape[-1]
        hidden = self.hidden[level](state) + self.partial[level](self.vectors(chosen))
        return self.classify[level](self.dropout(functional.gelu(hidden)))

    def forward(self, tokens: Tensor, motion: Tensor, known: Tensor, music: Tensor, bar: Tensor, style: Tensor):
        """Return the logits of every code, given the true motion and codes before it.

        Parameters
        ----------
        tokens : Tensor [shape=(N, B, L), dtype=int64]
            The codes of the windows.
        motion : Tensor [shape=(N, B, motion_size)]
            Their motion.
        known : Tensor [shape=(N, B), dtype=bool]
            Which windows are known.
        music : Tensor [shape=(N, B + before + after - 1, S, D), dtype=float32]
            Projected music features, S steps a beat, of the beats around these too: `before` of them come first.
        bar : Tensor [shape=(N, B), dtype=int64]
            Position in the bar: see `bar_positions`.
        style : Tensor [shape=(N,), dtype=int64]
            Index into the styles plus one; 0 where not known.

        Returns
        -------
        Tensor [shape=(N, B, L, K)]
        """
        state = self.states(self.encode_music(music, bar, style), shift(motion), shift(known))
        return torch.stack([self.level_logits(state, tokens[..., :level]) for level in range(self.config.levels)], 2)


class Block(nn.Module):
    """Attention back over the beats, attention to the music around each, and a two-layer perceptron."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = c = config
        self.norms = nn.ModuleList(nn.LayerNorm(c.width) for _ in range(3))
        self.qkv = nn.Linear(c.width, 3 * c.width)
        self.self_output = nn.Linear(c.width, c.width)
        self.distance = nn.Parameter(torch.zeros(c.heads, c.context))  # how much a beat so far back counts
        self.cross_query = nn.Linear(c.width, c.width)
        self.key_value = nn.Linear(c.width, 2 * c.width, bias=False)
        self.cross_output = nn.Linear(c.width, c.width)
        self.mlp = nn.Sequential(
            nn.Linear(c.width, 4 * c.width), nn.GELU(), nn.Dropout(c.dropout), nn.Linear(4 * c.width, c.width)
        )
        self.dropout = nn.Dropout(c.dropout)

    def forward(self, x: Tensor, around: Tensor, past: list[Tensor] | None) -> Tensor:
        """Map states (N, B, width) and what `encode_music` returned to new states.

        ``past``, where given, holds the keys and values of the beats before, and is brought up to date.
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
        """Lay out the keys and values (N, B, M, 2 width) of the music (N, B + beats - 1, S, width) around each beat.

        Places (M, width) are added after the map, which is linear, so that each step is mapped once and not M times.
        """
        around = self.key_value(music).unfold(1, beats, 1)  # (N, B, S, 2 width, beats)
        return around.permute(0, 1, 4, 2, 3).flatten(2, 3) + self.key_value(place)

    def mask(self, queries: int, keys: int) -> Tensor:
        """Return what is added to the attention of the last beats to all: a weight by distance, -inf for unseen."""
        beat = torch.arange(keys, device=self.distance.device)
        back = beat[keys - queries :, None] - beat[None, :]
        seen = (back >= 0) & (back < self.config.context)
        return self.distance[:, back.clamp(0, self.config.context - 1)].masked_fill(~seen, -math.inf)


class MotionLSTM(nn.Module):
    """The original's architecture: a BiLSTM over the song, the window before as a vector, a two-layer classifier.

    As in learn2dance (A. Pekis et al.), with an output for every beat rather than one for the whole song, and codes
    in levels, which it predicts independently of each other.
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
        """As `MotionTransformer.encode_music`; hears the music alone, not bar and style."""
        own = music[:, self.config.before : music.shape[1] - self.config.after + 1].mean(2)
        return (self.lstm(self.music(own))[0],)

    def states(self, heard: tuple[Tensor, ...], before: Tensor, known: Tensor, past: list | None = None) -> Tensor:
        """As `MotionTransformer.states`; knows no more of the dance than the window before."""
        return torch.cat([heard[0], self.previous(before) * known[..., None]], -1)

    def level_logits(self, state: Tensor, chosen: Tensor) -> Tensor:
        """As `MotionTransformer.level_logits`, whatever was chosen."""
        return self.classify(state).unflatten(-1, (self.config.levels, -1))[..., chosen.shape[-1], :]

    def forward(self, tokens: Tensor, motion: Tensor, known: Tensor, music: Tensor, bar: Tensor, style: Tensor):
        """As `MotionTransformer.forward`."""
        state = self.states(self.encode_music(music, bar, style), shift(motion), shift(known))
        return self.classify(state).unflatten(-1, (self.config.levels, -1))


def shift(x: Tensor) -> Tensor:
    """Move (N, B, …) one beat later; the first beat gets zeros: not known."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)


def loss(logits: Tensor, tokens: Tensor, known: Tensor) -> Tensor:
    """Return the mean negative log likelihood (nats) of each level (L,), over the windows that are known.

    Parameters
    ----------
    logits : Tensor [shape=(N, B, L, K)]
    tokens : Tensor [shape=(N, B, L), dtype=int64]
    known : Tensor [shape=(N, B), dtype=bool]
    """
    each = functional.cross_entropy(logits.movedim(-1, 1), tokens, reduction="none")  # (N, B, L)
    return (each * known[..., None]).sum((0, 1)) / known.sum().clamp(min=1)
