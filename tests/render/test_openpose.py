import json

import numpy as np
import pytest
from matplotlib import image
from test_animate import dance, fails, save  # noqa: F401  (fails is a fixture)
from test_animation import STAND, still
from test_video_writer import pictures, song

import animate
from learn2dance.data import npz
from learn2dance.errors import UserError
from learn2dance.media import video_reader
from learn2dance.motion.skeleton import BODY_25, COCO_17, COCO_18
from learn2dance.render import openpose

# ControlNet's annotator, as its users know it: joints from 1 on, in OpenPose's order of COCO-18, red, green, blue.
LIMBS = "2-3 2-6 3-4 4-5 6-7 7-8 2-9 9-10 10-11 2-12 12-13 13-14 2-1 1-15 15-17 1-16 16-18".split()
COLOURS = (
    "255,0,0 255,85,0 255,170,0 255,255,0 170,255,0 85,255,0 0,255,0 0,255,85 0,255,170 0,255,255 0,170,255 0,85,255 "
    "0,0,255 85,0,255 170,0,255 255,0,255 255,0,170 255,0,85"
)  # fmt: skip
COLOURS = [tuple(map(int, colour.split(","))) for colour in COLOURS.split()]
SIZE = (512, 768)


def spread():
    """Return a still dance of 25 joints, of which no limb crosses another."""
    pose = STAND.copy()
    pose[[BODY_25.index(name) for name in ("REye", "LEye", "REar", "LEar")]] = [
        [-0.03, 0.94], [0.03, 0.94], [-0.08, 0.92], [0.08, 0.92],
    ]  # fmt: skip
    return np.repeat(pose[None], 3, 0)


def frames(dances, folder, size=SIZE, fps=25):
    """Draw dances into a folder; return the scene and the frames, int (T, height, width, 3)."""
    scene = openpose.scene(dances, fps, size)
    openpose.animate(scene, fps, folder)
    files = sorted(folder.iterdir())
    return scene, np.round(255 * np.array([image.imread(file) for file in files])).astype(int)


def at(picture, point):
    """Return the pixel at a point (x, y) from the lower left."""
    return tuple(picture[int(len(picture) - point[1]), int(point[0])].tolist())


def test_limbs_and_joints_have_the_annotators_colours(tmp_path):
    scene, (picture, *_) = frames([spread()], tmp_path / "f")
    person = scene.people(0)[0]
    for limb, colour in zip(LIMBS, COLOURS, strict=False):
        one, other = (person[int(number) - 1] for number in limb.split("-"))
        assert at(picture, (one + other) / 2) == tuple(int(0.6 * part) for part in colour), limb
    for joint, colour in zip(person, COLOURS, strict=True):
        assert at(picture, joint) == colour


def test_limbs_are_ellipses_and_joints_discs_of_4_pixels_in_512(tmp_path):
    scene, (picture, *_) = frames([spread()], tmp_path / "f")
    person = scene.people(0)[0]
    rows, columns = np.indices(picture.shape[:2])
    points = np.stack([columns + 0.5, len(picture) - rows - 0.5], axis=-1)
    lit = picture.any(-1)
    expected = (np.linalg.norm(points[:, :, None] - person, axis=-1) <= 4).any(-1)
    assert lit[expected].all()
    for limb in LIMBS:
        one, other = (person[int(number) - 1] for number in limb.split("-"))
        along = (other - one) / 2
        length = np.hypot(*along)
        offset = points - (one + other) / 2
        x, y = offset @ along / length, offset @ [-along[1], along[0]] / length
        expected |= (x / length) ** 2 + (y / 4) ** 2 <= 1
    edge = np.abs(expected.astype(int) - lit)
    assert lit[expected].all() and edge.sum() < 0.35 * expected.sum()  # elsewhere it is black, but for smooth edges
    wide = np.linalg.norm(points[:, :, None] - person, axis=-1).min(-1) > 150
    assert wide.any() and not lit[wide].any()


def test_the_drawing_grows_with_the_picture(tmp_path):
    shares = [frames([spread()], tmp_path / str(n), (n, n))[1][0].any(-1).mean() for n in (256, 1024)]
    assert shares[0] == pytest.approx(shares[1], rel=0.25)  # but for soft edges


def test_missing_joints_and_their_limbs_are_not_drawn(tmp_path):
    poses = spread()
    poses[1, BODY_25.index("RElbow")] = np.nan
    poses[2] = np.nan
    _, (whole, part, nobody) = frames([poses], tmp_path / "f")
    count = lambda picture, colour: (picture == colour).all(-1).sum()  # noqa: E731
    for name in ("RElbow", "RWrist", "RShoulder"):
        colour = COLOURS[COCO_18.index(name)]
        assert count(whole, colour) > 20 and (count(part, colour) > 20) == (name != "RElbow")
    for limb in ("3-4", "4-5"):
        colour = [int(0.6 * value) for value in COLOURS[LIMBS.index(limb)]]
        assert count(whole, colour) > 20 and count(part, colour) == 0
    assert not nobody.any()


@pytest.mark.parametrize("size", [(512, 512), (832, 480), (480, 832)])
def test_every_frame_of_a_walk_is_whole_in_one_fixed_view(tmp_path, size):
    walk = still(60) + np.linspace(0, 6, 60)[:, None, None] * [1, 0.1]
    scene, pictures = frames([walk], tmp_path / "f", size)
    assert scene.size == size and pictures.shape == (60, size[1], size[0], 3)
    assert not pictures[:, [0, -1]].any() and not pictures[:, :, [0, -1]].any()
    points = scene.figures[0]
    assert points.min() > 4 and (size - points).min() > 4
    np.testing.assert_allclose(np.diff(points[:, 1, 0]), np.diff(points[:, 1, 0]).mean())  # as even as the walk
    assert max(np.ptp(points.reshape(-1, 2), axis=0) / size) > 0.8  # and as large as it can be


def test_several_dancers_are_side_by_side_of_one_size_on_one_level(tmp_path):
    one, other = still(5)[:, :15], 100 * still(8)[:, :15] + [7, 50]  # in another unit, elsewhere
    scene, pictures = frames([one, other], tmp_path / "f", (800, 600))
    left, right = scene.figures
    assert left[..., 0].max() < right[..., 0].min() and len(pictures) == 8
    np.testing.assert_allclose(
        right[0] - left[0], np.broadcast_to([right[0, 1, 0] - left[0, 1, 0], 0], (18, 2)), atol=1e-6
    )
    assert (pictures[7] == pictures[4]).all()  # a dance that ends first holds its last pose


def test_the_default_size_has_a_side_of_512_and_both_in_steps_of_64():
    wide = still(50) + np.linspace(0, 9, 50)[:, None, None] * [1, 0]
    for poses, size in ((still(), (512, 960)), (wide, (960, 512))):
        assert openpose.scene([poses], 25).size == size


def test_the_stage_writes_films_and_sheets(run_stage, tmp_path):
    file = dance(tmp_path / "d.npz", 30, 25.0)
    sound = ["--audio", song(tmp_path / "s.wav")]
    done = run_stage("animate.py", file, "--look", "openpose", "--size", "128x191", "--fps", 10, *sound)
    assert done.returncode == 0 and "eyes and ears, which the poses lack, are placed" in done.stdout, done.stderr
    about = video_reader.look(tmp_path / "d.mp4")
    assert (about.size, about.fps, about.sound) == ((128, 192), 10, True) and len(pictures(tmp_path / "d.mp4")) == 12
    for name in ("a.png", "b.png", "a.gif", "b.gif", "a", "b"):
        animate.main([str(file), *"--look openpose --size 240x161 --quiet --out".split(), str(tmp_path / name)])
    sheet = image.imread(tmp_path / "a.png")
    assert sheet.shape[:2] == (161, 240)
    cells = sheet[:160].reshape(2, 80, 6, 40, -1).max((1, 3))
    assert (cells[..., :3].max(-1) > 0.3).all()  # a small dancer in each
    assert pictures(tmp_path / "a.gif").shape == (30, 162, 240)
    for name in ("{}.png", "{}.gif", "{}/000001.png", "{}/000030.png"):
        assert (tmp_path / name.format("a")).read_bytes() == (tmp_path / name.format("b")).read_bytes()


@pytest.mark.parametrize("names", [BODY_25[:15], COCO_17, COCO_18, BODY_25])
def test_key_points_are_those_of_the_picture(tmp_path, names):
    poses = spread()[:, [BODY_25.index(name) for name in names]]
    poses[1, names.index("LWrist")] = np.nan
    poses[2] = np.nan
    drawn = [str(save(tmp_path / "d.npz", poses * [1, -1], fps=25)), *"--look openpose --size 512x768 --quiet".split()]
    animate.main([*drawn, "--out", str(tmp_path / "frames")])
    animate.main([*drawn, "--format", "json", "--out", str(tmp_path / "keypoints")])
    files = sorted((tmp_path / "keypoints").iterdir())
    assert [path.name for path in files] == [f"d_{t:012}_keypoints.json" for t in range(3)]
    people = [json.loads(path.read_text())["people"] for path in files]
    assert list(map(len, people)) == [1, 1, 0]
    first, second = (np.reshape(frame[0]["pose_keypoints_2d"], (25, 3)) for frame in people[:2])
    picture = np.round(255 * image.imread(tmp_path / "frames" / "000001.png"))
    known = {*names, "Neck", "MidHip"}
    for name, (x, y, confidence) in zip(BODY_25, first, strict=True):
        assert confidence == (name in known) and (name in known or x == y == 0)
        if name in known and name in COCO_18:
            assert tuple(picture[int(y), int(x)]) == COLOURS[COCO_18.index(name)]
    assert not second[BODY_25.index("LWrist")].any() and second[BODY_25.index("LElbow"), 2] == 1


def test_parse_reads_the_key_points_back(run_stage, tmp_path):
    seconds = np.arange(100) / 25
    for name, phase in (("one", 0), ("two", 1)):
        arms = np.zeros((100, 15, 2))
        arms[:, [3, 4, 6, 7]] = 0.1 * np.sin(2 * np.pi * 0.5 * seconds + phase)[:, None, None]
        save(tmp_path / f"{name}.npz", (still(100)[:, :15] + arms) * [1, -1], fps=25)
    out = tmp_path / "data" / "keypoints" / "clip"
    json_of = ["--look", "openpose", "--format", "json", "--size", "800x600", "--out", out]
    done = run_stage("animate.py", tmp_path / "one.npz", tmp_path / "two.npz", *json_of)
    assert done.returncode == 0, done.stderr
    people = [json.loads(path.read_text())["people"] for path in sorted(out.iterdir())]
    written = np.array([[person["pose_keypoints_2d"] for person in frame] for frame in people]).reshape(100, 2, 25, 3)
    read = []
    for person in (1, 2):
        done = run_stage("parse.py", tmp_path / "data", "--fps", 25, "--person", person)
        assert done.returncode == 0, done.stderr
        read.append(npz.load(tmp_path / "data" / "poses" / "clip.npz", "poses")["poses"])
    read.sort(key=lambda poses: poses[0, 0, 0])  # from left to right
    for n in range(2):
        assert np.abs(read[n] - written[:, n, :15, :2]).max() < 0.5  # pixels


def test_a_joint_outside_the_picture_is_not_detected():
    poses = still(50)[:, :15]
    poses[20, BODY_25.index("LWrist")] = [30, 30]  # thrown far away
    people = openpose.keypoints(openpose.scene([poses], 25, SIZE))
    assert not people[20][0, BODY_25.index("LWrist")].any() and people[19][0, BODY_25.index("LWrist"), 2] == 1


def test_faults(fails, tmp_path):  # noqa: F811
    file, other = dance(tmp_path / "d.npz"), save(tmp_path / "o.npz", np.ones((5, 40, 2)), fps=25)
    look = ["--look", "openpose"]
    assert "40 joints, expected one of 15, 17, 18, 25" in fails(other, *look)
    assert "--format json: needs" in fails(file, "--format", "json", "--out", tmp_path / "k")
    assert "--format json: needs" in fails(file, *look, "--format", "json")
    assert "--trail: cannot be used with --look openpose" in fails(file, *look, "--trail")
    assert "--over: cannot be used with --look openpose" in fails(file, *look, "--over", "v.mp4", "--out", "x.mp4")
    with pytest.raises(UserError, match="expected one of"):
        openpose.scene([np.ones((5, 3, 2))], 25)
    only_hips = np.where(np.arange(15)[:, None] == BODY_25.index("MidHip"), still()[:, :15], np.nan)
    with pytest.raises(UserError, match="none of the joints"):
        openpose.scene([only_hips], 25)
