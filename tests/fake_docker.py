"""A stand-in for docker that checks its arguments and writes as OpenPose, and fixtures that run extract_poses.sh."""

import json
import os
import subprocess
import sys

from conftest import ROOT
from test_video_reader import BUNDLED, CLICKS, flashes, make
from test_video_writer import song

SCRIPT = ROOT / "extract_poses.sh"

# Refuses what docker and OpenPose would refuse; writes a file for each frame of the video, with a person whose nose is
# in the middle of the picture. DOCKER_DOES makes it fail in a way that docker or OpenPose fails.
DOCKER = r"""
import json, os, pathlib, re, subprocess, sys, time
log = pathlib.Path(os.environ["DOCKER_LOG"])
with open(log, "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\n")
does, stem = os.environ.get("DOCKER_DOES", ""), ""
if sys.argv[1] == "kill":
    sys.exit()
if does.startswith("says "):
    code, text = does[5:].split(" ", 1)
    print(text, file=sys.stderr)
    sys.exit(int(code))
expected = (
    "run --rm --gpus all --name NAME --volume VIDEOS:/videos:ro --volume TARGET:/keypoints --workdir /openpose IMAGE "
    "./build/examples/openpose/openpose.bin --video VIDEO --write_json /keypoints --display 0 --render_pose 0 "
    "--model_pose BODY_25"
).split()
got = sys.argv[1:]
assert len(got) == len(expected), got
values = {}
for word, pattern in zip(got, expected):
    capital = re.search("[A-Z]{4,}$|^[A-Z]{4,}", pattern)
    if capital and pattern != "BODY_25":
        rest = pattern.replace(capital[0], "")
        assert word.endswith(rest), (word, pattern)
        values[capital[0]] = word[: len(word) - len(rest)]
    else:
        assert word == pattern, (word, pattern)
assert re.fullmatch("[a-zA-Z0-9][a-zA-Z0-9_.-]+", values["NAME"])  # what docker takes
assert re.fullmatch("[a-z0-9./:_-]+", values["IMAGE"]) and os.path.isabs(values["VIDEOS"])
assert values["VIDEO"].startswith("/videos/") and not os.listdir(values["TARGET"])
video = pathlib.Path(values["VIDEOS"], values["VIDEO"][8:])
assert video.is_file() and "%" not in video.name
about = subprocess.run([os.environ["FFMPEG"], "-noautorotate", "-i", f"file:{video}", "-f", "rawvideo", "-pix_fmt",
                        "gray", "-fps_mode", "passthrough", "-"], capture_output=True, stdin=subprocess.DEVNULL)
width, height = map(int, re.search(rb"(\d{2,})x(\d{2,})", about.stdout and about.stderr).groups())
for t in range(len(about.stdout) // (width * height)):
    top, middle, low, feet = ([width / 2, y, 0.9] for y in (1.0, height / 2, height - 1, 101.0))
    arm, leg = top + middle + top, middle + low + feet
    joints = middle + top + arm * 2 + middle + leg * 2 + middle * 4 + feet * 6  # in the order of BODY_25
    name = video.stem + f"_{t:012}_keypoints.json"
    person = {"person_id": [-1], "pose_keypoints_2d": joints}
    pathlib.Path(values["TARGET"], name).write_text(json.dumps({"version": 1.3, "people": [person]}))
    if does == "hangs" and t == 5:
        time.sleep(600)
    if does == "stops early" and t == 5:
        break
    if does == "crashes in bad" and t == 5 and "bad" in video.name:
        print("Error:\nCuda check failed (2 vs. 0): out of memory", file=sys.stderr)
        sys.exit(255)
print("OpenPose demo successfully finished.")
"""


def extract(tmp_path):
    """Return a function that runs the script in the test's folder, with a stand-in for docker."""
    (tmp_path / "bin").mkdir()
    for name, code in {"docker": DOCKER, "nvidia-smi": ""}.items():
        (tmp_path / "bin" / name).write_text(f"#!{sys.executable}\n{code}")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "videos").mkdir()

    def run(*arguments, does="", start=subprocess.run, script=SCRIPT, **more):
        more = {name: str(value) for name, value in more.items()}
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        ours = {"PATH": path, "L2D_PYTHON": sys.executable, "DOCKER_LOG": str(tmp_path / "log"), "FFMPEG": BUNDLED}
        kept = {k: v for k, v in os.environ.items() if k not in ("OPENPOSE_IMAGE", "POSE_BACKEND", "L2D_POSE_PYTHON")}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
        command = [str(script), *map(str, arguments or ("videos", "data"))]
        return start(command, env=kept | ours | {"DOCKER_DOES": does} | more, **pipes)

    return run


def calls(tmp_path) -> list[list[str]]:
    """Return the arguments of each call of docker so far, and forget them."""
    log = tmp_path / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return [json.loads(line) for line in lines]


def error_line(done) -> str:
    """Return the one line of a run that ended with 2."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
    assert done.returncode == 2 and len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    return lines[0]


def two(tmp_path, extract):
    """Two videos, one with sound."""
    make("-i", flashes(tmp_path / "p.mp4"), "-i", song(tmp_path / "s.wav", clicks=CLICKS), tmp_path / "videos/a.mp4")
    flashes(tmp_path / "videos" / "b.mov.mp4", 30)
    return tmp_path / "videos"
