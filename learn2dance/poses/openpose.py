"""OpenPose in docker: one clip at a time, on an NVIDIA GPU."""

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

IMAGE = "cwaffles/openpose"  # with CUDA 10, which knows GPUs up to Turing (RTX 20)
NEWER = "ghcr.io/hiibolt/igait-openpose"  # with CUDA 11.3; its author ran it on an A100
HOME, BINARY = "/openpose", "./build/examples/openpose/openpose.bin"  # where both images have it

_HINTS = {  # what docker and OpenPose say, and what helps; they are searched in this order
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
_OLD = r"no kernel image|cudnn_status|invalid device function|cuda driver version"  # of the image, for the GPU
_VIDEO = {r"out of memory": "the GPU has too little memory, or is in use", r"no space left": "the disk is full"}


class Unusable(UserError):
    """A UserError that no other video would escape."""


def command(image: str, name: str, video: Path, target: Path) -> list[str]:
    """Return the command that has OpenPose write a JSON file for each frame of a video into a folder.

    Parameters
    ----------
    image : str
        Of docker, with OpenPose built in ``/openpose``.
    name : str
        Of the container, by which it can be ended.
    video, target : Path
        The video, whose folder is mounted read-only, and the folder to write into.

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
    """Pull an image that is not here yet, in sight of who waits for it; `detect` tells if that fails."""
    here = ["docker", "image", "inspect", image]
    with contextlib.suppress(FileNotFoundError):
        if sys.stdout.isatty() and subprocess.run(here, capture_output=True, check=False).returncode:
            subprocess.run(["docker", "pull", image], stderr=subprocess.DEVNULL, check=False)


def detect(image: str, video: Path, target: Path, named: Path) -> Iterator[None]:
    """Run OpenPose over a video, ``named`` so in faults; yield once for each frame that it has written.

    Raises
    ------
    UserError
        If OpenPose fails on this video.
    Unusable
        If docker, the image or the GPU is what fails, so that every video would.
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
    """Make a block after which the container is gone, whatever ends it: signals do not reach what runs in it."""
    try:
        yield
    finally:
        if process.poll() is None:
            kill = ["docker", "kill", name]
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(kill, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)


def _fault(image: str, video: Path, code: int, lines: list[str]) -> UserError:
    """Say what docker or OpenPose failed of."""
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
