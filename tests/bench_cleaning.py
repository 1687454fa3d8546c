"""Compare smoothers of detected poses with the truth, beside the one of parse.py.

    python tests/bench_cleaning.py DATA [--split train val test] [--noise detected white ar3 …]

DATA is a data root with keypoints/ and truth/<clip>.npz: poses (T, 25, 2) in pixels. All smoothers get the same joints,
after outliers are removed and gaps filled. For each smoother, means over the clips of the split:

relative  error of the joints relative to MidHip, % of the body's height (median height of the true joints in the frame)
absolute  error of the joints, % of the height
accel     norm of the error of the second difference, % of the height / frame²
fast      error of wrists and ankles in the fastest 1% of their frames, % of the height
FID_k     of the clips' kinetic features against those of the truth: of blocks of 20 s, half against the other half
          (as in the report); "truth" is that of the true joints themselves
frames/s  of `cleaning.clean`, in CPU time

Noise other than "detected" is put on the true joints in place of the detector's, with a deviation of 0.45% of the
height (half and double are white noise of another level): white, ar3 and ar5 (autoregressive, correlated over 3 and 5
frames), mean4 (a mean over 4 frames), blur1.5 (under a Gaussian of 1.5 frames).

If DATA has no truth/, its keypoints are taken for clean: printed are the mean change in torso lengths, and the speed of
wrists and ankles in the fastest 1% of their frames over that before.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, lfilter, savgol_filter, sosfiltfilt

sys.path.insert(0, str(Path(__file__).parents[1]))
from learn2dance import threads
from learn2dance.data import data_root
from learn2dance.evaluation import scoring
from learn2dance.metrics import distribution, motion_features
from learn2dance.motion import kinematics, skeleton
from learn2dance.poses import cleaning, smoothing, tracking
from learn2dance.poses.formats import clip_files, openpose_json, other_tools

HANDS_AND_FEET = [4, 7, 11, 14]
NOISE = 0.0045  # of the height: that of the ballroom data
SAVGOL = {
    "window_length": 9,
    "polyorder": 3,
}  # least relative error on the train split, of 5 to 13 frames and orders 2 and 3
ONE_EURO = {"cutoff": 3.0, "beta": 60.0}  # the same, of 1, 2, 3, 5 and 8 Hz, and 3, 10, 30 and 60 Hz s / body size


def unsmoothed(positions: np.ndarray, confidence: np.ndarray, fps: float) -> np.ndarray:
    return positions


def butterworth(positions: np.ndarray, confidence: np.ndarray, fps: float) -> np.ndarray:
    """Filter at 5 Hz, forwards and backwards (the smoother of parse.py until version 1)."""
    return sosfiltfilt(
        butter(3, 5.0, fs=fps, output="sos"), positions, axis=0, padlen=min(int(fps), len(positions) - 1)
    )


def savitzky_golay(positions: np.ndarray, confidence: np.ndarray, fps: float) -> np.ndarray:
    return savgol_filter(positions, **SAVGOL, axis=0)


def one_euro(positions: np.ndarray, confidence: np.ndarray, fps: float) -> np.ndarray:
    """Filter as Casiez, Roussel and Vogel (CHI 2012), who need no future frame: it lags behind."""

    def share(cutoff):
        return 1 / (1 + fps / (2 * np.pi * cutoff))

    result, velocity = positions.copy(), np.zeros(positions.shape[1:])
    for t in range(1, len(positions)):
        velocity += share(1.0) * ((positions[t] - positions[t - 1]) * fps - velocity)
        cutoff = ONE_EURO["cutoff"] + ONE_EURO["beta"] * np.abs(velocity)
        result[t] = result[t - 1] + share(cutoff) * (positions[t] - result[t - 1])
    return result


SMOOTHERS = {
    "none": unsmoothed,
    "one euro": one_euro,
    "savitzky-golay": savitzky_golay,
    "butterworth": butterworth,
    "parse.py": smoothing.smooth,
}


def read(root: data_root.DataRoot, clip: str) -> np.ndarray:
    """Return the dancer's keypoints (T, 15, 3), as parse.py finds them."""
    source = root.keypoints[clip]
    files, _ = clip_files.read(source)
    found = other_tools.read(source, files) or openpose_json.read(source, files)
    people = openpose_json.to_body_25(source, found.people, 15)
    dancer = tracking.rank_people(people, found.frame, root.fps[clip], 1)[0].rows
    keypoints = np.zeros((found.frames, 15, 3), np.float32)
    keypoints[found.frame[dancer]] = people[dancer]
    return keypoints


def with_noise(keypoints: np.ndarray, truth: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Replace the detector's errors by noise of a kind; joints that it lost, and its outliers, stay."""
    if kind == "detected":
        return keypoints
    noise = rng.normal(size=(len(truth) + 100, *truth.shape[1:]))
    if kind.startswith("ar"):
        noise = lfilter([1], [1, -np.exp(-1 / float(kind[2:]))], noise, axis=0)
    elif kind.startswith("mean"):
        noise = lfilter(np.ones(int(kind[4:])), [1], noise, axis=0)
    elif kind.startswith("blur"):
        noise = gaussian_filter1d(noise, float(kind[4:]), axis=0)
    noise = noise[50:-50] / noise[50:-50].std() * {"half": 0.5, "double": 2.0}.get(kind, 1.0) * NOISE * height(truth)
    result = keypoints.copy()
    near = np.linalg.norm(keypoints[..., :2] - truth, axis=-1) < 0.03 * height(truth)
    seen = (keypoints[..., 2] > 0) & near
    result[seen, :2] = (truth + noise)[seen]
    return result


def height(truth: np.ndarray) -> float:
    return float(np.median(np.ptp(truth[..., 1], axis=1)))


def fastest(truth: np.ndarray) -> np.ndarray:
    """Return bool (T - 1, 4): whether a wrist or an ankle is among its fastest 1% of frames."""
    speed = np.linalg.norm(np.diff(truth[:, HANDS_AND_FEET], axis=0), axis=-1)
    return speed >= np.nanpercentile(speed, 99, axis=0)


def errors(poses: np.ndarray, truth: np.ndarray) -> list[float]:
    """Return the first four measures of the module's docstring."""
    error = (poses - truth) / height(truth) * 100

    def norm(vectors: np.ndarray) -> np.ndarray:
        return np.linalg.norm(vectors, axis=-1)

    ends = norm(error)[:, HANDS_AND_FEET]
    at_fast = ((ends[1:] + ends[:-1]) / 2)[fastest(truth)]
    relative, second = norm(error - error[:, 8:9]), norm(np.diff(error, n=2, axis=0))
    return [np.nanmean(values) for values in (relative, norm(error), second, at_fast)]


def describe(poses: np.ndarray, fps: float) -> dict:
    """Return the kinetic features of windows and the blocks of `scoring` in which they lie; -1 between two blocks."""
    motion = kinematics.low_pass(skeleton.normalise(poses, fps), fps)
    windows, starts = motion_features.cut(motion)
    block, within = np.divmod(starts, scoring.BLOCK)
    block[within > scoring.BLOCK - motion_features.SECONDS] = -1
    return {"features": motion_features.kinetic(windows), "block": block.astype(int)}


def fid(dances: dict, truth: dict) -> float:
    """Return the mean FID_k over random divisions of the blocks: one half of the dances, the other of the truth."""
    mean, deviation = distribution.scale(np.concatenate([dance["features"] for dance in truth.values()]))
    found = []
    for division in range(scoring.DIVISIONS):
        rng, ours, theirs = np.random.default_rng([0, division]), [], []
        for clip, true in truth.items():
            side = rng.permutation(true["block"].max() + 2) % 2 == rng.integers(2)
            for dance, chosen, kept in ((dances[clip], side, ours), (true, ~side, theirs)):
                inside = (dance["block"] >= 0) & (dance["block"] < len(side))
                kept.append(dance["features"][inside & chosen[np.where(inside, dance["block"], 0)]])
        sides = [(np.concatenate(kept) - mean) / deviation for kept in (ours, theirs)]
        found.append(distribution.frechet(*sides))
    return float(np.mean(found))


def clean_with(smoother, keypoints: dict[str, np.ndarray], fps: dict[str, float]) -> tuple[dict, float]:
    """Clean all clips with a smoother; return their poses by clip, and frames per second."""
    begin = time.process_time()
    usual, smoothing.smooth = smoothing.smooth, smoother
    try:
        poses = {clip: cleaning.clean(points, fps[clip])[0] for clip, points in keypoints.items()}
    finally:
        smoothing.smooth = usual
    return poses, sum(map(len, keypoints.values())) / (time.process_time() - begin)


def compare(root: data_root.DataRoot, clips: list[str], kinds: list[str]) -> None:
    """Print the table of a data root with truth/."""
    truth = {}
    for clip in clips:
        with np.load(root.path / "truth" / f"{clip}.npz") as file:
            truth[clip] = file["poses"][:, :15].astype(np.float64)
    detected = {clip: read(root, clip) for clip in clips}
    described = {clip: describe(poses, root.fps[clip]) for clip, poses in truth.items()}
    print(f"{'noise':9} {'smoother':15} relative absolute  accel   fast   FID_k  frames/s")
    print(f"{'':9} {'truth':15} {fid(described, described):39.1f}")
    for kind in kinds:
        rng = np.random.default_rng(0)
        keypoints = {clip: with_noise(detected[clip], truth[clip], kind, rng) for clip in clips}
        for name, smoother in SMOOTHERS.items():
            poses, rate = clean_with(smoother, keypoints, root.fps)
            means = np.mean([errors(poses[clip], truth[clip]) for clip in clips], axis=0)
            distance = fid({clip: describe(poses[clip], root.fps[clip]) for clip in clips}, described)
            print(
                f"{kind:9} {name:15} {'  '.join(f'{m:6.3f}' for m in means)}  {distance:6.1f}  {rate:8.0f}", flush=True
            )


def changes(root: data_root.DataRoot, clips: list[str]) -> None:
    """Print how much clean keypoints change, mean over the clips, and the largest mean change of a clip."""
    keypoints = {clip: read(root, clip) for clip in clips}
    print(f"{'smoother':15} change, torso lengths (of a clip, at most)   speed of the fastest 1%")
    for name, smoother in SMOOTHERS.items():
        poses, _ = clean_with(smoother, keypoints, root.fps)
        found = []
        for clip, points in keypoints.items():
            before = np.where(points[..., 2:] > 0, points[..., :2], np.nan).astype(np.float64)
            torso = np.nanmedian(skeleton.torso_length(before, root.fps[clip]))
            fast = fastest(before)
            speeds = [
                np.linalg.norm(np.diff(p[:, HANDS_AND_FEET], axis=0), axis=-1)[fast] for p in (poses[clip], before)
            ]
            change = np.nanmean(np.linalg.norm(poses[clip] - before, axis=-1)) / torso
            found.append((change, np.nansum(speeds[0]) / np.nansum(speeds[1])))
        change, ratio = np.transpose(found)
        print(f"{name:15} {change.mean():22.4f} {f'({change.max():.4f})':>20} {ratio.mean():25.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--split", nargs="+", choices=("train", "val", "test"), help="clips of these splits (all)")
    parser.add_argument("--noise", nargs="+", default=["detected"], help="kinds of noise (detected)")
    args = parser.parse_args()
    threads.limit(1)
    root = data_root.open_root(args.data)
    clips = [clip for name in args.split for clip in root.split(name, root.keypoints)] if args.split else []
    clips = clips or sorted(root.keypoints)
    print(f"{args.data}: {len(clips)} clips, {' and '.join(args.split or ['all'])}")
    if (Path(args.data) / "truth").is_dir():
        compare(root, clips, args.noise)
    else:
        changes(root, clips)


if __name__ == "__main__":
    main()
