"""Find out from a video whether its camera moves, by what the picture does around the people in it."""

from collections import deque
from pathlib import Path

import numpy as np
from scipy.fft import irfft2, rfft2

from learn2dance.errors import UserError
from learn2dance.media import video_reader
from learn2dance.poses.formats.openpose_json import BODY, body_size

WIDE = 256  # pixels: longer side of the frames that are compared
BLOCK = 32  # pixels: side of the square blocks that are compared
RATE = 2.0  # frames a second that are compared …
LAG = 2  # … each with the frame this many before it: 1 s
MARGIN = 0.1  # body sizes: people cover their bounding box and this much around it
CONTRAST = 4.0  # grey levels: blocks with a lower standard deviation are ignored
FEWEST = 3  # blocks: with fewer around the people, two frames are not compared
MOVED = 0.03  # body sizes: a block that is displaced farther than this, and than 1 pixel, has moved
SHARE = 0.05  # of the comparisons: the camera moves if most blocks have moved in more of them


def stands_still(
    travel: str | None, video: Path | None, people: np.ndarray, frame: np.ndarray, fps: float
) -> tuple[bool, str]:
    """Tell whether the camera of a clip stands still, and how that is known, as a text.

    ``travel`` is ``"on"`` if the user says that it does, ``"off"`` if not, or None: then ``video`` is looked at, if
    there is one. ``people``, ``frame`` and ``fps`` are those of `camera_moves`. If nothing tells, it is assumed.
    """
    if travel:
        return travel == "on", f"camera {'stands still' if travel == 'on' else 'moves'}, as given"
    if not video:
        return True, "camera assumed to stand still: no video"
    try:
        moves = camera_moves(video, people, frame, fps)
    except UserError as error:
        return True, f"camera assumed to stand still: {error}"
    if moves is None:
        return True, f"camera assumed to stand still: {video.name} shows too little around the people"
    return not moves, f"camera {'moves' if moves else 'stands still'} in {video.name}"


def camera_moves(video: Path, people: np.ndarray, frame: np.ndarray, fps: float) -> bool | None:
    """Tell whether a video's camera moves, turns or zooms; None if too little is seen around the people.

    ``people`` (N, J, 3) are x right, y down in pixels of the video, and confidence, 0 where not detected; ``frame``
    (N,) are their frames, non-decreasing, at ``fps`` frames a second.

    Frames one second apart are cut into blocks, without those that people cover, and the displacement of each block is
    found by phase correlation (Kuglin and Hines, "The phase correlation image alignment method", 1975). If more than
    half of the blocks have moved, so has the camera; somebody who walks past moves fewer. Raises a UserError if the
    video cannot be read.
    """
    footage = video_reader.look(video)
    scale = WIDE / max(footage.size)
    width, height = (max(BLOCK, round(side * scale)) for side in footage.size)
    boxes, limit = _boxes(people * scale), 1.0
    if len(size := body_size(people)[body_size(people) > 0]):
        limit = max(limit, MOVED * scale * np.median(size))
    moved = []
    earlier: deque = deque(maxlen=LAG)
    with video_reader.reading(footage, "gray", (width, height), RATE) as stream:
        number = 0
        while len(data := stream.stdout.read(width * height)) == width * height:
            blocks = _blocks(np.frombuffer(data, np.uint8).reshape(height, width).astype(np.float32))
            now = round(number / RATE * fps)
            here = boxes[np.searchsorted(frame, now) : np.searchsorted(frame, now + 1)]
            free = (blocks.std(axis=(2, 3)) >= CONTRAST) & ~_covered(here, blocks.shape[:2])
            free &= len(here) > 0  # where nobody was detected, it is not known which blocks the dancer covers
            if len(earlier) == LAG:
                before, free_before = earlier[0]
                both = free & free_before
                if both.sum() >= FEWEST:
                    moved.append(np.mean(_displacement(before[both], blocks[both]) > limit) > 0.5)
            earlier.append((blocks, free))
            number += 1
    return bool(np.mean(moved) > SHARE) if moved else None


def _blocks(picture: np.ndarray) -> np.ndarray:
    """Cut a picture (height, width) into blocks (rows, columns, BLOCK, BLOCK); what is left over is cut off."""
    rows, columns = picture.shape[0] // BLOCK, picture.shape[1] // BLOCK
    whole = picture[: rows * BLOCK, : columns * BLOCK]
    return whole.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2)


def _boxes(people: np.ndarray) -> np.ndarray:
    """Return the boxes (N, 4) that people (N, J, 3) cover: left, top, right, bottom; empty if no joint is seen."""
    unseen = people[:, :BODY, 2:] <= 0
    low = np.where(unseen, np.inf, people[:, :BODY, :2]).min(axis=1)
    high = np.where(unseen, -np.inf, people[:, :BODY, :2]).max(axis=1)
    margin = MARGIN * body_size(people)[:, None]
    return np.concatenate([low - margin, high + margin], axis=1)


def _covered(boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return which blocks, bool (rows, columns), overlap one of the boxes (N, 4)."""
    top, left = BLOCK * np.arange(shape[0])[:, None, None], BLOCK * np.arange(shape[1])[None, :, None]
    beside = (boxes[:, 0] >= left + BLOCK) | (boxes[:, 2] <= left)
    above = (boxes[:, 1] >= top + BLOCK) | (boxes[:, 3] <= top)
    return (~beside & ~above).any(axis=2)


def _displacement(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return how far, in whole pixels (n,), blocks (n, BLOCK, BLOCK) are displaced, by phase correlation."""
    window = np.outer(np.hanning(BLOCK), np.hanning(BLOCK)).astype(np.float32)
    one, two = (rfft2((blocks - blocks.mean(axis=(1, 2), keepdims=True)) * window) for blocks in (before, after))
    product = two * one.conj()
    correlation = irfft2(product / np.maximum(np.abs(product), 1e-6), s=(BLOCK, BLOCK))
    peak = correlation.reshape(len(before), -1).argmax(axis=1)
    down, right = np.divmod(peak, BLOCK)
    return np.hypot(*(np.where(shift > BLOCK // 2, shift - BLOCK, shift) for shift in (down, right)))
