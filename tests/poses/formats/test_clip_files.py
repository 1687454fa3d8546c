import io
import math
import tarfile
import zipfile

import numpy as np
import pytest
from test_openpose_json import CLIP, GOOD, folder, frames, person, read, text

from learn2dance.data import npz
from learn2dance.errors import UserError
from learn2dance.poses.formats import clip_files


def tar(path, files, mode="w:gz", form=tarfile.PAX_FORMAT, mtime=0):
    with tarfile.open(path, mode, format=form) as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), mtime
            archive.addfile(member, io.BytesIO(data))
    return path


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
    with pytest.raises(UserError, match="damaged or incomplete archive"):
        clip_files.read(path)


def test_a_damaged_header_between_two_members_of_a_tar(tmp_path):
    path = tar(tmp_path / "clip.tar", CLIP, "w")
    packed = bytearray(path.read_bytes())
    packed[512 + -(-len(CLIP[0][1]) // 512) * 512] ^= 1  # the name of the second; tarfile would end there silently
    path.write_bytes(packed)
    with pytest.raises(UserError, match="a damaged header"):
        clip_files.read(path)


def test_the_same_member_twice(tmp_path):
    with pytest.raises(UserError, match="are the same frame"):
        read(tar(tmp_path / "clip.tar", [*CLIP, CLIP[0]], "w"))


def test_a_file_that_only_calls_itself_an_archive(tmp_path):
    for ending in ("tar.gz", "tar", "zip"):
        (tmp_path / f"clip.{ending}").write_bytes(b"<html>404 not found</html>" * 100)
        with pytest.raises(UserError, match="damaged or incomplete archive"):
            clip_files.read(tmp_path / f"clip.{ending}")


@pytest.mark.parametrize("kind", [b"L", b"x", b"S"])
def test_a_header_that_tarfile_cannot_read_is_damage(tmp_path, kind):
    header = bytearray(tarfile.TarInfo("a_0_keypoints.json").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = kind
    if kind == b"S":
        header[482] = 1  # sparse, with a further header that is missing
    else:
        header[124:136] = b"\x80" + 11 * b"\x7f"  # a size of 2**87 bytes
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a.tar").write_bytes(bytes(header))
    with pytest.raises(UserError, match="damaged or incomplete archive"):
        clip_files.read(tmp_path / "a.tar")


JUNK = [(".DS_Store", b"\0\0\0\1Bud1"), ("Thumbs.db", b"\xd0\xcf"), ("desktop.ini", b"[.ShellClassInfo]")]


@pytest.mark.parametrize("where", ["clip", "clip/json", "clip/__MACOSX"])
def test_what_file_managers_leave_is_not_read(tmp_path, where):
    folder(tmp_path / "clip" / "json", CLIP)
    (tmp_path / where).mkdir(exist_ok=True)
    for name, data in (*JUNK, ("._clip_000000000000_keypoints.json", b"\0\5\x16\7")):
        (tmp_path / where / name).write_bytes(data)
    assert read(tmp_path / "clip").frames == 3


@pytest.mark.parametrize("ending", ["tar.gz", "zip"])
def test_what_file_managers_pack_is_not_read(tmp_path, ending):
    path = tmp_path / f"clip.{ending}"
    files = [(f"clip/{name}", data) for name, data in [*CLIP, *JUNK]] + [("__MACOSX/clip/x_0_keypoints.json", b"\0\5")]
    if ending == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files:
                archive.writestr(name, data)
    else:
        tar(path, files)
    assert read(path).frames == 3


def test_damaged_lzma_is_damage(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x_0_keypoints.json", GOOD * 100)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[55:75] = b"\xff" * 20
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(UserError, match="a.zip: damaged or incomplete archive"):
        clip_files.read(tmp_path / "a.zip")
