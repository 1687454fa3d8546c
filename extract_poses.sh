#!/usr/bin/env bash
# Detect the poses in a folder of videos, and extract the sound.
#
# Reads   VIDEOS_DIR: .mp4, .mov, .avi, .mkv, .webm … of one dancer each
# Writes  DATA/keypoints/<clip>/<clip>_000000000000_keypoints.json …: OpenPose's BODY_25, one file per frame
#         DATA/audio/<clip>.wav: the sound from the first frame on, unless DATA/audio has music for the clip
#         DATA/clips.csv: frames per second of each clip
#
#     ./extract_poses.sh videos data
#     ./extract_poses.sh "my videos" data --backend mediapipe
#
#   --backend openpose    OpenPose in docker, on an NVIDIA GPU: everybody in the picture. OPENPOSE_IMAGE names the image:
#                         cwaffles/openpose (the default, CUDA 10), ghcr.io/hiibolt/igait-openpose (CUDA 11.3, for
#                         newer GPUs), or your own with OpenPose in /openpose.
#   --backend mediapipe   MediaPipe Pose on the CPU: one person per frame. It is installed into .venv-pose on first use.
#   --quiet               print only warnings and errors
#
# The default backend (without --backend or POSE_BACKEND) is openpose if docker and an NVIDIA GPU are found, else
# mediapipe. Variable frame rates are made constant, and rotated videos are turned upright. Complete clips are skipped,
# interrupted ones are extracted again; to repeat a complete clip, delete its folder in keypoints. L2D_PYTHON and
# L2D_POSE_PYTHON name the Pythons to use instead of those in .venv and .venv-pose.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fault() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}

supported() { # a Python that mediapipe has wheels for
    "$1" -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}

make_pose_environment() {
    local base='' candidate log version
    for candidate in "$python" python3.12 python3.11 python3.10 python3.9 python3; do
        if supported "$candidate"; then
            base=$candidate
            break
        fi
    done
    if [ -z "$base" ]; then
        version=$("$python" -c 'import platform; print(platform.python_version())' 2>/dev/null || echo unknown)
        fault "found Python $version, mediapipe needs 3.9 to 3.12; install python3.12 and its venv, or use --backend openpose, which needs docker and an NVIDIA GPU"
    fi
    [ "$quiet" ] || echo "$here/.venv-pose: installing mediapipe (130 MB to download, 420 MB on disk)"
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    "$base" -m venv --clear "$here/.venv-pose" >"$log" 2>&1 ||
        fault "$here/.venv-pose: cannot be created ($(grep -v '^ *$' "$log" | tail -n 1)); on Debian and Ubuntu: apt install python3-venv"
    "$here/.venv-pose/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
        -r "$here/requirements-pose.txt" >"$log" 2>&1 ||
        fault "mediapipe cannot be installed ($(grep -i error "$log" | tail -n 1)); check the network and the space on the disk"
    "$here/.venv-pose/bin/python" -c 'import mediapipe' >"$log" 2>&1 ||
        fault "mediapipe is installed but does not start ($(tail -n 1 "$log"))"
    cp "$here/requirements-pose.txt" "$here/.venv-pose/installed"
}

folders=() backend=${POSE_BACKEND:-} quiet=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help)
            sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p;}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        --backend) backend=${2-} && shift ;;
        --backend=*) backend=${1#*=} ;;
        --quiet) quiet=--quiet ;;
        --) shift && folders+=("$@") && break ;;
        -?*) fault "unknown option $1; see --help" ;;
        *) folders+=("$1") ;;
    esac
    shift || fault "--backend: expected openpose or mediapipe after it"
done
[ ${#folders[@]} -eq 2 ] || fault "expected VIDEOS_DIR and DATA, found ${#folders[@]} folders; see --help"

python=${L2D_PYTHON:-$here/.venv/bin/python}
"$python" -c 'import imageio_ffmpeg, scipy, tqdm' 2>/dev/null ||
    fault "$python: not a Python that has requirements.txt installed; run \`make venv\` in $here first"

case $backend in
    openpose | mediapipe) ;;
    '')
        if ! command -v docker >/dev/null; then
            backend=mediapipe why='no docker found'
        elif ! nvidia-smi -L >/dev/null 2>&1; then
            backend=mediapipe why='no NVIDIA GPU found'
        else
            backend=openpose why='docker and an NVIDIA GPU found'
        fi
        [ "$quiet" ] || echo "$why: --backend $backend"
        ;;
    *) fault "--backend $backend: expected openpose or mediapipe" ;;
esac

pose_python=${L2D_POSE_PYTHON:-$here/.venv-pose/bin/python}
if [ "$backend" = mediapipe ] && [ -z "${L2D_POSE_PYTHON:-}" ]; then
    cmp -s "$here/requirements-pose.txt" "$here/.venv-pose/installed" || make_pose_environment
elif [ "$backend" = mediapipe ]; then
    command -v "$pose_python" >/dev/null || fault "L2D_POSE_PYTHON=$pose_python: no such program; name a Python that has mediapipe"
fi

export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" -m learn2dance.poses.extract --backend "$backend" --pose-python "$pose_python" \
    ${OPENPOSE_IMAGE:+--image "$OPENPOSE_IMAGE"} ${quiet:+"$quiet"} -- "${folders[@]}"
