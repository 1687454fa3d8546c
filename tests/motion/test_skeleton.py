import numpy as np
import pytest

from learn2dance.motion import skeleton


def dancer(frames=100, seed=0):
    """Fifteen joints that sway, in pixels, with a torso of constant length 100."""
    rng = np.random.default_rng(seed)
    rest = rng.normal(0, 80, (15, 2))
    rest[skeleton.NECK], rest[skeleton.MID_HIP] = (0, -100), (0, 0)
    sway = 30 * np.sin(np.arange(frames)[:, None, None] / 9 + rng.uniform(0, 6, (15, 1)))
    sway[:, [skeleton.NECK, skeleton.MID_HIP]] = 0
    return rest + sway + (640, 360)


def test_names_are_openposes():
    assert len(skeleton.BODY_25) == 25 and skeleton.BODY_25[8] == "MidHip" and skeleton.BODY_25[24] == "RHeel"
    assert skeleton.BODY_15[14] == "LAnkle"
    assert len(skeleton.COCO_18) == 18 and len(skeleton.COCO_17) == 17


@pytest.mark.parametrize("joints", [15, 18, 25])
def test_bones_make_one_tree(joints):
    bones = skeleton.bones(joints)
    assert len(bones) == joints - 1  # a tree of J joints has J - 1 edges, and reaches all of them
    reached = {0}
    for _ in bones:
        reached |= {b for bone in bones for b in bone if reached & set(bone)}
    assert reached == set(range(joints))


def test_unknown_skeletons_have_no_bones():
    assert skeleton.bones(21) == [] and skeleton.side(21, 3) == "middle"
    assert skeleton.mirror_order(21).tolist() == list(range(21))


def test_sides():
    assert skeleton.side(15, 2) == "right" and skeleton.side(15, 5) == "left" and skeleton.side(15, 0) == "middle"


def test_mirrored_twice_is_itself():
    poses = np.random.default_rng(0).normal(size=(5, 25, 2))
    once = skeleton.mirror(poses)
    np.testing.assert_array_equal(skeleton.mirror(once), poses)
    np.testing.assert_array_equal(once[:, 4, 0], -poses[:, 7, 0])  # the right wrist is where the left one was
    np.testing.assert_array_equal(once[:, 4, 1], poses[:, 7, 1])


def test_shifted_and_scaled_dancer_normalises_to_itself():
    poses = dancer()
    normal = skeleton.normalise(poses, 25)
    np.testing.assert_allclose(skeleton.normalise(poses * 3.7 + (100, -50), 25), normal, atol=1e-5)
    np.testing.assert_allclose(normal[:, skeleton.MID_HIP], 0, atol=1e-6)
    np.testing.assert_allclose(normal[:, skeleton.NECK], [[0, 1]] * 100, atol=1e-5)  # up, and one torso length away


def test_a_camera_that_comes_nearer_is_taken_out():
    poses = dancer(500)
    nearer = np.linspace(1, 1.3, 500)[:, None, None]
    difference = skeleton.normalise(poses * nearer, 25) - skeleton.normalise(poses, 25)
    assert np.abs(difference[50:-50]).max() < 0.02


def test_a_bow_is_not_taken_out():
    poses = dancer(100)
    poses[40:50, skeleton.NECK, 1] += 80  # the torso looks a fifth as long for 0.4 s
    height = skeleton.normalise(poses, 25)[:, skeleton.NECK, 1]
    assert height[45] < 0.35 and abs(height[5] - 1) < 0.1


def test_unknown_joints_stay_unknown():
    poses = dancer()
    poses[10, 4] = np.nan
    poses[20, skeleton.MID_HIP] = np.nan
    normal = skeleton.normalise(poses, 25)
    assert np.isnan(normal[10, 4]).all() and np.isnan(normal[20]).all()
    assert np.isnan(normal).sum() == 2 + 30
    assert np.isnan(skeleton.normalise(np.full((5, 15, 2), np.nan), 25)).all()
