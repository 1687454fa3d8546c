import numpy as np
import pytest
from test_animation import STAND

from learn2dance.motion.skeleton import BODY_15, BODY_25, COCO_17, COCO_18
from learn2dance.render.face import with_face
from learn2dance.synthetic.dance import random_dancer
from learn2dance.synthetic.figures import STYLES
from learn2dance.synthetic.motion import dance
from learn2dance.synthetic.music import random_song

FACE = [COCO_18.index(name) for name in ("REye", "LEye", "REar", "LEar")]


def repeat(pose, frames=20):
    return np.repeat(pose[None], frames, 0)


def seen(pose, name):
    """Return the joint of this name of the middle frame, after the face of 15 joints was placed."""
    figure, placed = with_face(repeat(pose[:15]), 25)
    assert placed
    return figure[10, COCO_18.index(name)]


def test_a_face_seen_from_the_front_is_upright_and_symmetric():
    right_ear, right_eye, nose, left_eye, left_ear = (
        seen(STAND, name) for name in ("REar", "REye", "Nose", "LEye", "LEar")
    )
    assert right_ear[0] < right_eye[0] < nose[0] < left_eye[0] < left_ear[0]  # the dancer's right is on our left
    assert nose[1] < right_ear[1] < right_eye[1]
    np.testing.assert_allclose(right_ear + left_ear, [2 * nose[0], 2 * right_ear[1]], atol=1e-6)
    np.testing.assert_array_equal(nose, STAND[0])


def test_the_face_turns_and_grows_with_the_dancer():
    turn = np.array([[0.0, 1], [-1, 0]])  # a quarter, in the picture
    for name in ("REye", "LEar"):
        np.testing.assert_allclose(seen(3 * STAND @ turn + [5, 7], name), 3 * seen(STAND, name) @ turn + [5, 7])


@pytest.mark.parametrize("to", [-1, 1])
def test_in_profile_the_ears_are_behind_the_nose(to):
    profile = STAND * [0.02, 1]
    profile[0, 0] += 0.05 * to  # the nose ahead
    for name in ("REar", "LEar"):
        assert (profile[0, 0] - seen(profile, name)[0]) * to > 0.03


def test_from_behind_there_are_ears_and_no_face():
    back = STAND * [-1, 1]
    assert all(np.isnan(seen(back, name)).all() for name in ("Nose", "REye", "LEye"))
    assert seen(back, "REar")[0] > 0 > seen(back, "LEar")[0]  # their right is on our right


def test_known_eyes_and_ears_are_kept():
    for names in (BODY_25, COCO_17, COCO_18):
        pose = STAND[[BODY_25.index(name) for name in names]]
        poses = repeat(pose)
        poses[3, names.index("LEar")] = np.nan
        figure, placed = with_face(poses, 25)
        assert not placed and np.isnan(figure[3, COCO_18.index("LEar")]).all()
        shared = [name for name in COCO_18 if name in names]
        for name in shared:
            np.testing.assert_array_equal(figure[0, COCO_18.index(name)], pose[names.index(name)])
    shoulders = STAND[[BODY_15.index("RShoulder"), BODY_15.index("LShoulder")]]
    neck = with_face(repeat(STAND[[BODY_25.index(name) for name in COCO_17]]), 25)[0][0, 1]
    np.testing.assert_allclose(neck, shoulders.mean(0))  # COCO-17 has no Neck


@pytest.mark.parametrize("style", ["disco", "waltz"])
def test_placed_faces_are_near_those_of_dancers_in_three_dimensions(style):
    rng = np.random.default_rng(0)
    song, dancer = random_song(STYLES[style], 10.0, rng), random_dancer(rng)
    beats = (np.arange(300) / 30 - song.downbeat) / song.beat
    joints, _ = dance(STYLES[style], song.energies, dancer, beats, song.beat, rng)
    placed = with_face(joints[:, :15, :2], 30)[0][:, FACE]  # seen from far away
    truth = joints[:, [BODY_25.index(COCO_18[joint]) for joint in FACE], :2]
    error = np.linalg.norm(placed - truth, axis=-1) / dancer.body.torso
    assert np.nanmedian(error) < 0.05 and np.nanquantile(error, 0.9) < 0.12
    in_front = joints[:, BODY_25.index("LEar"), 0] > joints[:, BODY_25.index("REar"), 0]
    assert np.mean(np.isfinite(placed[:, 0, 0]) == in_front) > 0.85
