"""Make toy data: synthetic songs, dances to them, and the poses that a detector would find.

Reads:  nothing.
Writes: DATA/keypoints/<clip>/… (a third of them <clip>.tar.gz), DATA/audio/<clip>.wav, DATA/clips.csv,
        DATA/splits/, and DATA/truth/<clip>.npz: the true joints and beats, for tests.

Three styles (waltz in 3/4, cha-cha and disco in 4/4), each with its own steps and range of tempo. Clips that exist
and were generated with the same arguments are kept.

Example: python -m learn2dance.synthetic data/toy --clips 24 --seconds 20
"""

from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log


def main(argv: list[str] | None = None) -> None:
    """Make toy data from the command line."""
    parser = cli.parser(__doc__, "seed", "jobs", "dask", "quiet")
    parser.add_argument("data", type=Path, metavar="DATA", help="the data root to make")
    parser.add_argument("--clips", type=cli.positive(int), default=24, metavar="N", help="how many (%(default)s)")
    parser.add_argument("--seconds", type=cli.positive(float), default=20.0, metavar="S", help="each (%(default)s)")
    args = parser.parse_args(argv)
    cli.setup(args.quiet)

    from learn2dance.synthetic import toy_data

    log.info("toy data -> %s", args.data)
    new = len(toy_data.make(args.data, args.clips, args.seconds, args.seed, args.jobs, args.dask))
    kept = args.clips - new
    log.info("%d clips of %g s generated, %d kept, in %d styles", new, args.seconds, kept, len(toy_data.STYLES))
    log.info("next: python parse.py %s", args.data)


if __name__ == "__main__":
    cli.run(main)
