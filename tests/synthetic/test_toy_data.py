"""The toy data: bodies that keep their lengths, dances on the beat, and files that are what they claim to be."""

import json
import signal
import subprocess
import sys
import tarfile
import time
import wave

import numpy as np
import pytest
from conftest import ROOT

from learn2dance.data import data_root, npz
from learn2dance.errors import UserError
from learn2dance.motion.skeleton import BODY_25, bones
from learn2dance.synthetic import body as synthetic_body
from learn2dance.synthetic import camera as synthetic_camera
from learn2dance.synthetic import music, toy_data
from learn2dance.synthetic.dance import cast
from learn2dance.synthetic.figures import STYLES
from learn2dance.synthetic.motion import dance, ease
from learn2dance.synthetic.style import ARMS, STANDING

CLIPS, SECONDS = 12, 8.0
FPS = 30


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("toy") / "data"
    toy_data.make(path, CLIPS, SECONDS, seed=3, jobs=2)
    return path


@pytest.fixture(scope="module")
def dances():
    """For each style the song, the dancer and the dance of a few seeds, 20 s each."""
    result = []
    for kind, style in STYLES.items():
        for seed in range(8):
            rng = np.random.default_rng(seed)
            song = music.plan(kind, style.beats_per_bar, style.tempo, 20.0, rng)
            dancer, times = cast(rng), np.arange(20 * FPS) / FPS
            danced = dance(style, song.energies, dancer, times, song.downbeat, song.beat, rng)
            result.append((kind, song, dancer, times, danced))
    return result


def tree(path):
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def people(path, clip):
    """Read a clip's frames, by the standard library alone."""
    if (path / "keypoints" / clip).is_dir():
        texts = [file.read_bytes() for file in sorted((path / "keypoints" / clip).iterdir())]
    else:
        with tarfile.open(path / "keypoints" / f"{clip}.tar.gz") as archive:
            texts = [archive.extractfile(entry).read() for entry in archive]
    frames = [json.loads(text)["people"] for text in texts]
    return [[np.reshape(person["pose_keypoints_2d"], (25, 3)) for person in frame] for frame in frames]


def part(joints, name):
    return joints[:, BODY_25.index(name)]


# --- the body


def body_at_rest(arms=((0, 0, 0, 0), (0, 0, 0, 0)), pitch=0.0):
    body = synthetic_body.grow(np.random.default_rng(0))
    feet = np.zeros((1, 2, 5))
    feet[0, :, 0], feet[0, :, 2], feet[0, :, 4] = (body.hip, -body.hip), body.foot, pitch
    root = np.array([[0.0, 0.9 * body.leg + body.ankle, 0.0]])
    still = np.zeros((1, 3)), np.zeros((1, 2)), np.array([arms], float)
    return body, synthetic_body.joints(body, root, np.eye(3)[None], *still, feet)[0]


def test_arms_point_where_their_angles_say():
    level = np.pi / 2
    body, joints = body_at_rest(arms=((level, level, 0, 0), (0, level, 0, level)))
    at = dict(zip(BODY_25, joints, strict=True))
    arm = body.upper_arm + body.forearm
    np.testing.assert_allclose(at["LWrist"] - at["LShoulder"], [arm, 0, 0], atol=1e-12)  # straight out to the left
    np.testing.assert_allclose(at["RElbow"] - at["RShoulder"], [0, 0, body.upper_arm], atol=1e-12)  # forward
    np.testing.assert_allclose(at["RWrist"] - at["RElbow"], [0, body.forearm, 0], atol=1e-12)  # and up


def test_legs_bend_by_the_law_of_cosines():
    body, joints = body_at_rest()
    at = dict(zip(BODY_25, joints, strict=True))
    hip, knee, ankle = at["LHip"], at["LKnee"], at["LAnkle"]
    cosine = (body.thigh**2 + body.shin**2 - (0.9 * body.leg) ** 2) / (2 * body.thigh * body.shin)
    found = (hip - knee) @ (ankle - knee) / (body.thigh * body.shin)
    assert found == pytest.approx(cosine)
    assert knee[2] > max(hip[2], ankle[2])  # forward


def test_a_foot_tips_about_its_toes():
    flat, tipped = (dict(zip(BODY_25, body_at_rest(pitch=p)[1], strict=True)) for p in (0.0, np.pi / 6))
    np.testing.assert_allclose(tipped["LBigToe"], flat["LBigToe"], atol=1e-12)
    length = flat["LBigToe"][2] - flat["LHeel"][2]
    assert tipped["LHeel"][1] - flat["LHeel"][1] == pytest.approx(length * np.sin(np.pi / 6))


def test_a_minimum_jerk_step_is_the_published_polynomial():
    u = np.array([-1.0, 0.0, 0.25, 0.5, 1.0, 2.0])
    path = ease(u, np.array([-5.0, 1.0]), np.array([[0.0], [2.0]]), 1.0)[:, 0]
    np.testing.assert_allclose(path, [0, 0, 2 * 0.103515625, 1, 2, 2])  # 10 u^3 - 15 u^4 + 6 u^5


# --- the dance


def test_limbs_keep_their_lengths(dances):
    for _, _, dancer, _, danced in dances:
        for a, b in bones(25):
            lengths = np.linalg.norm(danced["joints"][:, a] - danced["joints"][:, b], axis=-1)
            assert np.ptp(lengths) < 1e-9
        shin = np.linalg.norm(part(danced["joints"], "LKnee") - part(danced["joints"], "LAnkle"), axis=-1)
        assert shin == pytest.approx(dancer.body.shin)


def test_feet_that_carry_weight_stand_still(dances):
    for _, _, _, _, danced in dances:
        for foot, side in enumerate("LR"):
            toes = (part(danced["joints"], f"{side}BigToe") + part(danced["joints"], f"{side}SmallToe")) / 2
            carries = danced["weight"][:, foot] > 1e-9
            moved = np.linalg.norm(np.diff(toes, axis=0), axis=-1)
            assert moved[carries[1:] & carries[:-1]].max() < 1e-9
            assert moved.max() > 0.03  # it does step
            assert 0.25 < carries.mean() < 0.85  # the weight goes from foot to foot
        assert danced["weight"].sum(1) == pytest.approx(1)
        assert danced["joints"][..., 1].min() > 0  # nothing under the floor


def test_knees_and_elbows_bend_one_way(dances):
    for _, _, _, _, danced in dances:
        left = part(danced["joints"], "LHip") - part(danced["joints"], "RHip")
        for side in "LR":
            hip, knee, ankle = (part(danced["joints"], side + name) for name in ("Hip", "Knee", "Ankle"))
            assert (np.cross(knee - hip, ankle - knee) * left).sum(-1).min() > 0
            shoulder, elbow, wrist = (part(danced["joints"], side + name) for name in ("Shoulder", "Elbow", "Wrist"))
            upper, lower = elbow - shoulder, wrist - elbow
            cosine = (upper * lower).sum(-1) / np.linalg.norm(upper, axis=-1) / np.linalg.norm(lower, axis=-1)
            assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 150


def test_nobody_moves_faster_than_people_do(dances):
    for _, _, _, _, danced in dances:
        speed = np.linalg.norm(np.diff(danced["joints"], axis=0), axis=-1) * FPS
        assert speed.max() < 14  # m/s: of a hand; of the hips it is a run
        assert speed[:, BODY_25.index("MidHip")].max() < 3.5
        force = np.linalg.norm(np.diff(danced["joints"][:, BODY_25.index("MidHip")], n=2, axis=0), axis=-1) * FPS**2
        assert force.max() < 60  # m/s^2: no jump from frame to frame


def explained(signal_, phase, bins=16):
    """Return the share of a signal's variance that its mean over each part of a cycle explains."""
    signal_ = signal_ - signal_.mean()
    where = (phase % 1 * bins).astype(int)
    means = np.array([signal_[where == b].mean() for b in range(bins)])
    return (means[where] ** 2).sum() / (signal_**2).sum()


def test_the_dance_is_locked_to_beat_and_bar(dances):
    own, other = {"beat": [], "bar": []}, {"beat": [], "bar": []}
    for _, song, _, times, danced in dances:
        speed = np.linalg.norm(np.gradient(danced["joints"], 1 / FPS, axis=0), axis=-1).mean(1)
        for stretch, found in ((1.0, own), (0.87, other), (1.15, other)):
            beats = (times - song.downbeat) / (song.beat * stretch)
            found["beat"].append(explained(speed, beats))
            found["bar"].append(explained(speed, beats / song.beats_per_bar))
    for cycle in ("beat", "bar"):
        assert np.mean(own[cycle]) > 4 * np.mean(other[cycle]), cycle
        assert min(own[cycle]) > np.median(other[cycle]), cycle
    assert np.mean(own["bar"]) > 0.4


def test_each_style_has_its_pulse(dances):
    hips = {1.0: [], 0.87: []}
    for kind, song, _, times, danced in dances:
        beats = (times - song.downbeat) / song.beat
        height = part(danced["joints"], "MidHip")[:, 1]
        if kind == "waltz":  # rises and falls with the bar
            assert explained(height, beats / 3) > 0.5
        elif kind == "disco":  # bounces on each beat
            spectrum = np.abs(np.fft.rfft((height - height.mean()) * np.hanning(len(height)), 8 * len(height)))
            per_beat = np.fft.rfftfreq(8 * len(height), times[1]) * song.beat
            assert per_beat[spectrum.argmax()] == pytest.approx(1, abs=0.03)
            assert height[np.abs(beats % 1 - 0.5) > 0.4].mean() < height[np.abs(beats % 1 - 0.5) < 0.1].mean() - 0.02
        else:  # one hip is up, then the other, in a pattern of two bars
            roll = part(danced["joints"], "LHip")[:, 1] - part(danced["joints"], "RHip")[:, 1]
            for stretch, found in hips.items():
                found.append(explained(roll, beats / stretch / 8, bins=64))
    assert np.mean(hips[1.0]) > 0.5 and np.mean(hips[1.0]) > 3 * np.mean(hips[0.87])


def test_styles_differ_and_so_do_dancers(dances):
    turned, level = {}, {}
    for kind, _, _, _, danced in dances:
        shoulders = part(danced["joints"], "LShoulder") - part(danced["joints"], "RShoulder")
        turned.setdefault(kind, []).append((shoulders[:, 0] < 0).mean())  # their back to the audience
        hips = part(danced["joints"], "LHip") - part(danced["joints"], "RHip")
        level.setdefault(kind, []).append(np.abs(hips[:, 1]).mean())
    assert np.mean(level["chacha"]) > 1.4 * np.mean(level["disco"]) > 1.4 * np.mean(level["waltz"])
    assert np.mean(turned["waltz"]) > np.mean(turned["disco"])
    heights = [dancer.body.height for kind, _, dancer, *_ in dances if kind == "waltz"]
    assert len(set(heights)) == len(heights)


def test_the_repertoire_is_whole():
    for style in [*STYLES.values(), STANDING]:
        for _, bars, after in style.figures.values():
            assert len(bars) > 1 and set(bars) <= set(style.bars) and set(after) <= set(style.figures)
        for bar in style.bars.values():
            assert {name for _, *names in bar.arms for name in names} <= set(ARMS)
            assert all(0 <= step[0] < style.beats_per_bar for step in bar.steps)
    assert all(len(style.figures) >= 5 for style in STYLES.values())
    assert {style.beats_per_bar for style in STYLES.values()} == {3, 4}
    low, high = zip(*(style.tempo for style in STYLES.values()), strict=True)
    assert min(low) > 80 and max(high) < 140  # twice or half of any such tempo lies outside 70-160
    assert all(a < b for a, b in zip(sorted(high)[:-1], sorted(low)[1:], strict=True))  # ranges apart


# --- the music


def test_the_band_plays_on_the_beat(data):
    for clip in sorted(path.stem for path in (data / "audio").iterdir()):
        truth = npz.load(data / "truth" / f"{clip}.npz", "truth")
        with wave.open(str(data / "audio" / f"{clip}.wav")) as file:
            assert file.getparams()[:4] == (1, 2, 22050, round(SECONDS * 22050))
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
        assert 0.5 < np.abs(sound).max() <= 1
        energy = np.square(sound[: len(sound) // 220 * 220]).reshape(-1, 220).sum(1)  # 10 ms
        rise = np.maximum(np.diff(np.log(energy + 1e-3), prepend=np.log(energy[0] + 1e-3)), 0)
        beat = np.diff(truth["beats"]).mean()

        def near(times, rise=rise):
            at = (times[(times > 0.05) & (times < SECONDS - 0.1)] / 220 * 22050).astype(int)
            return np.array([rise[k - 1 : k + 4].max() for k in at])

        on, off = near(truth["beats"]), near(truth["beats"] + 0.27 * beat)
        assert on.mean() > 3 * off.mean()
        assert near(truth["beats"] + 0.27 * beat).mean() < on.min() + off.std()
        opens = np.arange(len(truth["beats"])) % truth["beats_per_bar"] == truth["downbeat"]
        loud = np.array([energy[int(t / 220 * 22050) :][:12].sum() for t in truth["beats"][1:-1]])
        assert loud[opens[1:-1]].mean() > 1.2 * loud[~opens[1:-1]].mean()  # the downbeat is accented
        assert truth["downbeat"] < truth["beats_per_bar"]


def test_chords_change_with_the_bar():
    rng = np.random.default_rng(1)
    song = music.plan("waltz", 3, (90, 90), 20.0, rng)
    sound = music.play(song, 20.0, rng).astype(float)
    bars = song.downbeat + 3 * song.beat * np.arange(8)

    def pitches(start):  # pitch classes in a window of one beat
        part_ = sound[int(start * 22050) :][: int(song.beat * 22050)]
        power, hertz = np.abs(np.fft.rfft(part_ * np.hanning(len(part_)))) ** 2, np.fft.rfftfreq(len(part_), 1 / 22050)
        keep = (hertz > 120) & (hertz < 1000)
        classes = np.round(12 * np.log2(hertz[keep] / 440)).astype(int) % 12
        chroma = np.bincount(classes, power[keep], 12)
        return chroma / np.linalg.norm(chroma)

    within = [pitches(bar + song.beat) @ pitches(bar + 2 * song.beat) for bar in bars]
    across = [pitches(bar + 2 * song.beat) @ pitches(bar + 3 * song.beat) for bar in bars]
    assert np.mean(within) > np.mean(across) + 0.2


# --- camera and detector


def test_the_camera_is_a_pinhole():
    camera = synthetic_camera.Camera(distance=5.0, azimuth=0.0, height=0.95, focal=1000.0)
    points = np.array([[[0, 0.95, 0], [1, 0.95, 0], [0, 1.95, 0], [1, 0.95, -5], [0, 0, 1]]], float)
    expected = [[640, 360], [840, 360], [640, 160], [740, 360], [640, 360 + 950 / 4]]
    np.testing.assert_allclose(synthetic_camera.view(camera, points)[0], expected)


def test_faults_come_at_their_rates():
    still = np.random.default_rng(0).uniform((500, 200), (700, 600), (25, 2))
    height = np.ptp(still[:, 1])
    found = synthetic_camera.detect(np.tile(still, (8000, 1, 1)), np.random.default_rng(1))
    seen = found[..., 2] > 0
    assert (found[~seen] == 0).all()
    assert 1 - seen.mean() == pytest.approx(0.01, rel=0.15)
    starts = (~seen[1:] & seen[:-1]).sum()
    assert (~seen).sum() / starts == pytest.approx(3.0, rel=0.15)  # frames on end
    error = np.linalg.norm(found[..., :2] - still, axis=-1)[seen] / height
    confidence = found[..., 2][seen]
    wild = error > 0.06
    assert wild.mean() == pytest.approx(0.001, rel=0.3)
    assert error[~wild].mean() == pytest.approx(0.005, rel=0.03)
    assert np.corrcoef(error[~wild], confidence[~wild])[0, 1] < -0.35
    assert confidence[wild].max() <= 0.6 < np.median(confidence[~wild]) < 0.9


def test_spells_have_their_share_and_length():
    mask = synthetic_camera.spells(200_000, 0.05, 4.0, np.random.default_rng(0))
    assert mask.mean() == pytest.approx(0.05, rel=0.1)
    assert mask.sum() / (mask[1:] & ~mask[:-1]).sum() == pytest.approx(4.0, rel=0.1)


# --- the files


def test_what_is_written_is_openpose(data):
    counts, errors, first = [], [], []
    for clip, fps in data_root.open_root(data).fps.items():
        truth = npz.load(data / "truth" / f"{clip}.npz", "truth")
        assert truth["fps"] == fps and len(truth["poses"]) == round(SECONDS * fps)
        frames = people(data, clip)
        assert len(frames) == len(truth["poses"])
        counts.append([len(frame) for frame in frames])
        height = np.median(np.ptp(truth["poses"][..., 1], axis=1))
        for frame, pose in zip(frames, truth["poses"], strict=True):
            off = [np.median(np.linalg.norm(p[:, :2] - pose, axis=-1)) / height for p in frame]
            if off and min(off) < 0.03:
                errors.append(min(off))
            if len(frame) == 2:
                first.append(int(np.argmin(off)))
        assert (truth["poses"] > 0).all() and (truth["poses"] < (1280, 720)).all()  # the dancer stays in the picture
        assert 250 < height < 460
    assert 0.002 < np.mean([n == 0 for clip in counts for n in clip]) < 0.02  # nobody
    crowded = [clip for clip in counts if max(clip) == 2]
    assert len(crowded) == CLIPS // 4  # a bystander
    assert 0.6 < np.mean([n == 2 for clip in crowded for n in clip]) < 1.0
    assert 0.4 < np.mean(first) < 0.6  # at a random place
    assert len(errors) > 0.9 * sum(len(clip) for clip in counts)  # the dancer is among those found
    sample = people(data, "waltz_01")[5][0]
    assert (np.round(sample, 3) == sample).all()


def test_openpose_keys_and_names(data):
    folder = data / "keypoints" / "waltz_01"
    files = sorted(file.name for file in folder.iterdir())
    assert files[0] == "waltz_01_000000000000_keypoints.json" and len(files) == SECONDS * 25
    content = json.loads((folder / files[0]).read_text())
    assert content["version"] == 1.3
    assert {"person_id", "pose_keypoints_2d", "face_keypoints_2d", "pose_keypoints_3d"} <= set(content["people"][0])
    with tarfile.open(data / "keypoints" / "disco_01.tar.gz") as archive:
        entry = archive.next()
    assert entry.name == "disco_01/disco_01_000000000000_keypoints.json" and entry.mtime == 0


def test_the_root_is_whole(data):
    root = data_root.open_root(data)
    clips = set(root.keypoints)
    assert len(clips) == CLIPS and clips == set(root.audio) == set(root.styles) == set(root.fps)
    assert set(root.fps.values()) == {25.0, 30.0}
    assert sum(path.name.endswith(".tar.gz") for path in root.keypoints.values()) == CLIPS // 3
    splits = [root.split(name, sorted(clips)) for name in ("train", "val", "test")]
    assert sorted(sum(splits, [])) == sorted(clips)  # disjoint and complete
    for split in splits:
        assert {root.styles[clip] for clip in split} == set(STYLES)


def test_same_seed_same_bytes(tmp_path):
    for name, seed, jobs in (("a", 5, 1), ("b", 5, 2), ("c", 6, 2)):
        toy_data.make(tmp_path / name, 9, 4.0, seed=seed, jobs=jobs)
    one, two, three = (tree(tmp_path / name) for name in "abc")
    assert one == two
    assert set(one) == set(three)
    same = {name for name in one if one[name] == three[name]}
    assert all(name.endswith((".csv", ".txt")) for name in same)


def test_only_what_is_missing_or_stale_is_made(tmp_path):
    assert len(toy_data.make(tmp_path, 9, 4.0)) == 9
    before = tree(tmp_path)
    assert toy_data.make(tmp_path, 9, 4.0) == []
    (tmp_path / "audio" / "disco_02.wav").unlink()
    assert toy_data.make(tmp_path, 9, 4.0) == ["disco_02"]
    assert tree(tmp_path) == before
    assert len(toy_data.make(tmp_path, 10, 4.0)) == 1  # the others stay as they are
    assert len(toy_data.make(tmp_path, 10, 5.0)) == 10
    assert len(people(tmp_path, "waltz_01")) == 5 * 25
    assert not [path for path in tmp_path.rglob(".*")]


@pytest.mark.parametrize("index", [0, 2])  # a folder, an archive
def test_a_failing_disk_leaves_nothing_half_written(tmp_path, monkeypatch, index):
    from learn2dance.synthetic import files as synthetic_files

    def full(*_, frames=synthetic_files._frames):
        for number, file in enumerate(frames(*_)):
            if number == 7:
                raise OSError(28, "No space left on device")
            yield file

    monkeypatch.setattr(synthetic_files, "_frames", full)
    name = f"{list(STYLES)[index]}_01"
    job = (tmp_path, index, name, {"seed": 0, "seconds": 4.0}, {})
    with pytest.raises(OSError, match="No space"):
        toy_data._make_clip(job)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not list(tmp_path.glob("keypoints/*"))
    monkeypatch.undo()
    toy_data._make_clip(job)
    assert len(people(tmp_path, name)) == 100


# --- the command


def run(run_stage, *arguments):
    return run_stage("-m", "learn2dance.synthetic", *arguments)


def test_the_command_makes_a_root_and_says_what_is_next(run_stage, tmp_path):
    done = run(run_stage, tmp_path / "toy", "--clips", 9, "--seconds", 4, "--jobs", 2)
    assert done.returncode == 0 and done.stderr == ""
    assert "9 clips of 4 s made" in done.stdout and done.stdout.splitlines()[-1].startswith("next: python parse.py")
    again = run(run_stage, tmp_path / "toy", "--clips", 9, "--seconds", 4, "--quiet")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--clips", 8], "--clips 8"),
        (["--seconds", 1], "--seconds 1"),
        (["--seed", -1], "argument --seed"),
    ],
)
def test_bad_arguments_end_in_one_line(run_stage, tmp_path, arguments, named):
    done = run(run_stage, tmp_path / "toy", *arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and named in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "toy").exists()


def test_arguments_that_are_no_numbers_are_refused(tmp_path, capsys):
    for arguments in (["--clips", "many"], ["--seconds", "nan"], ["--clips", "0"], ["--jobs", "0"], ["--claps", "3"]):
        with pytest.raises(SystemExit) as ended:
            toy_data.main([str(tmp_path / "toy"), *arguments])
        assert ended.value.code == 2
        assert arguments[0] in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "toy").exists()


def test_a_file_in_the_way_is_named(run_stage, tmp_path):
    (tmp_path / "toy").write_text("mine")
    done = run(run_stage, tmp_path / "toy", "--clips", 9, "--seconds", 4)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and str(tmp_path / "toy") in done.stderr
    assert (tmp_path / "toy").read_text() == "mine"
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "keypoints").write_text("mine")
    done = run(run_stage, tmp_path / "root", "--clips", 9, "--seconds", 4, "--jobs", 1)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "keypoints" in done.stderr


@pytest.mark.parametrize("mine", ["keypoints/C_2/C_2_0_keypoints.json", "audio/song.mp3", "videos/a.mp4", "clips.csv"])
def test_other_data_is_never_mixed_up_with_toy_data(tmp_path, mine):
    (tmp_path / mine).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / mine).write_text("clip,style,fps\nC_2,cha-cha,25\n")
    before = tree(tmp_path)
    with pytest.raises(UserError, match="not one of the 9 toy clips"):
        toy_data.make(tmp_path, 9, 4.0)
    assert tree(tmp_path) == before


def test_ctrl_c_leaves_whole_clips(tmp_path):
    command = [sys.executable, "-m", "learn2dance.synthetic", tmp_path, "--clips", "90", "--jobs", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if list((tmp_path / "truth").glob("[!.]*")):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in stderr and len(stderr.splitlines()) == 1
    assert not [path for path in tmp_path.rglob(".*")]
    made = sorted(path.stem for path in (tmp_path / "truth").iterdir())
    assert 0 < len(made) < 90
    for clip in made:
        assert len(people(tmp_path, clip)) == len(npz.load(tmp_path / "truth" / f"{clip}.npz", "truth")["poses"])
