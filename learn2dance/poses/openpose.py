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
    "`sudo usermod -aG docker $USER`, then log in again",
    r"cannot connect to the docker daemon|is the docker daemon running": "docker is not running: start it",
    r"could not select device driver|unknown or invalid runtime|nvidia-container-cli|no nvidia": "docker cannot use "
    "the GPU: install the NVIDIA Container Toolkit",
    r"pull access denied|manifest unknown|manifest for|not found: manifest|error pulling|"
    r"failed to resolve|no such host|request canceled|timeout|unauthorized|invalid reference format|toomanyrequests": ""
    "the image cannot be pulled: is OPENPOSE_IMAGE right, and is there a network?",
    r"no such file or directory|executable file not found": f"the image has no {HOME}/{BINARY[2:]}: use another "
    "OPENPOSE_IMAGE",
}
_OLD = r"no kernel image|cudnn_status|invalid device function|cuda driver version"  # image too old for the GPU
_VIDEO = {r"out of memory": "the GPU has too little memory, or is in use", r"no space left": "the disk is full"}


class UnusableError(UserError):
    """A UserError that would occur with every other video too."""


def _command(image: str, name: str, video: Path, target: Path) -> list[str]:
    """Return the docker command that runs OpenPose in a container of this name."""
    folder, target = video.absolute().parent, target.absolute()
    for path in (folder, target):
        if ":" in str(path):
            raise UnusableError(f"{path}: docker cannot mount a folder with ':' in its path; rename or move it")
    return [
        *f"docker run --rm --gpus all --name {name}".split(),
        *("--volume", f"{folder}:/videos:ro", "--volume", f"{target}:/keypoints"),
        *("--workdir", HOME, image, BINARY),
        *("--video", f"/videos/{video.name}", "--write_json", "/keypoints"),
        *"--display 0 --render_pose 0 --model_pose BODY_25".split(),
    ]


def fetch(image: str) -> None:
    """Pull a missing image and show docker's progress, if stdout is a terminal; `detect` reports a failed pull."""
    inspect = ["docker", "image", "inspect", image]
    with contextlib.suppress(FileNotFoundError):
        if sys.stdout.isatty() and subprocess.run(inspect, capture_output=True, check=False).returncode:
            subprocess.run(["docker", "pull", image], stderr=subprocess.DEVNULL, check=False)


def detect(image: str, video: Path, target: Path, original: Path) -> Iterator[None]:
    """Run OpenPose on a video; yield once for each frame of which it has written the JSON file into ``target``.

    ``image`` is a docker image with OpenPose built in ``/openpose``. Error messages name the video ``original``.

    Raises
    ------
    UserError
        If OpenPose fails on this video.
    UnusableError
        If docker, the image or the GPU fails, so that every video would fail.
    """
    name = f"learn2dance-{os.getpid()}-{time.monotonic_ns()}"
    done = 0
    with tempfile.TemporaryFile() as output:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
        try:
            with running(_command(image, name, video, target), **pipes) as process:
                try:
                    while process.poll() is None:
                        time.sleep(0.1)
                        written = len(os.listdir(target))
                        yield from [None] * (written - done)
                        done = max(done, written)
                finally:
                    if process.poll() is None:  # signals do not reach the processes inside the container
                        kill = ["docker", "kill", name]
                        with contextlib.suppress(subprocess.TimeoutExpired):
                            subprocess.run(kill, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        except FileNotFoundError:
            raise UnusableError("docker: not installed, or not on the PATH; use --backend mediapipe") from None
        output.seek(0)
        lines = [line.strip() for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    yield from [None] * (len(os.listdir(target)) - done)
    if process.returncode:
        raise _error(image, original, process.returncode, lines)


def _error(image: str, video: Path, code: int, lines: list[str]) -> UserError:
    """Return the error that explains docker's or OpenPose's output and exit code."""
    text = "\n".join(lines).lower()
    docker_code = code in (125, 126, 127)
    by_docker = docker_code or any(line.lower().startswith("docker:") for line in lines)
    for pattern, hint in (_HINTS if by_docker else {}).items():
        if match := re.search(pattern, text):
            line = next((line for line in lines if match[0] in line.lower()), lines[0])
            return UnusableError(f"docker with {image}: {hint} ({line[:200]})")
    if re.search(_OLD, text):
        return UnusableError(f"docker with {image}: its CUDA does not support your GPU; use OPENPOSE_IMAGE={NEWER}")
    for pattern, hint in _VIDEO.items():
        if re.search(pattern, text):
            return (UnusableError if by_docker else UserError)(f"{video}: {hint}")
    reason = lines[-1][:200] if lines else "no error message"
    if docker_code:
        return UnusableError(f"docker with {image}: exit code {code} ({reason})")
    if code < 0 or code > 128:
        reason = f"ended by {signal.Signals(abs(code) % 128).name}; {reason}"
    return UserError(f"{video}: OpenPose failed ({reason})")
