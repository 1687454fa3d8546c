"""Run OpenPose in docker on an NVIDIA GPU, one clip at a time."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from learn2dance.errors import UserError
from learn2dance.media.ffmpeg import running

IMAGE = "cwaffles/openpose"  # with CUDA 10, which supports GPUs up to Turing (RTX 20)
NEWER = "ghcr.io/hiibolt/igait-openpose"  # with CUDA 11.3; its author ran it on an A100
HOME, BINARY = "/openpose", "./build/examples/openpose/openpose.bin"  # OpenPose's folder and program in both images

_HINTS = {  # pattern in the output of docker: advice to the user; tried in this order
    r"permission denied.*(docker|daemon)|(docker|daemon).*permission denied": "you may not use docker: "
    "`sudo usermod -aG docker $USER`, then log in anew",
    r"cannot connect to the docker daemon|is the docker daemon running": "docker is not running: start it",
    r"could not select device driver|unknown or invalid runtime|nvidia-container-cli|no nvidia": "docker cannot use "
    "the GPU: install the NVIDIA Container Toolkit",
    r"pull access denied|manifest unknown|manifest for|not found: manifest|error pulling|"
    r"failed to resolve|no such host|request canceled|timeout|unauthorized|invalid reference format|toomanyrequests": ""
    "the image cannot be pulled: is OPENPOSE_IMAGE right, and is there a network?",
    r"no such file or directory|executable file not found": f"the image has no {HOME}/{BINARY[2:]}: give another "
    "OPENPOSE_IMAGE",
}
_OLD = r"no kernel image|cudnn_status|invalid device function|cuda driver version"  # image too old for the GPU
_VIDEO = {r"out of memory": "the GPU has too little memory, or is in use", r"no space left": "the disk is full"}


class Unusable(UserError):
    """A UserError that would occur with every other video too."""


def command(image: str, name: str, video: Path, target: Path) -> list[str]:
    """Return the docker command that runs OpenPose on a video and writes a JSON file for each frame.

    Parameters
    ----------
    image : str
        Name of a docker image with OpenPose built in ``/openpose``.
    name : str
        Name of the container, used to kill it.
    video, target : Path
        The video (its folder is mounted read-only), and the folder to write into.

    Raises
    ------
    Unusable
        If docker cannot mount one of the folders.
    """
    folder, target = video.absolute().parent, target.absolute()
    for path in (folder, target):
        if ":" in str(path):
            raise Unusable(f"{path}: docker cannot mount a folder with ':' in its path; rename or move it")
    return [
        *("docker run --rm --gpus all --name".split() + [name]),
        *("--volume", f"{folder}:/videos:ro", "--volume", f"{target}:/keypoints"),
        *("--workdir", HOME, image, BINARY),
        *("--video", f"/videos/{video.name}", "--write_json", "/keypoints"),
        *"--display 0 --render_pose 0 --model_pose BODY_25".split(),
    ]


def fetch(image: str) -> None:
    """Pull a missing image and show docker's progress, if stdout is a terminal; `detect` reports a failed pull."""
    here = ["docker", "image", "inspect", image]
    with contextlib.suppress(FileNotFoundError):
        if sys.stdout.isatty() and subprocess.run(here, capture_output=True, check=False).returncode:
            subprocess.run(["docker", "pull", image], stderr=subprocess.DEVNULL, check=False)


def detect(image: str, video: Path, target: Path, named: Path) -> Iterator[None]:
    """Run OpenPose on a video; yield once for each frame written. Error messages call the video ``named``.

    Raises
    ------
    UserError
        If OpenPose fails on this video.
    Unusable
        If docker, the image or the GPU fails, so that every video would fail.
    """
    name = f"learn2dance-{os.getpid()}-{time.monotonic_ns()}"
    done = 0
    with tempfile.TemporaryFile() as said:
        try:
            ran = running(
                command(image, name, video, target), stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
            )
            with ran as process, _killing(process, name):
                while process.poll() is None:
                    time.sleep(0.1)
                    written = len(os.listdir(target))
                    yield from [None] * (written - done)
                    done = max(done, written)
        except FileNotFoundError:
            raise Unusable("docker: not installed, or not on the PATH; --backend mediapipe does without it") from None
        said.seek(0)
        lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    yield from [None] * (len(os.listdir(target)) - done)
    if process.returncode:
        raise _fault(image, named, process.returncode, lines)


@contextlib.contextmanager
def _killing(process: subprocess.Popen, name: str) -> Iterator[None]:
    """Kill the container when the block ends before docker does: signals do not reach the processes inside it."""
    try:
        yield
    finally:
        if process.poll() is None:
            kill = ["docker", "kill", name]
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(kill, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)


def _fault(image: str, video: Path, code: int, lines: list[str]) -> UserError:
    """Return the error that explains docker's or OpenPose's output and exit code."""
    text = "\n".join(lines).lower()
    ours = code in (125, 126, 127) or any(line.lower().startswith("docker:") for line in lines)
    for pattern, hint in (_HINTS if ours else {}).items():
        if match := re.search(pattern, text):
            line = next((line for line in lines if match[0] in line.lower()), lines[0])
            return Unusable(f"docker with {image}: {hint} ({line[:200]})")
    if re.search(_OLD, text):
        hint = f"its CUDA and your GPU do not go together: for newer GPUs OPENPOSE_IMAGE={NEWER}"
        return Unusable(f"docker with {image}: {hint}")
    for pattern, hint in _VIDEO.items():
        if re.search(pattern, text):
            return (Unusable if ours else UserError)(f"{video}: {hint}")
    reason = lines[-1][:200] if lines else "it did not say why"
    if code in (125, 126, 127):
        return Unusable(f"docker with {image}: exit code {code} ({reason})")
    if code < 0 or code > 128:
        reason = f"ended by {signal.Signals(abs(code) % 128).name}; {reason}"
    return UserError(f"{video}: OpenPose failed ({reason})")
