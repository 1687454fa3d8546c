"""Toy dancers: bodies that keep their lengths, and dances on the beat."""

from typing import NamedTuple

import numpy as np
import pytest

from learn2dance.motion.skeleton import BODY_25, bones
from learn2dance.synthetic.body import joints, random_body
from learn2dance.synthetic.dance import Dancer, random_dancer
from learn2dance.synthetic.figures import ARMS, BYSTANDER, STYLES
from learn2dance.synthetic.motion import dance, ease
from learn2dance.synthetic.music import Song, random_song

FPS = 30


class Dance(NamedTuple):
    """A dance of 20 s, and what it was generated from."""

    song: Song
    dancer: Dancer
    beats: np.ndarray
    joints: np.ndarray
    weight: np.ndarray

    def part(self, name):
        """Return a joint (T, 3)."""
        return self.joints[:, BODY_25.index(name)]

    def across(self, name):
        """Return the vector (T, 3) from the right joint of this name to the left one."""
        return self.part(f"L{name}") - self.part(f"R{name}")


@pytest.fixture(scope="module")
def dances():
    """Return eight dances of each style."""
    result = []
    for style in STYLES.values():
        for seed in range(8):
            rng = np.random.default_rng(seed)
            song, dancer = random_song(style, 20.0, rng), random_dancer(rng)
            beats = (np.arange(20 * FPS) / FPS - song.downbeat) / song.beat
            result.append(Dance(song, dancer, beats, *dance(style, song.energies, dancer, beats, song.beat, rng)))
    return result


# --- the body


def body_at_rest(arms=((0, 0, 0, 0), (0, 0, 0, 0)), pitch=0.0):
    body = random_body(np.random.default_rng(0))
    feet = np.zeros((1, 2, 5))
    feet[0, :, 0], feet[0, :, 2], feet[0, :, 4] = (body.hip, -body.hip), body.foot, pitch
    root = np.array([[0.0, 0.9 * body.leg + body.ankle, 0.0]])
    still = np.zeros((1, 3)), np.zeros((1, 2)), np.array([arms], float)
    return body, dict(zip(BODY_25, joints(body, root, np.eye(3)[None], *still, feet)[0], strict=True))


def test_arms_point_where_their_angles_say():
    level = np.pi / 2
    body, at = body_at_rest(arms=((level, level, 0, 0), (0, level, 0, level)))
    arm = body.upper_arm + body.forearm
    np.testing.assert_allclose(at["LWrist"] - at["LShoulder"], [arm, 0, 0], atol=1e-12)  # straight out to the left
    np.testing.assert_allclose(at["RElbow"] - at["RShoulder"], [0, 0, body.upper_arm], atol=1e-12)  # forward
    np.testing.assert_allclose(at["RWrist"] - at["RElbow"], [0, body.forearm, 0], atol=1e-12)  # and up


def test_legs_bend_by_the_law_of_cosines():
    body, at = body_at_rest()
    hip, knee, ankle = at["LHip"], at["LKnee"], at["LAnkle"]
    cosine = (body.thigh**2 + body.shin**2 - (0.9 * body.leg) ** 2) / (2 * body.thigh * body.shin)
    assert (hip - knee) @ (ankle - knee) / (body.thigh * body.shin) == pytest.approx(cosine)
    assert knee[2] > max(hip[2], ankle[2])  # forward


def test_a_foot_tips_about_its_toes():
    flat, tipped = body_at_rest()[1], body_at_rest(pitch=np.pi / 6)[1]
    np.testing.assert_allclose(tipped["LBigToe"], flat["LBigToe"], atol=1e-12)
    length = flat["LBigToe"][2] - flat["LHeel"][2]
    assert tipped["LHeel"][1] - flat["LHeel"][1] == pytest.approx(length * np.sin(np.pi / 6))


def test_a_minimum_jerk_step_is_the_published_polynomial():
    u = np.array([-1.0, 0.0, 0.25, 0.5, 1.0, 2.0])
    path = ease(u, np.array([-5.0, 1.0]), np.array([[0.0], [2.0]]), 1.0)[:, 0]
    np.testing.assert_allclose(path, [0, 0, 2 * 0.103515625, 1, 2, 2])  # 10 u^3 - 15 u^4 + 6 u^5


# --- the dance


def test_limbs_keep_their_lengths(dances):
    for danced in dances:
        for a, b in bones(25):
            assert np.ptp(np.linalg.norm(danced.joints[:, a] - danced.joints[:, b], axis=-1)) < 1e-9
        shin = np.linalg.norm(danced.part("LKnee") - danced.part("LAnkle"), axis=-1)
        assert shin == pytest.approx(danced.dancer.body.shin)


def test_feet_that_carry_weight_do_not_move(dances):
    for danced in dances:
        for foot, side in enumerate("LR"):
            toes = (danced.part(f"{side}BigToe") + danced.part(f"{side}SmallToe")) / 2
            carries = danced.weight[:, foot] > 1e-9
            distance = np.linalg.norm(np.diff(toes, axis=0), axis=-1)
            assert distance[carries[1:] & carries[:-1]].max() < 1e-9
            assert distance.max() > 0.03  # it does step
            assert 0.25 < carries.mean() < 0.85  # the weight goes from foot to foot
        assert danced.weight.sum(1) == pytest.approx(1)
        assert danced.joints[..., 1].min() > 0  # nothing under the floor


def test_knees_and_elbows_bend_one_way(dances):
    for danced in dances:
        for side in "LR":
            hip, knee, ankle = (danced.part(side + name) for name in ("Hip", "Knee", "Ankle"))
            assert (np.cross(knee - hip, ankle - knee) * danced.across("Hip")).sum(-1).min() > 0
            shoulder, elbow, wrist = (danced.part(side + name) for name in ("Shoulder", "Elbow", "Wrist"))
            upper, lower = elbow - shoulder, wrist - elbow
            cosine = (upper * lower).sum(-1) / np.linalg.norm(upper, axis=-1) / np.linalg.norm(lower, axis=-1)
            assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 150


def test_speed_and_acceleration_are_human(dances):
    for danced in dances:
        speed = np.linalg.norm(np.diff(danced.joints, axis=0), axis=-1) * FPS
        assert speed.max() < 14  # m/s: of a hand; of the hips it is a run
        assert speed[:, BODY_25.index("MidHip")].max() < 3.5
        acceleration = np.linalg.norm(np.diff(danced.part("MidHip"), n=2, axis=0), axis=-1) * FPS**2
        assert acceleration.max() < 60  # m/s^2: no jump from frame to frame


def explained(signal, phase, bins=16):
    """Return the share of a signal's variance that its mean over each part of a cycle explains."""
    signal = signal - signal.mean()
    where = (phase % 1 * bins).astype(int)
    means = np.array([signal[where == b].mean() for b in range(bins)])
    return (means[where] ** 2).sum() / (signal**2).sum()


def test_the_dance_is_locked_to_beat_and_bar(dances):
    own, other = {"beat": [], "bar": []}, {"beat": [], "bar": []}
    for danced in dances:
        speed = np.linalg.norm(np.gradient(danced.joints, 1 / FPS, axis=0), axis=-1).mean(1)
        for stretch, found in ((1.0, own), (0.87, other), (1.15, other)):
            found["beat"].append(explained(speed, danced.beats / stretch))
            found["bar"].append(explained(speed, danced.beats / stretch / danced.song.style.beats_per_bar))
    for cycle in ("beat", "bar"):
        assert np.mean(own[cycle]) > 4 * np.mean(other[cycle]), cycle
        assert min(own[cycle]) > np.median(other[cycle]), cycle
    assert np.mean(own["bar"]) > 0.4


def test_each_style_has_its_pulse(dances):
    hips = {1.0: [], 0.87: []}
    for danced in dances:
        beats, height = danced.beats, danced.part("MidHip")[:, 1]
        if danced.song.style.name == "waltz":  # rises and falls with the bar
            assert explained(height, beats / 3) > 0.5
        elif danced.song.style.name == "disco":  # bounces on each beat
            spectrum = np.abs(np.fft.rfft((height - height.mean()) * np.hanning(len(height)), 8 * len(height)))
            per_beat = np.fft.rfftfreq(8 * len(height), 1 / FPS) * danced.song.beat
            assert per_beat[spectrum.argmax()] == pytest.approx(1, abs=0.03)
            assert height[np.abs(beats % 1 - 0.5) > 0.4].mean() < height[np.abs(beats % 1 - 0.5) < 0.1].mean() - 0.02
        else:  # one hip is up, then the other, in a pattern of two bars
            for stretch, found in hips.items():
                found.append(explained(danced.across("Hip")[:, 1], beats / stretch / 8, bins=64))
    assert np.mean(hips[1.0]) > 0.5 and np.mean(hips[1.0]) > 3 * np.mean(hips[0.87])


def test_styles_and_dancers_differ(dances):
    turned, level = {}, {}
    for danced in dances:
        turned.setdefault(danced.song.style.name, []).append((danced.across("Shoulder")[:, 0] < 0).mean())
        level.setdefault(danced.song.style.name, []).append(np.abs(danced.across("Hip")[:, 1]).mean())
    assert np.mean(level["chacha"]) > 1.4 * np.mean(level["disco"]) > 1.4 * np.mean(level["waltz"])
    assert np.mean(turned["waltz"]) > np.mean(turned["disco"])  # their back to the audience
    heights = [danced.dancer.body.height for danced in dances[:8]]
    assert len(set(heights)) == len(heights)


def test_the_repertoire_is_consistent():
    for style in [*STYLES.values(), BYSTANDER]:
        for _, bars, after in style.figures.values():
            assert len(bars) > 1 and set(bars) <= set(style.bars) and set(after) <= set(style.figures)
        for bar in style.bars.values():
            assert {name for _, *names in bar.arms for name in names} <= set(ARMS)
            assert all(0 <= step[0] < style.beats_per_bar for step in bar.steps)
    assert all(len(style.figures) >= 5 for style in STYLES.values())
    assert {style.beats_per_bar for style in STYLES.values()} == {3, 4}
    low, high = zip(*(style.tempo for style in STYLES.values()), strict=True)
    assert min(low) > 80 and max(high) < 140  # twice or half of any such tempo lies outside 70-160
    assert all(a < b for a, b in zip(sorted(high)[:-1], sorted(low)[1:], strict=True))  # no overlap
