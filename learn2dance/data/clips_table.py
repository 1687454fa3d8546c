"""The table ``clips.csv`` of a data root: the style and the frame rate of its clips."""

import csv
from pathlib import Path

from learn2dance.data.temporary import atomic
from learn2dance.errors import UserError


def read(path: Path) -> tuple[dict[str, str], dict[str, float]]:
    """Read clips.csv: the style and the frame rate of each clip; both may be empty."""
    if not path.exists():
        return {}, {}
    rows = list(csv.DictReader(read_text(path).splitlines()))
    if rows and "clip" not in rows[0]:
        found = ", ".join(map(str, rows[0]))
        raise UserError(f"{path}: no column 'clip', found {found}; the first line is clip,style,fps")
    try:
        fps = {row["clip"]: float(row["fps"]) for row in rows if row.get("fps")}
    except ValueError as error:
        raise UserError(f"{path}: fps: {error}; expected frames per second") from None
    if bad := [clip for clip, rate in fps.items() if not 0 < rate < 1e4]:
        raise UserError(f"{path}: fps of {bad[0]} is {fps[bad[0]]}, expected frames per second")
    return {row["clip"]: row["style"] for row in rows if row.get("style")}, fps


def note_fps(path: str | Path, clip: str, fps: float) -> None:
    """Write a clip's frame rate into a data root's ``clips.csv``, unless it has one; all else in the file is kept."""
    path = Path(path) / "clips.csv"
    reader = csv.DictReader(read_text(path).splitlines() if path.exists() else [])
    rows = list(reader)
    if any(row["clip"] == clip and row.get("fps") for row in rows):
        return
    columns = list(reader.fieldnames or ["clip", "style", "fps"])
    columns += [column for column in ("clip", "fps") if column not in columns]
    if not any(row["clip"] == clip for row in rows):
        rows.append({"clip": clip})
    next(row for row in rows if row["clip"] == clip)["fps"] = f"{fps:.9g}"
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_text(path: Path) -> str:
    """Read a text file in UTF-8; raise a UserError if it is not."""
    try:
        return path.read_text(encoding="utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; save it as UTF-8") from None
