"""Write one HTML page about a run: statistics of its data, codebook, training curves, scores, and players of dances.

Reads   DATA/poses/, and as far as they exist DATA/music/, clusters.npz, tokens/, models/runs/, dances/, audio/
Writes  DATA/report.html, which needs no other file and no network

Example: python -m learn2dance.report_page data/ballroom
"""

from pathlib import Path

from learn2dance import cli
from learn2dance.cli import log


def main(argv: list[str] | None = None) -> None:
    """Write the page."""
    parser = cli.parser(__doc__, "quiet")
    parser.add_argument("data", metavar="DATA", help="data root")
    parser.add_argument("--out", type=Path, metavar="FILE", help="output (DATA/report.html)")
    hint = "songs whose dances can be played, from each style first (%(default)s)"
    parser.add_argument("--songs", type=cli.positive(int), default=4, metavar="N", help=hint)
    args = parser.parse_args(argv)
    if args.out and args.out.suffix.lower() != ".html":
        parser.error(f"--out {args.out}: expected a name that ends in .html")
    cli.setup(args.quiet)
    import jinja2
    import matplotlib

    from learn2dance.data import data_root
    from learn2dance.data.temporary import atomic
    from learn2dance.report_page import sections

    matplotlib.use("Agg")
    root = data_root.open_root(args.data)
    out = args.out or root.path / "report.html"
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
    found = sections.build(root, args.songs)
    with atomic(out) as path:
        path.write_text(template.render(name=root.path.resolve().name, sections=found), encoding="utf-8")
    log.info("%s: open it in a browser", out)


if __name__ == "__main__":
    cli.run(main)
