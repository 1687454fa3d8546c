import functools

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, rotate, zoom

from learn2dance.errors import UserError
from learn2dance.media import video_writer
from learn2dance.poses import camera

FPS, FRAMES, SIZE = 10, 60, (320, 180)
T = np.arange(FRAMES) / FPS
# A dancer, or somebody else, is a box of noise, and key points at its corners.
WIDTH, HEIGHT, TOP = 40, 100, 50


@functools.cache
def scene():
    """Return a picture with structure, 0-255, larger than the video."""
    return np.clip(128 + 1200 * gaussian_filter(np.random.default_rng(0).normal(size=(400, 700)), 3), 0, 255)


def film(path, view, passer=None, noise=2.0):
    """Write a video of a moving box in front of ``view(t)``, and return the arguments of `camera_moves`."""
    rng = np.random.default_rng(1)
    body = rng.uniform(0, 255, (HEIGHT, WIDTH))
    left = (140 + 60 * np.sin(3 * T)).astype(int)

    def frame(t):
        picture = view(t)[: SIZE[1], : SIZE[0]].copy()
        for x in [left[t], *([] if passer is None else [passer(t)])]:
            picture[TOP : TOP + HEIGHT, x : x + WIDTH] = body
        picture = np.clip(picture + rng.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)
        return np.repeat(picture[..., None], 4, axis=2).tobytes()

    video_writer.write(path, frame, FRAMES, SIZE, FPS)
    people = np.zeros((FRAMES, 15, 3))
    people[:, 0] = np.stack([left, np.full(FRAMES, TOP), np.ones(FRAMES)], axis=1)
    people[:, 1] = np.stack([left + WIDTH, np.full(FRAMES, TOP + HEIGHT), np.ones(FRAMES)], axis=1)
    return path, people, np.arange(FRAMES), float(FPS)


def crop(x, y=100):
    x, y = np.broadcast_to(x, FRAMES), np.broadcast_to(y, FRAMES)
    return lambda t: scene()[round(y[t]) :, round(x[t]) :]


STILL = {
    "tripod": crop(100),
    "unsteady hand": crop(100 + np.sin(9 * T), 100 + np.cos(7 * T)),
    "lights": lambda t: scene()[100:, 100:] * (0.7 + 0.2 * np.sin(5 * t)),
}
MOVING = {
    "pan": crop(100 + 15 * T),
    "fast pan": crop(150 + 100 * np.sin(4 * T)),
    "tilt": crop(100, 60 + 10 * T),
    "one second of six": crop(100 + 40 * np.clip(T - 3, 0, 1)),
    "zoom": lambda t: zoom(scene()[:200, :340], 1 + 0.1 * t / FPS, order=1),
    "roll": lambda t: rotate(scene(), 8 * t / FPS, reshape=False, order=1)[100:, 150:],
}


@pytest.mark.parametrize("name", STILL)
def test_a_still_camera(tmp_path, name):
    assert camera.camera_moves(*film(tmp_path / "film.mp4", STILL[name])) is False


@pytest.mark.parametrize("name", MOVING)
def test_a_moving_camera(tmp_path, name):
    assert camera.camera_moves(*film(tmp_path / "film.mp4", MOVING[name])) is True


def test_somebody_who_is_not_detected_moves_no_camera(tmp_path):
    assert camera.camera_moves(*film(tmp_path / "film.mp4", crop(100), passer=lambda t: 4 * t)) is False


def test_too_little_is_seen(tmp_path):
    plain = film(tmp_path / "film.mp4", lambda t: np.full((180, 320), 200.0))
    assert camera.camera_moves(*plain) is None
    path, people, frame, fps = film(tmp_path / "pan.mp4", MOVING["pan"])
    assert camera.camera_moves(path, people[:0], frame[:0], fps) is None  # where the dancer is, is not known
    with pytest.raises(UserError, match="no such"):
        camera.camera_moves(tmp_path / "other.mp4", people, frame, fps)


def test_real_videos(shared):
    for name, size, fps, expected in (
        ("two_people.avi", (1280, 720), 50, True),
        ("dancer_1.mp4", (260, 260), 25, None),
    ):
        people = np.zeros((25 * fps, 15, 3))
        people[:, :2, 2] = 1
        people[:, 0, :2], people[:, 1, :2] = np.multiply(size, (0.25, 0.2)), np.multiply(size, (0.75, 0.9))
        assert camera.camera_moves(shared / "video" / name, people, np.arange(len(people)), fps) is expected, name
