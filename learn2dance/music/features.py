"""Music features at 30 frames a second (timbre, rhythm, harmony, loudness), and the beat grid.

The loudness of the song is normalised first, so that a quiet copy and a loud copy have the same features.
"""

import numpy as np

from learn2dance import cli, parallel
from learn2dance.cli import log
from learn2dance.data import npz
from learn2dance.data.clip_names import AUDIO
from learn2dance.data.data_root import DataRoot
from learn2dance.errors import UserError
from learn2dance.media import audio
from learn2dance.media.audio import SR
from learn2dance.music import beat_grid, beats, rhythm, spectrogram

HOP = 735  # samples between frames
FPS = SR / HOP  # 30 frames a second
VERSION = 4  # raised when the same song gives other numbers: files in music/ are then stale
LOUDNESS = 0.1  # root mean square (-20 dB of full scale) to which each song is normalised
QUIETEST = 1e-4  # root mean square (-80 dB) below which a song counts as silence and is not amplified
MEL_GAIN = 1000.0  # makes log1p logarithmic above a power of 1/1000 (60-70 dB below a song's peaks) and linear below

_N_FFT = 2048  # samples in a frame's window: 93 ms
_PER_FRAME = ("mel", "tempogram", "chroma", "onset", "rms")


def features(y: np.ndarray, name: str = "the song") -> dict:
    """Compute the content of a song's ``music`` file: its features and beat grid.

    Takes samples float32 (n,) at 22050 Hz, as `audio.load` returns them; warnings call the song ``name``. Returns the
    schema ``music``: arrays over T = ceil(30 n / 22050) frames, float32, frame t centred at t/30 s: ``mel`` (T, 128),
    log1p(`MEL_GAIN` x librosa's mel power), low bands first; ``tempogram`` (T, 384), log1p of the autocorrelation of
    the onset strength in windows of 12.8 s, by lag from 0; ``chroma`` (T, 12) from C; ``onset`` (T,), onset strength;
    ``rms`` (T,); ``beat_phase`` and ``bar_phase`` (T, 2). Also ``beats``, ``downbeat``, ``beats_per_bar``, ``tempo``,
    ``duration`` (seconds), ``fps``.
    """
    loudness = np.sqrt(np.mean(np.square(y, dtype=np.float64)))
    if loudness > QUIETEST:
        y = (y * (LOUDNESS / loudness)).astype(np.float32)
    frames = -(-len(y) // HOP)
    mel, chroma, rms = [], [], []
    for power in spectrogram.spectra(y, _N_FFT, HOP, frames):
        mel.append(spectrogram.mel_filters(_N_FFT, 128) @ power)
        chroma.append(_normalised(spectrogram.chroma_filters(_N_FFT) @ power))
        rms.append(_rms(power))
    mel = np.concatenate(mel, axis=1)
    onset = rhythm.onset_strength(mel, delay=_N_FFT // (2 * HOP))
    found = {
        "mel": np.log1p(MEL_GAIN * mel).T,
        "tempogram": np.log1p(rhythm.tempogram(onset, 384)),
        "chroma": np.concatenate(chroma, axis=1).T,
        "onset": onset,
        "rms": np.concatenate(rms),
    }
    found = {key: np.ascontiguousarray(value, np.float32) for key, value in found.items()}
    grid = beats.track(y, found["chroma"], name)
    return found | grid | beat_grid.phases(np.arange(frames) / FPS, grid) | {"duration": len(y) / SR, "fps": FPS}


def _normalised(chroma: np.ndarray) -> np.ndarray:
    """Divide each column of chroma (12, T) by its maximum, unless it is 0."""
    highest = chroma.max(axis=0).astype(np.float64)
    return (chroma / np.where(highest < np.finfo(np.float32).tiny, 1, highest)).astype(np.float32)


def _rms(power: np.ndarray) -> np.ndarray:
    """Return the root mean square (T,) of the samples of a power spectrogram (1 + n/2, T), by Parseval's theorem."""
    power = np.square(np.sqrt(power / 0.375))  # 0.375: mean square of the Hann window
    power[[0, -1]] *= 0.5  # all other bins stand for two of the complex spectrum
    return np.sqrt(2 * np.sum(power, axis=0) / _N_FFT**2)


def process(root: DataRoot, processes: int = 1, dask: str | None = None) -> list[str]:
    """Compute the features of every new or changed song in a data root's audio/, and write music/<clip>.npz.

    ``processes`` and ``dask`` are those of `parallel.run`.
    Returns the clips that have a file in music/ now, sorted. Raises a UserError if audio/ holds no song; or, after all
    others were written, if some songs could not be processed.
    """
    unusable = list(root.unusable["audio"].values())
    if not root.audio and not unusable:
        raise UserError(f"{root.path / 'audio'}: found no songs, expected audio/<clip>{', '.join(AUDIO)}")
    jobs = {clip: (root, clip) for clip in root.audio}
    results = parallel.run(_write, jobs, processes, dask, [root.path])
    results = dict(cli.progress(results, "music", len(jobs)))
    total, written = len(unusable) + len(jobs), sum(result is True for result in results.values())
    faults = unusable + [str(result) for result in results.values() if isinstance(result, UserError)]
    rest = total - written - len(faults)
    log.info("%d songs: %d written to %s, %d up to date", total, written, root.path / "music", rest)
    cli.raise_faults(faults, total, "songs left out")
    return sorted(results)


def _write(job: tuple[DataRoot, str]) -> bool:
    """Write one clip's file in music/; return False if it is up to date."""
    root, clip = job
    source, target = root.audio[clip], root.file("music", clip)
    arguments, parents = {"version": VERSION}, {"audio": npz.digest(source)}
    if npz.is_up_to_date(target, "music", arguments, parents):
        return False
    found = features(audio.load(source), str(source))
    npz.save(target, "music", "Process_Waves.ipynb", arguments, parents, **found)
    return True


def beat_features(music: dict, steps_per_beat: int) -> np.ndarray:
    """Resample the features to the beat grid: each step is their mean over an equal part of a beat.

    Features are interpolated linearly between frames, so a step may be shorter or longer than a frame. Returns float32
    (B-1, steps_per_beat, 526) for B beats; step s of beat b covers beats[b] + (s, s+1) / steps_per_beat x (beats[b+1] -
    beats[b]). The last axis is, in order: mel 128, tempogram 384, chroma 12, onset 1, rms 1.
    """
    frames = np.concatenate([music[key].reshape(len(music["rms"]), -1) for key in _PER_FRAME], axis=1)
    frames = np.concatenate([frames, frames[-1:]])  # repeat the last frame until the song's end
    grid, steps = music["beats"], np.arange((len(music["beats"]) - 1) * steps_per_beat + 1) / steps_per_beat
    edges = np.interp(steps, np.arange(len(grid)), grid) * music["fps"]  # in frames
    # Integral of the linear interpolation up to each edge: the sum of complete frames, then a part of the next.
    edges = np.clip(edges, 0, len(frames) - 1)
    before = np.minimum(edges.astype(int), len(frames) - 2)
    part = (edges - before)[:, None]
    slope = np.diff(frames, axis=0)
    total = np.zeros((len(frames), frames.shape[1]))
    np.cumsum((frames[1:] + frames[:-1]) / 2, axis=0, dtype=np.float64, out=total[1:])
    integral = total[before] + part * frames[before] + part**2 / 2 * slope[before]
    mean = np.diff(integral, axis=0) / np.maximum(np.diff(edges), 1e-9)[:, None]
    return mean.reshape(-1, steps_per_beat, frames.shape[1]).astype(np.float32)
