"""`make torture`, in short: one stage, and one that does everything wrong."""

import torture

WRONG = """
import os, subprocess, sys, tempfile
os.makedirs(sys.argv[1], exist_ok=True)
with open(os.path.join(sys.argv[1], "random"), "wb") as file:
    file.write(os.urandom(8))
tempfile.mkstemp()
subprocess.Popen(["sleep", "60"], start_new_session=True)
"""


def test_parse_survives_kills_and_two_runs_at_once():
    assert torture.main(["--kills", "2", "--stages", "parse"]) == 0


def test_it_finds_what_is_wrong(tmp_path, monkeypatch, capsys):
    (tmp_path / "wrong.py").write_text(WRONG)
    monkeypatch.setattr(torture, "STAGES", {"wrong": f"{tmp_path / 'wrong.py'} out/"})
    monkeypatch.setattr(torture, "PATIENCE", 0.5)
    assert torture.main(["--kills", "1"]) == 1
    name, kills, same, different, strays, orphans = capsys.readouterr().out.splitlines()[-1].split()
    assert (name, kills, same, different) == ("wrong", "1", "0", "2") and int(strays) >= 3 and int(orphans) >= 3
