import json
import re

import pytest

import eval as stage
from learn2dance.errors import UserError
from learn2dance.evaluation import result_tables, results


def test_published_tables_are_those_of_the_scores():
    cards = results.load()
    for page in results.PAGES:
        text = page.read_text(encoding="utf-8")
        assert results.fill(text, cards) == text, f"{page.name}: run make results, or python -m {results.__name__}"


def test_every_table_is_published_once():
    names = [name for page in results.PAGES for name in re.findall(r"<!-- table (\w+) -->", page.read_text())]
    assert sorted(set(names) - {"speed"}) == sorted([*results.TABLES, *results.COMPLETION])  # speed: of tests/bench.py
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", results.REPORTS)
def test_published_commands_are_those_of_the_stage(name):
    args = stage.arguments(results.command(name, "/my data"))
    assert args.report and args.data == "/my data" and args.songs and args.n == 5 and args.seed == 0
    models = {"gan": "seq_gan", "gan_val": "seq_gan"} | {style: style for style in result_tables.ONE_STYLE}
    assert args.model == (f"/my data/models/{models[name]}.pt" if name in models else None)


CARD = {"rows": {row: {} for row in ("real", "model")}}
CARD["rows"]["real"] |= {"songs": 7, "bar_locking": [0.271, 0.16, 0.361], "bar_locking_chance": [0.1, 0.08, 0.11]}
CARD["rows"]["model"] |= {"songs": 7, "bar_locking": [0.3, None, None], "bar_locking_chance": [0.09, None, None]}
CARD["rows"]["model"]["by_song"] = {"W_1": {"songs": 1, "bar_locking": [1, 0.5, 2], "bar_locking_chance": [0.1] * 3}}
CARD["rows"]["real"]["by_song"] = {"W_1": {"songs": 1, "bar_locking": [None] * 3, "bar_locking_chance": [0.1] * 3}}
COLUMNS = {"songs": results.Column("songs", "d")}
COLUMNS["bar locking (chance)"] = results.Column("bar_locking", ".2f", "bar_locking_chance")
ROWS = {"real": ("test", "real"), "**ours**": ("test", "model")}


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Return a page with two tables, whose report's scores are those above."""
    monkeypatch.setattr(results, "TABLES", {"a": results.Table(ROWS, COLUMNS)})
    monkeypatch.setitem(results.TABLES, "songs", results.Table(ROWS, COLUMNS, "by_song"))
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "test.json").write_text(json.dumps(CARD))
    path = tmp_path / "page.md"
    path.write_text("# Ours\n\n<!-- table a -->\nold\n<!-- end -->\n\nmore\n\n<!-- table songs -->\n<!-- end -->\n")
    monkeypatch.setattr(results, "SCORES", tmp_path / "scores")
    monkeypatch.setattr(results, "PAGES", (path,))
    return path


def test_tables_have_intervals_chance_levels_and_the_command(page):
    results.main(["--quiet"])
    text = page.read_text()
    assert text.startswith("# Ours\n\n<!-- table a -->\n\n|  | songs | bar locking (chance) |\n| --- | --- | --- |\n")
    assert "| real | 7 | 0.27 [0.16, 0.36] (0.10) |\n| **ours** | 7 | 0.30 (0.09) |\n" in text
    assert "| W_1, real | 1 | - |\n| W_1, **ours** | 1 | 1.00 [0.50, 2.00] (0.10) |\n" in text
    assert "\n    .venv/bin/python eval.py DATA --report --split test --songs '[CRTW]_*'\n" in text
    assert "old" not in text and "<!-- end -->\n\nmore\n\n<!-- table songs -->" in text
    results.main(["--quiet"])
    assert page.read_text() == text


def test_errors(page, capsys):
    with pytest.raises(UserError, match="mine: no such report; expected test, val"):
        results.main(["data", "mine", "--quiet"])
    (results.SCORES / "test.json").unlink()
    before = page.read_text()
    with pytest.raises(UserError, match=r"no test.json for the table a; make results DATA=… writes it"):
        results.main(["--quiet"])
    assert page.read_text() == before
    with pytest.raises(UserError, match="page.md: a file, expected a data root"):
        results.main([str(page), "val", "--quiet"])
    assert not capsys.readouterr().err  # this line is the only one
    (page.parent / "audio").mkdir()
    with pytest.raises(UserError, match="report val failed: eval.py .* --report --split val"):
        results.main([str(page.parent), "val", "--quiet"])
