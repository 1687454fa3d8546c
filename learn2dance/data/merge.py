"""Put the clips of several data roots into one, to train a model on all of them.

Reads   ROOT/keypoints/, audio/, videos/, clips.csv, splits/ of each data root
Writes  the same below DATA; each ROOT's splits are kept, so every root needs them, or none

Example: python -m learn2dance.data.merge ballroom street --out both
"""

import csv
import shutil
from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log
from learn2dance.errors import UserError


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    parser = cli.parser(__doc__, "quiet")
    parser.add_argument("roots", metavar="ROOT", nargs="+", help="data roots")
    parser.add_argument("--out", metavar="DATA", required=True, help="new data root; must not exist")
    args = parser.parse_args(argv)
    cli.setup(args.quiet)
    merge([Path(root) for root in args.roots], Path(args.out))


def merge(paths: list[Path], out: Path) -> None:
    """Copy the inputs of data roots into a new one.

    Raises a UserError if ``out`` exists or is inside a root, a root has no clip, two have one of the same name, or only
    some have splits.
    """
    from learn2dance.data import clips_table, data_root, splits
    from learn2dance.data.temporary import atomic_folder, remove_strays

    remove_strays(out.parent)
    if out.exists():
        raise UserError(f"{out}: exists already; give a new folder")
    roots = [data_root.open_root(path) for path in paths]
    for root in roots:
        if root.path.resolve() in out.resolve().parents:
            raise UserError(f"{out}: inside {root.path}, which is to be copied; give a folder elsewhere")
        for error in (error for kind in root.unusable.values() for error in kind.values()):
            raise UserError(error)
    clips = [{*root.keypoints, *root.audio, *root.videos} for root in roots]
    for root, own in zip(roots, clips, strict=True):
        if not own:
            raise UserError(f"{root.path}: no clip in keypoints/, audio/ or videos/; give a root with inputs")
    names = [{split.stem: splits.read(split) for split in splits.files(root.path / "splits")} for root in roots]
    for i, root in enumerate(roots):
        for other, before in zip(roots[:i], clips, strict=False):
            if both := sorted(clips[i] & before):
                raise UserError(f"{root.path}, {other.path}: both have a clip '{both[0]}'; rename it in one of them")
    if len({bool(found) for found in names}) > 1:
        lacking = next(root.path for root, found in zip(roots, names, strict=True) if not found)
        raise UserError(f"{lacking}: no splits/, which other roots have; write them, or remove those")
    with atomic_folder(out) as folder:
        for root in roots:
            for kind in ("keypoints", "audio", "videos"):
                for source in getattr(root, kind).values():
                    (folder / kind).mkdir(exist_ok=True)
                    copy = shutil.copytree if source.is_dir() else shutil.copyfile
                    try:
                        copy(source, folder / kind / source.name)
                    except shutil.Error as error:  # of copytree: a list of source, target and cause
                        raise UserError(f"{out}: {error.args[0][0][-1]}") from None
        with open(folder / "clips.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(clips_table.COLUMNS)
            for root, own in zip(roots, clips, strict=True):
                columns = (root.styles, root.fps, root.person, root.camera)
                writer.writerows([clip, *(column.get(clip, "") for column in columns)] for clip in sorted(own))
        for name in sorted({name for found in names for name in found}):
            (folder / "splits").mkdir(exist_ok=True)
            lines = (f"{clip}\n" for found in names for clip in found.get(name, []))
            (folder / "splits" / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    log.info("%s: %d clips of %d data roots", out, sum(map(len, clips)), len(roots))


if __name__ == "__main__":
    cli.run(main)
