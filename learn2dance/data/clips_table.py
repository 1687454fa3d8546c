"""The table ``clips.csv`` of a data root: style and frame rate of its clips, whom to follow, what the camera does.

Spreadsheets and people write it in many ways: with semicolons or tabs, blanks, quotes, without a header, or with file
names instead of clip names. Each is read if it can be read in one way only.
"""

import csv
import re
from collections.abc import Collection
from pathlib import Path

from learn2dance.cli import refuse_special, warn_once
from learn2dance.data import clip_names
from learn2dance.data.temporary import atomic
from learn2dance.errors import UserError

COLUMNS = ("clip", "style", "fps", "person", "camera")
HEADER = "clip,style,fps"  # the usual columns; the others are optional


def read(path: Path, clips: Collection[str]) -> dict[str, dict]:
    """Read clips.csv: ``styles``, ``fps``, ``person`` and ``camera`` of the clips that have one, as in `DataRoot`.

    ``clips`` are the clips that exist. A warning names the rows that match none of them, and columns that are not
    `COLUMNS`. Raises a UserError if there is no column ``clip``, a value is not possible, or two rows contradict each
    other.
    """
    columns, rows = _rows(path, clips)
    if other := [column for column in columns if column not in COLUMNS]:
        warn_once(f"{path}: ignored: column {', '.join(other)}; those used are {', '.join(COLUMNS)}")
    found: dict[str, dict[str, str]] = {column: {} for column in COLUMNS[1:]}
    strangers = []
    for row in rows:
        names = clip_names.match(row["clip"], clips)
        if len(names) > 1:
            raise UserError(f"{path}: '{row['clip']}' may be {' or '.join(names)}; write the clip's exact name")
        if not names:
            strangers.append(row["clip"])
        clip = names[0] if names else row["clip"]
        for key, values in found.items():
            value = row.get(key, "")
            if value and values.setdefault(clip, value) != value:
                raise UserError(f"{path}: {key} of '{clip}' is {values[clip]} and {value}; keep one of the rows")
    if strangers and clips:
        named = ", ".join(f"'{name}'" for name in strangers[:8]) + (" …" if len(strangers) > 8 else "")
        warn_once(f"{path}: rows of no clip: {named}; are the names right?")
    for clip, number in found["person"].items():
        if not re.fullmatch(r"[1-9][0-9]?(\.0)?", number):  # tables with empty cells are often written with 2.0 for 2
            raise UserError(f"{path}: person of {clip} is '{number}', expected a number from 1, as in --person")
    for clip, moves in found["camera"].items():
        if moves.lower() not in ("still", "moving"):
            raise UserError(f"{path}: camera of {clip} is '{moves}', expected still or moving")
    rates = {clip: _rate(path, clip, value) for clip, value in found["fps"].items()}
    person = {clip: int(float(number)) for clip, number in found["person"].items()}
    camera = {clip: moves.lower() for clip, moves in found["camera"].items()}
    return {"styles": found["style"], "fps": rates, "person": person, "camera": camera}


def note_fps(path: str | Path, clip: str, fps: float, clips: Collection[str]) -> None:
    """Write a clip's frame rate into a data root's ``clips.csv``, unless it has one; all else in the file is kept.

    ``clips`` are the clips that exist, as for `read`.
    """
    path = Path(path) / "clips.csv"
    columns, rows = _rows(path, {*clips, clip})
    mine = [row for row in rows if clip_names.match(row["clip"], {*clips, clip}) == [clip]]
    if any(row.get("fps") for row in mine):
        return
    columns = columns or HEADER.split(",")
    columns += [column for column in ("clip", "fps") if column not in columns]
    if not mine:
        rows.append({"clip": clip})
    (mine or rows[-1:])[0]["fps"] = f"{fps:.9g}"
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _rows(path: Path, clips: Collection[str]) -> tuple[list[str], list[dict[str, str]]]:
    """Read the names of the columns, and the rows, without blanks around the cells; both empty without a file."""
    lines = [line for line in read_text(path).splitlines() if line.strip(" ,;\t")] if path.exists() else []
    if not lines:
        return [], []
    delimiter = max(",;\t", key=lines[0].count)
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    except csv.Error as error:
        raise UserError(f"{path}: no table ({error}); is a quote missing?") from None
    table = [[cell.strip() for cell in row] for row in rows]
    columns = [cell.lower() if cell.lower() in COLUMNS else cell for cell in table[0]]
    if "clip" in columns:
        table = table[1:]
    elif clip_names.match(table[0][0], clips) and len(table[0]) <= 3:
        columns = _guess(path, table)
        warn_once(f"{path}: no header, read as {','.join(columns)}")
    else:
        found = ", ".join(table[0])[:80]
        raise UserError(f"{path}: no column 'clip', found {found}; the first line is {HEADER}")
    if long := [row for row in table if any(row[len(columns) :])]:
        raise UserError(
            f"{path}: {len(long[0])} cells for '{long[0][0]}', expected {len(columns)}; quote what has commas"
        )
    rows = [dict(zip(columns, row, strict=False)) for row in table]
    return columns, [row for row in rows if row.get("clip")]


def _guess(path: Path, table: list[list[str]]) -> list[str]:
    """Name the columns of a table without a header: the clip, then a column of numbers (fps) and one of words."""
    columns = ["clip"]
    for index in range(1, max(map(len, table))):
        cells = [row[index] for row in table if len(row) > index and row[index]]
        name = "fps" if cells and all(_is_number(cell) for cell in cells) else "style"
        if name in columns or (name == "style" and any(_is_number(cell) for cell in cells)):
            raise UserError(f"{path}: no header, and it can be read in several ways; begin it with {HEADER}")
        columns.append(name)
    return columns


def _is_number(text: str) -> bool:
    return text.replace(",", ".", 1).replace(".", "", 1).isdecimal()


def _rate(path: Path, clip: str, text: str) -> float:
    """Return a frame rate, written with a decimal point or comma."""
    try:
        fps = float(text.replace(",", "."))
    except ValueError as error:
        raise UserError(f"{path}: fps of '{clip}': {error}; expected frames per second") from None
    if not 0 < fps < 1e4:
        raise UserError(f"{path}: fps of {clip} is {fps}, expected frames per second")
    return fps


def read_text(path: Path) -> str:
    """Read a text file in UTF-8; raise a UserError if it is not."""
    refuse_special(path)
    try:
        return path.read_text(encoding="utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; save it as UTF-8") from None
