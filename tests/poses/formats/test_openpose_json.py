import io
import json
import math
import tarfile
import zipfile

import numpy as np
import pytest

from learn2dance.data import npz
from learn2dance.errors import UserError
from learn2dance.poses.formats import clip_files, openpose_json


def person(joints=25, offset=0.0, key="pose_keypoints_2d"):
    """Joint j at (10 j + offset, 20 j + offset), confidence 0.5."""
    return {key: [n for j in range(joints) for n in (10.0 * j + offset, 20.0 * j + offset, 0.5)]}


def text(*people):
    return json.dumps({"version": 1.3, "people": list(people)}).encode()


def frames(**contents):
    """Files named after their frames: f3=b"…" is the clip's frame 3."""
    return [(f"clip_{int(key[1:]):012d}_keypoints.json", data) for key, data in contents.items()]


def folder(path, files):
    path.mkdir(parents=True)
    for name, data in files:
        (path / name).write_bytes(data)
    return path


def tar(path, files, mode="w:gz", form=tarfile.PAX_FORMAT, mtime=0):
    with tarfile.open(path, mode, format=form) as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), mtime
            archive.addfile(member, io.BytesIO(data))
    return path


def read(path):
    return openpose_json.detect(path, clip_files.read(path)[0])


CLIP = frames(f0=text(person()), f1=text(), f2=text(person(offset=1), person(offset=2)))


def test_people_frames_and_joints_come_out_as_written(tmp_path):
    found = read(folder(tmp_path / "clip", CLIP))
    assert (found.frames, found.missing, found.odd) == (3, 0, 0)
    assert found.frame.tolist() == [0, 2, 2]
    assert found.people.shape == (3, 25, 3)
    assert found.people[2, 7].tolist() == [72, 142, 0.5]


def test_every_container_gives_the_same_files_and_the_digest_of_the_store(tmp_path):
    plain = folder(tmp_path / "clip", CLIP)
    nested = folder(tmp_path / "outer" / "clip", CLIP).parent
    inside = [(f"clip/{name}", data) for name, data in CLIP]
    with zipfile.ZipFile(tmp_path / "clip.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [*inside, ("clip/notes.txt", b"-"), ("__MACOSX/clip/._x_0_keypoints.json", b"\0")]:
            archive.writestr(name, data)
    paths = [
        nested,
        tmp_path / "clip.zip",
        tar(tmp_path / "dot.tar", [(f"./{name}", data) for name, data in CLIP], "w"),
        tar(tmp_path / "clip.tar.gz", inside),
        tar(tmp_path / "clip.tgz", CLIP),
        tar(tmp_path / "clip.tar", inside, "w"),
        tar(tmp_path / "gnu.tar", inside, "w", tarfile.GNU_FORMAT),
        tar(tmp_path / "pax.tar", inside, "w", mtime=1.5),  # an extended header before each member
        tar(tmp_path / "long.tar.gz", [(f"{'deep/' * 30}{name}", data) for name, data in CLIP]),
        tar(tmp_path / "mixed.tar", [*inside[:1], *((f"{'deep/' * 30}{n}", d) for n, d in CLIP[1:])], "w"),
    ]
    expected = read(plain)
    for path in paths:
        found = read(path)
        assert np.array_equal(found.people, expected.people), path
        assert found.frame.tolist() == [0, 2, 2], path
    for path in (plain, *paths[1:]):
        assert clip_files.read(path)[1] == npz.digest(path), path


def test_digest_sees_a_changed_and_a_renamed_file(tmp_path):
    digests = {clip_files.read(folder(tmp_path / "a", CLIP))[1]}
    digests.add(clip_files.read(folder(tmp_path / "b", CLIP[:2]))[1])
    digests.add(clip_files.read(folder(tmp_path / "c", frames(f0=CLIP[0][1], f1=CLIP[1][1], f3=CLIP[2][1])))[1])
    assert len(digests) == 3


def test_a_file_larger_than_one_block_is_read_whole(tmp_path):
    crowd = text(*(person(offset=n) for n in range(300)))
    assert len(crowd) > 2 * clip_files.BLOCK
    assert len(read(folder(tmp_path / "clip", frames(f0=crowd))).people) == 300


def test_frame_numbers_come_from_the_names_and_gaps_keep_their_time(tmp_path):
    found = read(folder(tmp_path / "clip", frames(f3=text(person()), f40=text(person()))))
    assert (found.frames, found.missing) == (41, 39)
    assert found.frame.tolist() == [3, 40]


def test_older_key_and_people_without_a_body(tmp_path):
    clip = frames(f0=text(person(key="pose_keypoints"), {"pose_keypoints_2d": []}))
    assert read(folder(tmp_path / "clip", clip)).people.shape == (1, 25, 3)


def test_nobody_at_all_is_no_fault_of_the_files(tmp_path):
    found = read(folder(tmp_path / "clip", frames(f0=text(), f1=text())))
    assert found.people.shape == (0, 25, 3)
    assert found.frames == 2


def test_coco_18_becomes_the_15_with_the_hips_midpoint(tmp_path):
    # OpenPose's COCO order: 0 Nose 1 Neck … 8 RHip 9 RKnee 10 RAnkle 11 LHip 12 LKnee 13 LAnkle 14 REye …
    one, lame = person(18), person(18)
    one["pose_keypoints_2d"][3 * 11 + 2] = 0.3
    lame["pose_keypoints_2d"][3 * 8 : 3 * 9] = [0, 0, 0]
    path = folder(tmp_path / "clip", frames(f0=text(one), f1=text(lame)))
    body = openpose_json.to_body_25(path, read(path).people, 15)
    assert body.shape == (2, 15, 3)
    assert body[0, 8].tolist() == [(80 + 110) / 2, (160 + 220) / 2, np.float32(0.3)]  # MidHip
    assert body[0, [0, 7, 9, 11, 12, 14], 0].tolist() == [0, 70, 80, 100, 110, 130]
    assert body[1, 8].tolist() == [0, 0, 0]
    with pytest.raises(UserError, match="COCO-18, which has no feet"):
        openpose_json.to_body_25(path, read(path).people, 25)


@pytest.mark.parametrize(
    ("joint", "counted"),
    [
        ("NaN, 1, 0.5", 1),
        ("1, Infinity, 0.5", 1),
        ("1, -1e999, 0.5", 1),
        ("1, 2, NaN", 1),
        ("null, 2, 0.5", 1),
        ("1e7, 2, 0.5", 1),
        ("1e300, 2, 0.5", 1),
        ("1, 2, -0.5", 1),
        ("1, 2, 87", 1),
        ("1" + "0" * 400 + ", NaN, 0.5", 1),
        ("3, 4, 0", 0),
    ],
)
def test_impossible_numbers_are_not_seen_and_counted(tmp_path, joint, counted):
    data = text(person()).replace(b"[0.0, 0.0, 0.5", b"[" + joint.encode())
    found = read(folder(tmp_path / "clip", frames(f0=data)))
    assert found.people[0, 0].tolist() == [0, 0, 0]
    assert found.people[0, 1].tolist() == [10, 20, 0.5]
    assert found.odd == counted


def test_joints_off_the_picture_stay_and_confidence_ends_at_1(tmp_path):
    data = text(person()).replace(b"[0.0, 0.0, 0.5", b"[-12.5, -3, 1.04")
    assert read(folder(tmp_path / "clip", frames(f0=data))).people[0, 0].tolist() == [-12.5, -3, 1]


GOOD = text(person())


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (b"", "empty, expected OpenPose"),
        (b" \n", "empty, expected OpenPose"),
        (GOOD[:-40], "not whole JSON"),
        (GOOD + GOOD, "not whole JSON"),
        (b"\xff\xfe\xfa", "not whole JSON"),
        (b"[" * 100_000, "not whole JSON"),
        (b"[]", "list of 'people', found a list"),
        (b'[{"image_id": 1, "category_id": 1, "keypoints": [1, 2, 1]}]', "another tool"),
        (b'{"shapes": []}', "found keys shapes"),
        (b'{"people": null}', "list of 'people'"),
        (b'{"people": {"a": 1}}', "list of 'people'"),
        (b'{"people": [[1, 2, 3]]}', "a person without 'pose_keypoints_2d', found a list"),
        (b'{"people": [{"keypoints": []}]}', "a person without 'pose_keypoints_2d', found keys keypoints"),
        (text(person(24)), "72 numbers for a person, expected 75 .BODY_25. or 54 .COCO-18."),
        (text(person(17)), "51 numbers"),
        (text({"pose_keypoints_2d": [1.0] * 58}), "58 numbers"),
        (text(person(18)), "18 joints, but 25 in the files before"),
        (text({"pose_keypoints_2d": ["x"] * 75}), "not a list of numbers"),
        (text({"pose_keypoints_2d": "x" * 75}), "not a list of numbers"),
        (text({"pose_keypoints_2d": [[1, 2, 3]] * 25}), "not a list of numbers"),
    ],
)
def test_what_is_not_openposes_is_named_in_one_line(tmp_path, bad, says):
    path = folder(tmp_path / "clip", frames(f0=GOOD, f1=bad, f2=GOOD))
    with pytest.raises(UserError, match=says) as fault:
        read(path)
    assert "clip_000000000001_keypoints.json" in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["clip_keypoints.json"], "no frame number in the name"),
        (["a_0_keypoints.json", "b_0_keypoints.json"], "are the same frame"),
        (["a_0_keypoints.json", "a_999999999999_keypoints.json"], "are most files missing"),
        ([], "no .json files"),
        (["readme.txt"], "no .json files"),
    ],
)
def test_file_names(tmp_path, names, says):
    with pytest.raises(UserError, match=says):
        read(folder(tmp_path / "clip", [(name, GOOD) for name in names]))


def member(name="clip/x_0_keypoints.json", kind=tarfile.REGTYPE, link="", size=None):
    result = tarfile.TarInfo(name)
    result.type, result.linkname, result.size = kind, link, len(GOOD) if size is None else size
    return result


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
@pytest.mark.parametrize(
    ("hostile", "says"),
    [
        (member("../x_1_keypoints.json"), "leads out of it"),
        (member("clip/../../x_1_keypoints.json"), "leads out of it"),
        (member("/etc/x_1_keypoints.json"), "leads out of it"),
        (member("..\\x_1_keypoints.json"), "leads out of it"),
        (member("C:\\x_1_keypoints.json"), "leads out of it"),
        (member("../" + "deep/" * 40 + "x_1_keypoints.json"), "leads out of it"),
        (member("x_1_keypoints.json", tarfile.SYMTYPE, "/etc/passwd", 0), "a link or device"),
        (member("x_1_keypoints.json", tarfile.LNKTYPE, "clip/x_0_keypoints.json", 0), "a link or device"),
        (member("x_1_keypoints.json", tarfile.FIFOTYPE, size=0), "a link or device"),
        (member("x_1_keypoints.json", size=clip_files.LARGEST_FILE + 1), "16 MiB, expected the JSON of one frame"),
        (member("x_1_keypoints.json\nline", tarfile.SYMTYPE, "/", 0), "a link or device"),
    ],
)
def test_hostile_tar_is_refused_and_nothing_unpacked(tmp_path, ending, hostile, says):
    path = tmp_path / f"clip.{ending}"
    with tarfile.open(path, "w:gz" if ending == "tar.gz" else "w") as archive:
        archive.addfile(member(), io.BytesIO(GOOD))
        archive.addfile(hostile, io.BytesIO(bytes(hostile.size)))
    with pytest.raises(UserError, match=says) as fault:
        clip_files.read(path)
    assert "\n" not in str(fault.value)
    assert list(tmp_path.iterdir()) == [path]


def test_negative_size_in_a_tar_ends(tmp_path):
    header = bytearray(member().tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = b"-0000001000\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "clip.tar").write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(UserError, match="is it damaged"):
        clip_files.read(tmp_path / "clip.tar")


def test_hostile_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("clip/x_1_keypoints.json")
    link.external_attr = 0o120777 << 16
    giant = bytes(clip_files.LARGEST_FILE + 1)
    for name, data, says in (
        (link, b"/etc/passwd", "a link"),
        ("../x_1_keypoints.json", GOOD, "leads out"),
        ("a/x_1.json", giant, "is it damaged"),
    ):
        with zipfile.ZipFile(tmp_path / "clip.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("clip/x_0_keypoints.json", GOOD)
            archive.writestr(name, data)
        with pytest.raises(UserError, match=says):
            clip_files.read(tmp_path / "clip.zip")


@pytest.mark.parametrize("ending", ["tar.gz", "tar", "zip"])
def test_too_much_in_all(tmp_path, monkeypatch, ending):
    files = frames(**{f"f{n}": GOOD for n in range(20)})
    path = tmp_path / f"clip.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files:
                archive.writestr(name, data)
    else:
        tar(path, files, "w:gz" if ending == "tar.gz" else "w")
    monkeypatch.setattr(clip_files, "LARGEST_CLIP", 19 * len(GOOD))
    with pytest.raises(UserError, match="unpacks to more than"):
        clip_files.read(path)


@pytest.mark.parametrize("ending", ["tar.gz", "tar", "zip"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.8])  # a tar of these is cut between two members at 0.8
def test_truncated_archive(tmp_path, ending, part):
    rng = np.random.default_rng(0)
    files = frames(**{f"f{n}": text(person(offset=rng.random())) for n in range(50)})
    path = tmp_path / f"clip.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files:
                archive.writestr(name, data)
    else:
        tar(path, files, "w:gz" if ending == "tar.gz" else "w")
    whole = path.read_bytes()
    path.write_bytes(whole[: math.ceil(part * len(whole))])
    with pytest.raises(UserError, match="not a whole archive"):
        clip_files.read(path)


def test_a_file_that_only_calls_itself_an_archive(tmp_path):
    for ending in ("tar.gz", "tar", "zip"):
        (tmp_path / f"clip.{ending}").write_bytes(b"<html>404 not found</html>" * 100)
        with pytest.raises(UserError, match="not a whole archive"):
            clip_files.read(tmp_path / f"clip.{ending}")
