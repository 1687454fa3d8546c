import io

import numpy as np
import pytest
from matplotlib import image
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from scipy import ndimage

from learn2dance.media import video_writer
from learn2dance.motion import kinematics, skeleton
from learn2dance.render import animation, artists, viewport

# A BODY_25 dancer who faces us, arms down: upright, about one high; their right is on our left.
STAND = np.array(
    "0 .9 0 .8 -.1 .79 -.14 .64 -.15 .5 .1 .79 .14 .64 .15 .5 0 .5 -.07 .5 -.08 .27 -.08 .04 .07 .5 .08 .27 .08 .04 "
    "-.02 .92 .02 .92 -.05 .91 .05 .91 .1 0 .13 .01 .06 .02 -.1 0 -.13 .01 -.06 .02".split(),
    dtype=float,
).reshape(25, 2)
RIGHT_WRIST, LEFT_WRIST = skeleton.BODY_25.index("RWrist"), skeleton.BODY_25.index("LWrist")


def still(frames=5):
    return np.repeat(STAND[None], frames, 0)


@pytest.fixture
def film(monkeypatch):
    """Return a function that draws a film's frames without encoding them: float (T, height, width, 3), 0-1."""

    def shoot(dances, fps=25, **options):
        frames = []

        def keep(out, draw, count, size, fps, audio, start):
            for t in range(count):
                pixels = np.frombuffer(draw(t), np.uint8).reshape(size[1], size[0], 4)
                frames.append(pixels[..., :3] / 255)

        monkeypatch.setattr(video_writer, "write", keep)
        animation.animate(dances, fps, "unused.mp4", **({"y_up": True, "size": (200, 200)} | options))
        return np.array(frames)

    return shoot


def like(pixels, colour, tolerance=0.06):
    """Tell where pixels have a colour of the palette: bool, without the last axis."""
    return np.abs(pixels - to_rgb(artists.ON_STAGE[colour])).max(-1) < tolerance


def where(mask):
    """Return the mean row and column of a mask."""
    return np.argwhere(mask).mean(0)


def test_resampling_keeps_a_straight_motion_straight():
    poses = np.arange(50, dtype=float)[:, None, None] * [[[3.0, -1.0]]]  # at 25 frames a second
    finer = kinematics.resample(poses, 25, 60)
    assert len(finer) == 120  # the same two seconds
    seconds = np.minimum(np.arange(120) / 60, 49 / 25)  # the last frame is held for as long as it lasts
    np.testing.assert_allclose(finer[:, 0, 0], 3 * 25 * seconds, atol=1e-9)
    np.testing.assert_array_equal(kinematics.resample(poses, 50, 25), poses[::2])


def test_resampling_does_not_invent_what_is_not_known():
    poses = np.zeros((4, 1, 2), np.float32)
    poses[2] = np.nan
    known = np.isfinite(kinematics.resample(poses, 10, 20)[:, 0, 0])
    assert known.tolist() == [True, True, True, False, False, False, True, True]


def test_the_camera_holds_every_frame_of_a_walk():
    poses = still(200) + np.linspace(0, 12, 200)[:, None, None] * [1, 0]
    seen = viewport.view(poses)
    np.testing.assert_allclose([seen.low, seen.high], [poses.min((0, 1)), poses.max((0, 1))])


def test_the_camera_is_not_led_astray_by_wild_joints():
    clean = still(300) + 0.3 * np.sin(np.arange(300) / 9)[:, None, None] * [1, 0]
    rng = np.random.default_rng(0)
    wild = clean.copy()
    wild[rng.random(wild.shape[:2]) < 0.01] = [-700, 40]  # 1% of the joints thrown into a corner
    wild[100:104] += [50, 0]  # and for four frames somebody else
    seen, expected = viewport.view(wild), viewport.view(clean)
    assert np.abs(np.array([seen.low, seen.high]) - [expected.low, expected.high]).max() < 0.02


@pytest.mark.parametrize("cell", [(200, 100), (100, 200), (64, 64)])
def test_a_view_fits_its_cell_with_room_around(cell):
    seen = viewport.view(still())
    scale, origin = viewport.fit(seen, np.array([10.0, 20.0]), np.array(cell, float))
    placed = STAND * scale + origin - [10, 20]
    assert placed.min() > 0.05 * scale and (np.array(cell) - placed).min() > 0.05 * scale


def test_left_is_orange_and_right_is_blue(film):
    frame = film([still()])[0]
    assert where(like(frame, "left"))[1] > 110 > 90 > where(like(frame, "right"))[1]  # they face us


@pytest.mark.parametrize("y_up", [True, False])
def test_the_head_is_up(film, y_up):
    frame = film([still() * [1, 1 if y_up else -1]], y_up=y_up)[0]
    assert where(like(frame, "middle"))[0] < 80 < 120 < where(like(frame, "floor"))[0]


def test_left_and_right_differ_for_the_colour_blind():
    # Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency",
    # IEEE TVCG 2009: severity 1.0, on linear RGB.
    protan = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    deutan = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    for palette in (artists.ON_STAGE, artists.ON_PAPER):
        left, right = (np.array(to_rgb(palette[side])) ** 2.2 for side in ("left", "right"))
        usual = np.linalg.norm(left - right)
        for eye in (protan, deutan):
            assert np.linalg.norm(eye @ (left - right)) > 0.5 * usual


def test_joints_not_known_are_not_drawn(film):
    poses = still()
    poses[1, RIGHT_WRIST] = np.nan
    whole, part = film([poses])[:2]
    assert like(part, "right").sum() < 0.95 * like(whole, "right").sum()
    assert like(part, "left").sum() == like(whole, "left").sum()


def test_a_frame_with_nobody_is_an_empty_stage(film):
    poses = still()
    poses[2] = np.nan
    frames = film([poses])
    assert not any(like(frames[2], side).any() for side in ("left", "right", "middle"))
    assert like(frames[3], "middle").any()


def test_a_joint_without_its_neighbours_is_a_dot(film):
    poses = still()
    poses[1, [3, 2]] = np.nan  # the right elbow and shoulder, not the wrist
    assert where(like(film([poses])[1], "right"))[1] == pytest.approx(
        where(like(film([still()])[1], "right"))[1], abs=9
    )
    poses[1] = np.nan
    poses[1, LEFT_WRIST] = STAND[LEFT_WRIST]
    assert ndimage.label(like(film([poses])[1], "left"))[1] == 1


def test_proportions_are_real_and_unknown_skeletons_are_points(film):
    square = np.array([[[0.0, 0], [10, 0], [0, 10], [10, 10], [5, 5]]])
    frame = film([square], size=(400, 200))[0]
    dots, count = ndimage.label(np.abs(frame - to_rgb(artists.ON_STAGE["ground"])).max(-1) > 0.2)
    assert count == 5
    rows, columns = np.array(ndimage.center_of_mass(dots > 0, dots, range(1, 6))).T
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=0.5) and np.ptp(rows) > 120


@pytest.mark.parametrize("joints", [1, 2, 15, 17, 18, 25, 40])
def test_every_number_of_joints_is_drawn_with_and_without_trail(film, joints):
    names = skeleton.JOINTS.get(joints)
    chosen = [skeleton.BODY_25.index(name) for name in names] if names else np.arange(joints) % 25
    poses = still(3)[:, chosen] + 0.1 * np.arange(3)[:, None, None]
    frames = film([poses], trail=True)
    dancer = np.abs(frames[2] - to_rgb(artists.ON_STAGE["ground"])).max(-1) > 0.3
    assert 0.0005 < dancer.mean() < 0.3


def test_limbs_grow_with_the_picture(film):
    small, large = (like(film([still(1)], size=(n, n))[0], "left").mean() for n in (160, 640))
    assert small == pytest.approx(large, rel=0.35)  # the share of the picture, but for soft edges


def test_the_shorter_dance_holds_its_last_pose(film):
    moving = still(8) + 0.05 * np.arange(8)[:, None, None] * [0, 1]
    frames = film([moving[:4], moving], size=(400, 200))
    assert len(frames) == 8
    assert (frames[3][:, :200] == frames[7][:, :200]).all() and (frames[3][:, 200:] != frames[7][:, 200:]).any()


def test_a_wild_joint_does_not_reach_into_the_neighbours_picture(film):
    wild = still(5)
    wild[2, LEFT_WRIST] = [80, 0.5]
    tame, thrown = (film([dance, still(5)], size=(400, 200))[2] for dance in (still(5), wild))
    assert (tame[:, 200:] == thrown[:, 200:]).all() and (tame[:, :200] != thrown[:, :200]).any()


def test_the_floor_lights_up_on_the_beats_and_only_then(film):
    frames = film([still(50)], fps=25, beats=[np.array([0.4, 1.41])])  # frames 10 and (nearest) 35
    light = frames.mean((1, 2, 3)) - frames[0].mean()
    assert (np.argmax(light[:30]), 30 + np.argmax(light[30:])) == (10, 35)
    assert not light[:10].any() and not light[20:35].any() and not light[45:].any()


def test_a_trail_follows_the_wrist_and_fades(film):
    poses = still(20)
    poses[:, LEFT_WRIST, 0] = np.linspace(0.15, 0.75, 20)
    bare, trailed = film([poses])[-1], film([poses], trail=True)[-1]
    strength = np.abs(trailed - bare).sum(-1)
    row = strength.sum(1).argmax()
    columns = np.flatnonzero(strength[row] > 0.05)
    assert np.ptp(columns) > 15
    first, last = np.array_split(strength[row, columns], 2)
    assert last.mean() > 1.5 * first.mean()


def test_titles_are_cut_to_their_picture_and_no_formulas(film):
    frames = film([still(1)] * 2, titles=["$x_1$ " + "very long " * 30, "b"], size=(400, 200))
    head = frames[0][:16].max(-1) > 0.4
    assert head[:, 4:196].any() and not head[:, :3].any() and not head[:, 197:250].any()


def test_a_contact_sheet_is_the_same_bytes_and_shows_all_moments(tmp_path):
    poses = still(120) + 0.2 * np.sin(np.arange(120) / 5)[:, None, None] * [1, 0]
    for name in ("a.png", "b.png"):
        animation.contact_sheet([poses, poses[:40]], 25, tmp_path / name, titles=["one", "two"], y_up=True)
    data = (tmp_path / "a.png").read_bytes()
    assert data == (tmp_path / "b.png").read_bytes()
    assert b"Software" not in data and b"tEXt" not in data and b"tIME" not in data
    pixels = image.imread(io.BytesIO(data))[..., :3]
    assert pixels.shape[1] == 1600
    heads = ndimage.label(ndimage.binary_erosion(like(pixels, "middle"), iterations=8))[1]
    assert heads == 2 * animation.MOMENTS  # only heads are that thick


def test_a_contact_sheet_of_one_frame_and_of_a_given_size(tmp_path):
    animation.contact_sheet([still(1)], 25, tmp_path / "a.png", y_up=True, size=(321, 200))
    assert image.imread(tmp_path / "a.png").shape[:2] == (200, 321)


def test_a_strip_shows_first_and_last_side_by_side():
    figure = Figure((6, 2))
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    poses = still(10).astype(np.float32)
    poses[-1, LEFT_WRIST] = [0.4, 0.9]
    animation.strip(ax, poses, count=4, y_up=True)
    drawn = [np.concatenate(c.get_segments()) for c in ax.collections]
    assert len(drawn) == 4 and ax.get_aspect() == 1
    assert all(a[:, 0].max() < b[:, 0].min() for a, b in zip(drawn, drawn[1:], strict=False))
    assert drawn[3][:, 0].max() - drawn[0][:, 0].min() < np.ptp(ax.get_xlim())
    np.testing.assert_allclose(np.ptp(drawn[0][:, 1]), np.ptp(STAND[:, 1]), rtol=0.05)
    assert np.ptp(drawn[3][:, 0]) > 1.5 * np.ptp(drawn[0][:, 0])
