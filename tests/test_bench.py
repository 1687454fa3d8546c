import contextlib
import json

import bench
import pytest
from benchmarks.row import Row

from learn2dance.errors import UserError

KINDS = ["ours", "ours", "original", "floor", "floor"]


def test_a_run_saves_all_times_and_renews_the_table(trained, tmp_path):
    out, page = tmp_path / "bench.json", tmp_path / "page.md"
    page.write_text("# Ours\n\n<!-- table speed -->\nold\n<!-- end -->\n\n<!-- table music -->\nkept\n<!-- end -->\n")
    bench.main([str(trained), "--only", "parse", "--repeats", "1", "--out", str(out), "--docs", str(page)])
    found = json.loads(out.read_text())
    assert found["repeats"] == 1 and found["machine"]["cores"] >= 1 and found["machine"]["versions"]["numpy"]
    for form in ("folders", "archives"):
        rows = [row for row in found["rows"] if row["stage"] == f"parse, {form}"]
        assert [row["kind"] for row in rows] == KINDS
        assert all(len(row["wall"]) == len(row["cpu"]) == 1 and row["wall"][0] > 0 for row in rows)
        assert len({row["count"] for row in rows}) == 1
    text = page.read_text()
    assert "\nold\n" not in text and text.endswith("<!-- end -->\n\n<!-- table music -->\nkept\n<!-- end -->\n")
    assert len([line for line in text.splitlines() if line.startswith("| ")]) == 2 + 2 * len(KINDS)


def test_wrong_arguments_are_refused_before_anything_runs(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Ours\n")
    with pytest.raises(UserError, match="page.md: expected a line <!-- table speed -->"):
        bench.main(["--docs", str(page), "--out", str(tmp_path / "bench.json")])
    with pytest.raises(UserError, match="pages: no such data root; did you mean .*page.md"):
        bench.main([str(tmp_path / "pages"), "--out", str(tmp_path / "bench.json")])
    (tmp_path / "data" / "keypoints" / "a").mkdir(parents=True)
    with pytest.raises(UserError, match="audio: found no files"):
        bench.main([str(tmp_path / "data"), "--out", str(tmp_path / "bench.json")])
    assert sorted(tmp_path.iterdir()) == [tmp_path / "data", page]


def test_rows_run_in_turn_each_within_its_context():
    calls = []

    @contextlib.contextmanager
    def around():
        calls.append("in")
        yield
        calls.append("out")

    first = Row("stage", "first", "ours", lambda: calls.append("first"), around=around)
    second = Row("stage", "second", "floor", lambda: calls.append("second"), note=lambda: f"{len(calls)} calls")
    found = bench.measure([first, second], 2)
    assert calls == ["in", "first", "out", "second"] * 2
    assert [len(row["wall"]) for row in found] == [2, 2] and [row["note"] for row in found] == ["", "8 calls"]


def test_the_table_has_medians_and_what_they_are_of_the_first_row_of_the_stage():
    common = {"count": 100, "unit": "frames", "note": "fine"}
    ours = common | {"stage": "a", "what": "we", "kind": "ours", "wall": [1.0, 2.0, 9.0], "cpu": [4.0, 1.0, 2.0]}
    other = ours | {"what": "they", "kind": "usual", "wall": [30.0, 25.0, 20.0], "cpu": [20.0, 20.0, 20.0], "count": 0}
    assert bench.table([ours, other, ours | {"stage": "b"}])[1:] == [
        ["a", "we", "ours", "2.00 (1.00)", "2.00 (1.00)", "50 frames/s", "fine"],
        ["", "they", "usual", "25.0 (12.50)", "20.0 (10.00)", "", "fine"],
        ["b", "we", "ours", "2.00 (1.00)", "2.00 (1.00)", "50 frames/s", "fine"],
    ]
