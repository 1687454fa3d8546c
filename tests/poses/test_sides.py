import numpy as np
import pytest

from learn2dance.motion.skeleton import BODY_15, mirror_order
from learn2dance.poses import sides
from learn2dance.poses.formats import clip_files, openpose_json

FPS = 25.0
# A body in units of its height: x towards its left, y down, z towards its front; the first 15 of BODY_25.
BODY = np.array(
    "0 -.5 .1 0 -.35 0 -.12 -.35 0 -.16 -.2 0 -.18 -.05 .05 .12 -.35 0 .16 -.2 0 .18 -.05 .05 0 0 0 "
    "-.07 0 0 -.08 .25 0 -.08 .48 0 .07 0 0 .08 .25 0 .08 .48 0".split(),
    float,
).reshape(15, 3)
ARMS = [BODY_15.index(side + name) for name in ("Shoulder", "Elbow", "Wrist") for side in "RL"]
LEGS = [BODY_15.index(side + name) for name in ("Hip", "Knee", "Ankle") for side in "RL"]


def dancer(frames=500, turns=0.3, jitter=0.005, fps=FPS, seed=0):
    """Film somebody who turns ``turns`` times a second and swings arms and legs: (T, 15, 3)."""
    t = np.arange(frames) / fps
    body = np.tile(BODY, (frames, 1, 1))
    for name, amount in (("Wrist", 0.15), ("Elbow", 0.07), ("Ankle", 0.1), ("Knee", 0.05)):
        for side, sign in (("R", 1), ("L", -1)):
            body[:, BODY_15.index(side + name), 2] += sign * amount * np.sin(7 * t)
    angle = 2 * np.pi * turns * t[:, None]
    x = body[..., 0] * np.cos(angle) + body[..., 2] * np.sin(angle)
    noise = np.random.default_rng(seed).normal(0, jitter, (frames, 15, 2))
    places = 300 + 200 * (np.stack([x, body[..., 1]], axis=2) + noise)
    return np.concatenate([places, np.full((frames, 15, 1), 0.8)], axis=2)


def exchange(person, frames, joints):
    """Exchange left and right among these joints in some frames."""
    result = person.copy()
    result[np.ix_(frames, joints)] = person[np.ix_(frames, mirror_order(15)[joints])]
    return result


@pytest.mark.parametrize("turns", [0, 0.5, 2.5])  # a fast dancer turns 2.5 times a second
@pytest.mark.parametrize("fps", [12.5, 25, 60])
def test_turns_are_no_swaps(turns, fps):
    person = dancer(turns=turns if fps > 20 else turns / 2, fps=fps)
    kept, swapped = sides.undo_swaps(person, fps)
    assert not swapped.any()
    np.testing.assert_array_equal(kept, person)


@pytest.mark.parametrize("joints", [ARMS + LEGS, ARMS, LEGS])
@pytest.mark.parametrize(
    "frames", [[0], [499], [30], [*range(30, 36)], [*range(90)], [*range(30, 33), *range(75, 225)]]
)
def test_swaps_of_any_length_are_undone(joints, frames):
    person = dancer(turns=0)
    found, swapped = sides.undo_swaps(exchange(person, frames, joints), FPS)
    assert np.flatnonzero(swapped).tolist() == frames
    np.testing.assert_array_equal(found, person)


def test_a_swap_that_ends_while_the_dancer_turns_is_undone():
    person = dancer()
    frames = np.arange(40, 130)  # more than a whole turn
    found, swapped = sides.undo_swaps(exchange(person, frames, ARMS + LEGS), FPS)
    apart = np.abs(found - person).max(axis=(1, 2)) > 0.05 * 200
    assert not apart.any()


def test_joints_and_frames_that_are_missing():
    rng = np.random.default_rng(0)
    person = dancer()
    person[rng.random((500, 15)) < 0.05] = 0
    person[[50, 51, 200]] = 0
    person[300:340] = 0
    frames = [*range(100, 110), *range(195, 230)]
    found, swapped = sides.undo_swaps(exchange(person, frames, ARMS + LEGS), FPS)
    assert np.abs(found - person).max() < 0.05 * 200 + 0.8
    for nobody in (np.zeros((0, 15, 3)), np.zeros((9, 15, 3)), person[:1]):
        assert not sides.undo_swaps(nobody, FPS)[1].any()
    nose = np.zeros((9, 15, 3))
    nose[:, 0] = 100, 100, 0.9
    assert not sides.undo_swaps(nose, FPS)[1].any()


def test_feet_follow_the_legs_and_the_face_the_whole_body():
    person = np.concatenate([dancer(turns=0), np.random.default_rng(0).uniform(0, 99, (500, 10, 3))], axis=1)
    mirrored = person[:, mirror_order(25)]
    for joints, face in ((LEGS, False), (ARMS + LEGS, True)):
        seen = person.copy()
        seen[50:60, :15] = exchange(person[:, :15], np.arange(50, 60), joints)[50:60]
        found, swapped = sides.undo_swaps(seen, FPS)
        assert np.flatnonzero(swapped).tolist() == [*range(50, 60)]
        np.testing.assert_array_equal(found[:, :15], person[:, :15])
        np.testing.assert_array_equal(found[50:60, 19:], mirrored[50:60, 19:])
        np.testing.assert_array_equal(found[50:60, 15:19], (mirrored if face else person)[50:60, 15:19])


def load(path):
    """Return the key points (T, 15, 3) of a clip with one person."""
    found = openpose_json.read(path, clip_files.read(path)[0])
    keypoints = np.zeros((found.frames, 15, 3), np.float32)
    keypoints[found.frame] = found.people[:, :15]
    return keypoints


def test_the_swaps_of_the_case_are_undone(shared):
    found, swapped = sides.undo_swaps(load(shared / "cases/sides_swapped/keypoints/me.tar.gz"), FPS)
    with np.load(shared / "cases" / "sides_swapped" / "truth.npz") as file:
        off = np.linalg.norm(found[..., :2] - file["poses"], axis=-1)[found[..., 2] > 0]
    assert swapped.sum() == 24
    assert off.max() < 20


def test_nothing_is_swapped_in_real_dances_and_swaps_in_them_are_undone(shared):
    rng = np.random.default_rng(0)
    for path in sorted((shared / "ballroom" / "keypoints").iterdir())[::6]:
        person = load(path)
        assert not sides.undo_swaps(person, FPS)[1].any(), path
        start, length = rng.integers(len(person)), rng.integers(1, 250)
        frames = np.arange(start, min(start + length, len(person)))
        found, _ = sides.undo_swaps(exchange(person, frames, ARMS + LEGS), FPS)
        apart = np.linalg.norm(found - person, axis=-1)[(found[..., 2] > 0.25) & (person[..., 2] > 0.25)]
        assert apart.max() < 0.1 * np.median(openpose_json.body_size(person)), path


def test_nothing_is_swapped_in_captured_street_dances(shared):
    paths = sorted((shared / "street" / "keypoints").glob("A[MV]_*.npz"))  # AG_ has a detector's own swaps
    assert paths
    for path in paths:
        with np.load(path) as file:
            poses, fps = file["poses"], file["fps"].item()
        seen = np.isfinite(poses).all(axis=2, keepdims=True)
        keypoints = np.concatenate([np.nan_to_num(poses), seen], axis=2)
        assert not sides.undo_swaps(keypoints, fps)[1].any(), path
