"""The toy camera is a pinhole, and the toy detector errs at the rates that it states."""

import numpy as np
import pytest

from learn2dance.synthetic.camera import Camera, detect, random_runs


def test_the_camera_is_a_pinhole():
    camera = Camera(distance=5.0, azimuth=0.0, height=0.95, focal=1000.0)
    points = np.array([[[0, 0.95, 0], [1, 0.95, 0], [0, 1.95, 0], [1, 0.95, -5], [0, 0, 1]]], float)
    expected = [[640, 360], [840, 360], [640, 160], [740, 360], [640, 360 + 950 / 4]]
    np.testing.assert_allclose(camera.project(points)[0], expected)


def test_detection_errors_come_at_their_rates():
    still = np.random.default_rng(0).uniform((500, 200), (700, 600), (25, 2))
    height = np.ptp(still[:, 1])
    found = detect(np.tile(still, (8000, 1, 1)), np.random.default_rng(1))
    seen = found[..., 2] > 0
    assert (found[~seen] == 0).all()
    assert 1 - seen.mean() == pytest.approx(0.01, rel=0.15)
    starts = (~seen[1:] & seen[:-1]).sum()
    assert (~seen).sum() / starts == pytest.approx(3.0, rel=0.15)  # consecutive frames
    error = np.linalg.norm(found[..., :2] - still, axis=-1)[seen] / height
    confidence = found[..., 2][seen]
    wild = error > 0.06
    assert wild.mean() == pytest.approx(0.001, rel=0.3)
    assert error[~wild].mean() == pytest.approx(0.005, rel=0.03)
    assert np.corrcoef(error[~wild], confidence[~wild])[0, 1] < -0.35
    assert confidence[wild].max() <= 0.6 < np.median(confidence[~wild]) < 0.9


def test_runs_have_their_share_and_length():
    mask = random_runs(200_000, 0.05, 4.0, np.random.default_rng(0))
    assert mask.mean() == pytest.approx(0.05, rel=0.1)
    assert mask.sum() / (mask[1:] & ~mask[:-1]).sum() == pytest.approx(4.0, rel=0.1)
