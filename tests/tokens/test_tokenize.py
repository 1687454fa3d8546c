import numpy as np
import pytest
from test_sync import PEAK, dance, phase_distance, song

from learn2dance.data import data_root, npz
from learn2dance.errors import UserError
from learn2dance.motion import windows
from learn2dance.tokens import tokenize
from learn2dance.tokens.tokenize import Settings

SMALL = Settings(levels=3, codes=16)


def cluster(path, settings=SMALL):
    return tokenize.tokenize(data_root.open_root(path), settings)


def content(path):
    return {p.name: p.read_bytes() for p in [path / "clusters.npz", *(path / "tokens").iterdir()]}


def test_only_stale_files_are_written_again(root):
    before = content(root)
    times = {p: p.stat().st_mtime_ns for p in (root / "tokens").iterdir()}
    found = cluster(root)
    assert content(root) == before and times == {p: p.stat().st_mtime_ns for p in (root / "tokens").iterdir()}
    assert len(found["clips"]) == 9
    (root / "tokens" / f"{found['clips'][0]}.npz").unlink()
    (root / "clusters.npz").unlink()
    cluster(root)
    assert content(root) == before  # the same input gives the same bytes
    cluster(root, Settings(levels=2, codes=16))
    assert npz.load(root / "clusters.npz", "clusters")["centroids"].shape[:2] == (2, 16)
    assert npz.load(root / "tokens" / f"{found['clips'][0]}.npz", "tokens")["tokens"].shape[1] == 2
    cluster(root, Settings(levels=2, codes=16, whole=1))
    assert npz.load(root / "tokens" / f"{found['clips'][0]}.npz", "tokens")["tokens"].shape[1] == 1 + 6


def test_the_codebook_does_not_depend_on_val_and_test(root):
    centroids = cluster(root)["codebook"].centroids
    for name in ("val", "test"):
        for clip in (root / "splits" / f"{name}.txt").read_text().split():
            arrays = npz.load(root / "poses" / f"{clip}.npz", "poses")
            arrays["poses"] *= np.linspace(1, 3, len(arrays["poses"]))[:, None, None]
            meta = arrays.pop("meta")
            npz.save(root / "poses" / f"{clip}.npz", "poses", "", {}, meta["parents"], **arrays)
    np.testing.assert_array_equal(cluster(root)["codebook"].centroids, centroids)


def test_tokens_are_the_encoded_windows(trained):
    root = data_root.open_root(trained)
    codebook, cut = cluster(trained)["codebook"], tokenize.clip_cutter(root)
    for clip in root.have("poses", "music", "tokens")[:3]:
        saved = npz.load(root.file("tokens", clip), "tokens")
        found = cut(clip)
        np.testing.assert_array_equal(saved["tokens"], codebook.encode(found["windows"]))
        np.testing.assert_array_equal(saved["mirrored"], codebook.encode(windows.mirror(found["windows"])))
        np.testing.assert_array_equal(saved["beats"], found["beats"])
        assert len(saved["tokens"]) > 5 and saved["tokens"].shape[1] == 2 + 6


def test_counts_are_of_valid_windows(trained):
    found = cluster(trained)
    root = data_root.open_root(trained)
    counts = tokenize.token_counts(root, found["clips"], found["codebook"])
    known = sum(npz.load(root.file("tokens", clip), "tokens")["known"].sum() for clip in found["clips"])
    assert counts.shape == (8, 16) and (counts.sum(1) == known).all()


def test_perplexity_of_even_and_uneven_use():
    np.testing.assert_allclose(tokenize.perplexity(np.array([[5, 5, 5, 5], [7, 0, 0, 0], [3, 3, 0, 0]])), [4, 1, 2])


def test_a_reconstructed_dance_is_near_the_real_one(trained):
    found = cluster(trained)
    real, decoded = tokenize.reconstruct(data_root.open_root(trained), found["clips"][0], found["codebook"])
    assert real.shape == decoded.shape
    error = np.mean((real - decoded) ** 2) / np.mean((real - real.mean(0)) ** 2)
    shifted = np.mean((np.roll(real, 7, 0) - decoded) ** 2) / np.mean((real - real.mean(0)) ** 2)
    assert error < 0.5 < shifted


def test_a_dance_is_reconstructed_though_its_first_and_last_beats_are_just_outside(root):
    data = data_root.open_root(root)
    clip, codebook = data.have("poses", "music", "tokens")[0], tokenize.load_codebook(root / "clusters.npz")
    poses, fps = data_root.normalised(data, clip)
    saved = npz.load(root / "tokens" / f"{clip}.npz", "tokens")
    saved.pop("meta")
    count = len(saved["tokens"]) + codebook.window_beats
    beats = np.linspace(-0.05, len(poses) / fps + 0.01, count)
    np.savez(root / "tokens" / f"{clip}.npz", **saved | {"beats": beats, "start": 0})
    real, decoded = tokenize.reconstruct(data, clip, codebook)
    np.testing.assert_array_equal(real, poses)
    assert decoded.shape == poses.shape


@pytest.mark.parametrize("first", [0.2, 1.3])
def test_bar_positions_are_those_of_the_music_also_before_its_first_beat(root, first):
    """The tracker may find beats only later; windows before are counted back from there."""
    data = data_root.open_root(root)
    clip = data.split("val", data.have("poses", "music"))[0]
    music = npz.load(root / "music" / f"{clip}.npz", "music")
    parents = music.pop("meta")["parents"]
    music |= {"beats": np.arange(first, 7.9, 0.5), "downbeat": 2, "beats_per_bar": 3}
    npz.save(root / "music" / f"{clip}.npz", "music", "", {}, parents, **music)
    cluster(root, Settings(levels=3, codes=16, align=False))
    tokens = npz.load(root / "tokens" / f"{clip}.npz", "tokens")
    begins = tokens["beats"][tokens["start"] :][: len(tokens["bar"])]
    assert begins[0] < 0.5 and len(tokens["bar"]) == len(tokens["tokens"])
    # The downbeat is the third tracked beat, and three beats later comes the next.
    np.testing.assert_array_equal(tokens["bar"], np.round((begins - first) / 0.5 - 2).astype(int) % 3)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(levels=0), "LEVELS is 0, expected an integer of at least 1"),
        (Settings(levels=1), "WHOLE is 2, more than the 1 LEVELS"),
        (Settings(whole=0), "WHOLE is 0, expected an integer of at least 1"),
        (Settings(seed=2**31), "SEED is 2147483648, expected a whole number below"),
        (Settings(codes="many"), "CODES is 'many'"),
    ],
)
def test_invalid_settings(root, settings, said):
    (root / "clusters.npz").unlink()
    with pytest.raises(UserError, match=said):
        cluster(root, settings)
    assert not (root / "clusters.npz").exists()


def test_a_cluster_that_cannot_be_used_is_refused_before_the_fit(root):
    before = content(root)
    with pytest.raises(UserError, match="dask scheduler"):  # no such scheduler, or dask is not installed
        tokenize.tokenize(data_root.open_root(root), Settings(levels=2, codes=16), dask="nonsense")
    assert content(root) == before


def test_poses_and_music_of_different_clips(root):
    clip = (root / "splits" / "train.txt").read_text().split()[0]
    arrays = npz.load(root / "poses" / f"{clip}.npz", "poses")
    meta = arrays.pop("meta")
    npz.save(root / "poses" / f"{clip}.npz", "poses", "", {}, meta["parents"], **arrays | {"fps": 5.0})
    with pytest.raises(UserError, match=f"{clip}: .* s of poses and 8.0 s of music; is the fps in clips.csv right"):
        cluster(root)


def test_poses_of_few_frames_a_second_are_not_synchronised(root, caplog):
    clip = (root / "splits" / "train.txt").read_text().split()[0]
    arrays = npz.load(root / "poses" / f"{clip}.npz", "poses")
    parents, fps = arrays.pop("meta")["parents"], arrays["fps"] / 3
    for key in ("poses", "confidence", "filled"):
        arrays[key] = arrays[key][::3]
    npz.save(root / "poses" / f"{clip}.npz", "poses", "", {}, parents, **arrays | {"fps": fps})
    tokenize.log.propagate = True
    cluster(root)
    assert f"{clip}: not re-synchronised with its music: {fps:g} fps is too low" in caplog.text


def test_new_clips_in_no_split_are_named(root, caplog):
    for kind in ("poses", "music"):
        file = sorted((root / kind).glob("*.npz"))[0]
        (root / kind / "new.npz").write_bytes(file.read_bytes())
    tokenize.log.propagate = True
    cluster(root)
    assert "new: in none of" in caplog.text


def record(root, clip, rate, shift, count=120):
    """Put a minute of a dance in place of a clip's, on a clock that is off; return when its beats are danced."""
    music_file, meta = npz.load(root / "music" / f"{clip}.npz", "music"), {}
    meta = music_file.pop("meta")["parents"]
    music = song(count=count) | {"duration": 60.0}
    npz.save(root / "music" / f"{clip}.npz", "music", "", {}, meta, **music_file | music)
    motion, beats = dance(music, rate, shift)
    motion += np.random.default_rng(0).normal(size=motion.shape) * 0.01  # as it is detected
    arrays = {"poses": (motion * [100, -100] + 500).astype(np.float32), "fps": 25.0}
    arrays |= {"confidence": np.ones(motion.shape[:2], np.float32), "filled": np.zeros(motion.shape[:2], bool)}
    npz.save(root / "poses" / f"{clip}.npz", "poses", "", {}, {}, **arrays)
    return beats


def test_dances_that_drift_are_aligned_with_their_beats(root):
    data = data_root.open_root(root)
    train = data.split("train", data.have("poses", "music"))
    # All on the beat but one, which is a little late and whose clock is slow: the many say what is usual.
    danced = {clip: record(root, clip, *((0.97, 0.2) if clip == train[0] else (1.0, 0.0))) for clip in train}
    still = data.split("val", data.have("poses", "music"))[0]
    plain = npz.load(root / "music" / f"{still}.npz", "music")["beats"]
    cluster(root)
    cut = tokenize.clip_cutter(data)
    for clip, beats in danced.items():
        found = cut(clip)
        heard = found["beats"][np.sum(found["beats"] < beats[0] - 0.25) :][: len(beats)]  # it is extended to both ends
        off = heard - beats  # seconds: up to 2, were nothing moved; the late one is a share of what is usual
        np.testing.assert_allclose(off, -0.2 / len(train), atol=0.02)
        np.testing.assert_array_equal(npz.load(data.file("tokens", clip), "tokens")["beats"], found["beats"])
    peaks = npz.load(root / "clusters.npz", "clusters")["peaks"]
    assert phase_distance(peaks[1], PEAK + 0.1 / len(train)) < 0.01  # 0.2 s of a bar of 2 s
    cluster(root, Settings(levels=3, codes=16, align=False))
    cut = tokenize.clip_cutter(data)
    for clip in danced:
        assert np.isin(song(count=120)["beats"], cut(clip)["beats"]).all()
    assert np.isin(plain, cut(still)["beats"]).all()
    clusters = npz.load(root / "clusters.npz", "clusters")
    assert clusters["rate"] == 1 and np.isnan(clusters["peaks"]).all()


def unsee(root, clips, joints):
    """Make joints of these clips unknown in all frames."""
    for clip in clips:
        found = npz.load(root.file("poses", clip), "poses")
        found["poses"][:, joints] = np.nan
        np.savez(root.file("poses", clip), **{key: value for key, value in found.items() if key != "meta"})


def test_a_joint_that_is_never_seen_is_the_cause_that_is_named(root, caplog):
    data_root.log.propagate = True
    data = data_root.open_root(root)
    train = data.split("train", data.have("poses", "music"))
    unsee(data, train[:1], [11])
    tokenize._check_bodies(data, train)
    assert f"{train[0]}: RAnkle never seen, so it is not trained on" in caplog.text
    unsee(data, train, slice(8, 15))
    with pytest.raises(
        UserError, match="MidHip, RHip, RKnee, RAnkle, LHip, LKnee, LAnkle never seen.*half bodies cannot"
    ):
        tokenize.tokenize(data, tokenize.Settings(levels=3, codes=16))
