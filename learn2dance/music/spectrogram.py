"""Spectrograms of songs of any length."""

from collections.abc import Iterator

import numpy as np

from learn2dance.music.librosa_loader import load_librosa


def spectra(y: np.ndarray, n_fft: int, hop: int, frames: int, block: int = 4096) -> Iterator[np.ndarray]:
    """Yield the power spectrogram in blocks of shape (1 + n_fft/2, up to ``block``), to limit memory for long songs.

    Frame t is centred at sample t x hop; the song is padded with silence at both ends.
    """
    librosa = load_librosa()
    padded = np.pad(y, (n_fft // 2, n_fft // 2 + hop))
    for start in range(0, frames, block):
        piece = padded[start * hop : (min(start + block, frames) - 1) * hop + n_fft]
        yield np.square(np.abs(librosa.stft(piece, n_fft=n_fft, hop_length=hop, center=False)))
