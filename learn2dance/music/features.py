"""What is heard in a song, on one clock of 30 frames a second: timbre, rhythm, harmony, loudness, and the beat grid.

All of it is of the song brought to one loudness, so that a quiet copy of a song dances as a loud one does.
"""

import numpy as np

from learn2dance import cli, parallel
from learn2dance.cli import log
from learn2dance.data import npz
from learn2dance.data.data_root import DataRoot
from learn2dance.errors import UserError
from learn2dance.media import audio
from learn2dance.media.audio import SR
from learn2dance.music import beat_grid, beats, librosa_loader, spectrogram
from learn2dance.music.librosa_loader import load_librosa

HOP = 735  # samples between frames
FPS = SR / HOP  # 30
VERSION = 3  # raised when the same song would give other numbers: what is in music/ is then stale

LOUDNESS = 0.1  # root mean square (-20 dB of full scale) that each song is brought to
QUIETEST = 1e-4  # below this root mean square (-80 dB) a song is silence, and is not made louder

MEL_GAIN = 1000.0  # log1p is a logarithm above the power of 1/1000, 60-70 dB below a song's peaks, and linear below

_N_FFT = 2048  # samples in a frame's window: 93 ms
_PER_FRAME = ("mel", "tempogram", "chroma", "onset", "rms")


def features(y: np.ndarray, name: str = "the song") -> dict:
    """Hear a song: everything that a ``music`` file holds.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), dtype=float32]
        Samples at 22050 Hz, as `audio.load` returns them.
    name : str
        What a warning calls it.

    Returns
    -------
    dict
        The arrays of the schema ``music``, float32; frame t is centred at t/30 s, and there are ceil(30 n / 22050) of
        them. ``mel`` (T, 128) is log1p(`MEL_GAIN` x librosa's mel power), bands from low to high; ``tempogram``
        (T, 384) log1p of the onset strength's autocorrelation in windows of 12.8 s, lag by lag, lag 0 first;
        ``chroma`` (T, 12) from C; ``onset`` (T,) and ``rms`` (T,); ``beat_phase`` and ``bar_phase`` (T, 2). And
        ``beats``, ``downbeat``, ``beats_per_bar``, ``tempo``, ``duration``, ``fps``.
    """
    librosa = load_librosa()

    loudness = np.sqrt(np.mean(np.square(y, dtype=np.float64)))
    if loudness > QUIETEST:
        y = (y * (LOUDNESS / loudness)).astype(np.float32)
    frames = -(-len(y) // HOP)
    mel_basis = librosa.filters.mel(sr=SR, n_fft=_N_FFT, n_mels=128)
    chroma_basis = librosa.filters.chroma(sr=SR, n_fft=_N_FFT)
    mel, chroma, rms = [], [], []
    for power in spectrogram.spectra(y, _N_FFT, HOP, frames):
        mel.append(mel_basis @ power)
        chroma.append(librosa.util.normalize(chroma_basis @ power, axis=0))
        rms.append(librosa.feature.rms(S=np.sqrt(power / 0.375), frame_length=_N_FFT)[0])  # the Hann window's loss
    mel = np.concatenate(mel, axis=1)
    onset = librosa.onset.onset_strength(S=librosa.power_to_db(mel), sr=SR, hop_length=HOP)
    tempogram = librosa.feature.tempogram(onset_envelope=onset, sr=SR, hop_length=HOP, win_length=384)
    found = {
        "mel": np.log1p(MEL_GAIN * mel).T,
        "tempogram": np.log1p(tempogram).T,
        "chroma": np.concatenate(chroma, axis=1).T,
        "onset": onset,
        "rms": np.concatenate(rms),
    }
    found = {key: np.ascontiguousarray(value, np.float32) for key, value in found.items()}
    duration = len(y) / SR
    grid = beats.track(y, found["chroma"], name)
    return found | grid | beat_grid.phases(np.arange(frames) / FPS, grid) | {"duration": duration, "fps": FPS}


def process(root: DataRoot, processes: int = 1) -> list[str]:
    """Hear every song in a data root's audio/ that is new or has changed, and write music/<clip>.npz.

    Parameters
    ----------
    root : DataRoot
        As `data_root.open_root` returns it.
    processes : int
        How many to run at once.

    Returns
    -------
    list of str
        The clips that have music now, sorted.

    Raises
    ------
    UserError
        If audio/ holds no song; or, after all the others were written, if some songs could not be heard.
    """
    twice = list(root.twice["audio"].values())
    if not root.audio and not twice:
        raise UserError(f"{root.path / 'audio'}: no songs, expected audio/<clip>.wav, .flac, .ogg, .mp3, .m4a or .opus")
    librosa_loader.prepare()  # before the workers, which would wait for each other
    jobs = {clip: (root, clip) for clip in root.audio}
    results = dict(cli.progress(parallel.run(_hear, jobs, processes), "music", len(jobs)))
    total, written = len(twice) + len(jobs), sum(result is True for result in results.values())
    faults = twice + [str(result) for result in results.values() if isinstance(result, UserError)]
    there = total - written - len(faults)
    log.info("%d songs: %d written to %s, %d there already", total, written, root.path / "music", there)
    cli.raise_faults(faults, total, "songs left out")
    return sorted(results)


def _hear(job: tuple[DataRoot, str]) -> bool:
    """Write one clip's music; return False where it is up to date."""
    root, clip = job
    source, target = root.audio[clip], root.file("music", clip)
    arguments, parents = {"version": VERSION}, {"audio": npz.digest(source)}
    if npz.is_up_to_date(target, "music", arguments, parents):
        return False
    found = features(audio.load(source), str(source))
    npz.save(target, "music", "Process_Waves.ipynb", arguments, parents, **found)
    return True


def beat_features(music: dict, steps_per_beat: int) -> np.ndarray:
    """Lay the features on the beat grid: each step is their mean over its share of a beat.

    Between frames they are taken as linear, so a step may be shorter or longer than a frame.

    Parameters
    ----------
    music : dict
        A ``music`` file as `npz.load` or `motion_features` returns it, with B beats.
    steps_per_beat : int
        Equal steps that each beat is cut into.

    Returns
    -------
    np.ndarray [shape=(B-1, steps_per_beat, 526), dtype=float32]
        Step s of beat b covers beats[b] + (s, s+1) / steps_per_beat x (beats[b+1] - beats[b]). Its numbers are in this
        order: mel 128, tempogram 384, chroma 12, onset 1, rms 1.
    """
    frames = np.concatenate([music[key].reshape(len(music["rms"]), -1) for key in _PER_FRAME], axis=1)
    frames = np.concatenate([frames, frames[-1:]])  # the last one holds until the song's end
    grid, steps = music["beats"], np.arange((len(music["beats"]) - 1) * steps_per_beat + 1) / steps_per_beat
    edges = np.interp(steps, np.arange(len(grid)), grid) * music["fps"]  # in frames
    # The integral of the linear interpolation up to each edge: whole frames summed, then the part of the next.
    edges = np.clip(edges, 0, len(frames) - 1)
    whole = np.minimum(edges.astype(int), len(frames) - 2)
    part = (edges - whole)[:, None]
    slope = np.diff(frames, axis=0)
    total = np.zeros((len(frames), frames.shape[1]))
    np.cumsum((frames[1:] + frames[:-1]) / 2, axis=0, dtype=np.float64, out=total[1:])
    integral = total[whole] + part * frames[whole] + part**2 / 2 * slope[whole]
    mean = np.diff(integral, axis=0) / np.maximum(np.diff(edges), 1e-9)[:, None]
    return mean.reshape(-1, steps_per_beat, frames.shape[1]).astype(np.float32)
