"""Spectrograms of songs of any length."""

from collections.abc import Iterator

import numpy as np

from learn2dance.music.librosa_loader import load_librosa


def spectra(y: np.ndarray, n_fft: int, hop: int, frames: int, block: int = 4096) -> Iterator[np.ndarray]:
    """Yield the power spectrogram (1 + n_fft/2, up to block), block by block, so that long songs need no more memory.

    Frame t is centred at sample t x hop; before and after the song there is silence.
    """
    librosa = load_librosa()

    padded = np.pad(y, (n_fft // 2, n_fft // 2 + hop))
    for start in range(0, frames, block):
        piece = padded[start * hop : (min(start + block, frames) - 1) * hop + n_fft]
        yield np.square(np.abs(librosa.stft(piece, n_fft=n_fft, hop_length=hop, center=False)))
