"""Clips with the same song go to one side."""

import subprocess

import numpy as np
import pytest

from learn2dance.data import fingerprint, splits
from learn2dance.media import audio, ffmpeg
from learn2dance.music import spectrogram


def mel(samples):
    """Compute the part of a music file that fingerprints need."""
    samples = samples * (0.1 / np.sqrt(np.mean(np.square(samples))))
    power = np.concatenate(list(spectrogram.spectra(samples, 2048, 735, -(-len(samples) // 735))), axis=1)
    return {"mel": np.log1p(1000 * spectrogram.mel_filters(2048, 128) @ power).T}


def tune(seed, seconds=40):
    """Make a song: notes of random pitch and length, in four voices."""
    rng, times = np.random.default_rng(seed), np.arange(seconds * audio.SR) / audio.SR
    song = np.zeros(len(times))
    for _ in range(4):
        begin = np.cumsum(rng.choice([0.25, 0.5, 0.75, 1.0], 4 * seconds))
        note = np.minimum(np.searchsorted(begin, times, side="right"), len(begin) - 1)
        since = times - np.concatenate([[0], begin])[note]
        song += np.sin(2 * np.pi * 110 * 2 ** (rng.integers(0, 36, len(begin))[note] / 12) * since) * np.exp(-4 * since)
    return (song / 8).astype(np.float32)


def same_sounds(prints):
    """List the pairs of names with the same sound."""
    return [pair for pair in fingerprint.candidates(prints) if fingerprint.same(*map(prints.get, pair))]


def test_splits_share_no_song_and_are_near_a_tenth():
    songs = [[f"{n}a", f"{n}b"] for n in range(15)] + [[f"alone {n}"] for n in range(10)] + [["x", *map(str, range(9))]]
    parts = splits.deal("here", songs, "test", "val")
    assert [len(parts[name]) for name in ("test", "val")] == [5, 5] and len(parts["train"]) == 40
    for song in songs:
        assert sum(set(song) <= set(part) for part in parts.values()) == 1
    assert splits.deal("here", songs[::-1], "test", "val") == parts


def test_too_few_songs_are_said(caplog):
    splits.log.propagate = True
    parts = splits.deal("here", [["a", "b", "c", "d"]], "test", "val")
    assert sorted(sum(parts.values(), [])) == ["a", "b", "c", "d"]
    assert "too few songs (1), so clips with the same song are on both sides" in caplog.text
    assert splits.deal("here", [["a"], ["b"]], "test", "val") == dict.fromkeys(("train", "test", "val"), ["a", "b"])


def test_aists_names_tell_the_song():
    clips = [
        "gBR_sBM_cAll_d04_mBR0_ch01",
        "gBR_sFM_c01_d05_mBR0_ch07",
        "gBR_sBM_cAll_d04_mBR1_ch01",
        "AV_gPO_mPO1_ch02",
    ]
    assert splits.by_song(clips) == [clips[3:], [clips[0], clips[1]], [clips[2]]]


@pytest.mark.parametrize(
    "change", ["-b:a 48k x.mp3", "-af volume=-14dB x.flac", "-ss 3.21 -t 25 x.wav", "-ar 16000 x.ogg"]
)
def test_the_same_sound_is_recognised_in_another_file(tmp_path, change):
    import soundfile

    soundfile.write(tmp_path / "song.wav", tune(0), audio.SR)
    *options, name = change.split()
    command = [ffmpeg.reader(), "-v", "error", "-i", str(tmp_path / "song.wav"), *options, str(tmp_path / name)]
    subprocess.run(command, check=True)
    prints = {name: fingerprint.fingerprint(mel(tune(seed))) for seed, name in enumerate("abcd")}
    assert same_sounds(prints) == []
    prints["e"] = fingerprint.fingerprint(mel(audio.load(tmp_path / name)))
    assert same_sounds(prints) == [("a", "e")]


def test_of_many_sounds_few_are_compared_but_all_copies_are_found():
    """Copies are pieces of 15 s with noise, which correlate by 0.8 with the sound that they are from."""
    rng = np.random.default_rng(0)
    prints = {f"{number:03}": rng.normal(size=(600, fingerprint.BANDS)) for number in range(100)}
    copies = [(f"{number:03}", f"copy of {number:03}") for number in range(0, 100, 20)]
    for one, copy in copies:
        prints[copy] = prints[one][41:191] + 0.75 * rng.normal(size=(150, fingerprint.BANDS))
    assert set(copies) <= set(fingerprint.candidates(prints)) and same_sounds(prints) == copies
    assert len(list(fingerprint.candidates(prints))) < 500  # of 5,460 pairs


def test_real_songs_differ(shared):
    files = sorted((shared / "ballroom" / "audio").glob("W_2*.ogg"))[:6]
    prints = {file.stem: fingerprint.fingerprint(mel(audio.load(file))) for file in files}
    assert same_sounds(prints) == []
    prints["again"] = fingerprint.fingerprint(mel(audio.load(files[0])[100_000:]))
    assert same_sounds(prints) == [(files[0].stem, "again")]


def test_a_root_deals_its_splits_by_its_sound(root, caplog):
    import shutil

    from learn2dance.data import data_root

    data_root.log.propagate = True
    caplog.set_level("INFO", "learn2dance")
    shutil.rmtree(root / "splits")
    clips = data_root.open_root(root).have("poses", "music")
    for kind in ("poses", "music"):
        shutil.copy(root / kind / f"{clips[0]}.npz", root / kind / "copy.npz")
    opened = data_root.open_root(root)
    parts = [opened.split(name, [*clips, "copy"]) for name in ("train", "val", "test")]
    assert sorted(sum(parts, [])) == sorted([*clips, "copy"])
    assert sum({"copy", clips[0]} <= set(part) for part in parts) == 1
    assert "clips with the same song are on one side" in caplog.text
