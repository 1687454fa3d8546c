import base64

import numpy as np
import pytest
from scipy.stats import binomtest

from learn2dance.errors import UserError
from learn2dance.evaluation import preference


def coded(name):
    return base64.b64encode(name.encode()).decode()


def line(rater="r1", trial=1, question="realism", a="new", b="old", mismatched="", answer="A"):
    return f"s1,{rater},{trial},{question},{coded(a)},{coded(b)},{mismatched},{answer}"


def save(path, *lines):
    path.write_text("\n".join([",".join(preference.COLUMNS), *lines]) + "\n")
    return path


@pytest.mark.parametrize(("chosen", "asked"), [(8, 10), (0, 12), (7, 7), (30, 64)])
def test_one_rater_has_wilsons_interval(chosen, asked):
    share, low, high = preference.interval(np.array([chosen]), np.array([asked]))
    expected = binomtest(chosen, asked).proportion_ci(method="wilson")
    assert share == chosen / asked
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_answers_that_a_rater_only_repeats_add_nothing():
    """Ten raters who always answer alike: with the usual denominator of a variance they count as nine answers."""
    votes = np.repeat([0, 1], 5)
    once, often = (preference.interval(votes * n, np.full(10, n)) for n in (1, 8))
    assert often[2] - often[1] == pytest.approx(once[2] - once[1], abs=0.03)
    share, size = 0.5, 9
    half = 1.96 * np.sqrt(share * (1 - share) / size + 1.96**2 / 4 / size**2) / (1 + 1.96**2 / size)
    assert often == pytest.approx((0.5, 0.5 - half, 0.5 + half))


def test_the_interval_covers_the_truth():
    """Raters differ (beta distribution, mean 0.7): 95% intervals contain 0.7 in about 95% of studies."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(400):
        chosen = rng.binomial(10, rng.beta(3.5, 1.5, 20))
        _, low, high = preference.interval(chosen, np.full(20, 10))
        covered += low <= 0.7 <= high
    assert 0.92 < covered / 400 < 0.985


def test_the_command_prints_preferences_and_the_control(run_stage, tmp_path):
    one = save(
        tmp_path / "answers 1.csv",
        line(answer="A"),
        line(trial=2, a="old", b="new", answer="B"),
        line(trial=3, question="music", a="new", b="new", mismatched="A", answer="B"),
    )
    other = save(tmp_path / "answers 2.csv", line(rater="r2", answer="B"), line(rater="r2", trial=2, answer="A"))
    done = run_stage("-m", "learn2dance.evaluation.preference", one, other, one)
    assert done.returncode == 0, done.stderr
    assert "3 answers occur more than once" in done.stderr
    assert done.stdout.splitlines() == [
        "5 answers of 2 raters",
        "music    matched preferred to mismatched: 100% [21, 100] (1 of 1)",
        "realism  new preferred to old: 75% [26, 96] (3 of 4)",
    ]


def test_files_that_are_not_answers(tmp_path):
    (tmp_path / "other.csv").write_text("clip,style\na,b\n")
    with pytest.raises(UserError, match=r"other.csv: found columns clip,style, expected study,"):
        preference.read([tmp_path / "other.csv"])
    with pytest.raises(UserError, match=r"x.csv, line 2: answer is 'C', expected 'A' or 'B'"):
        preference.read([save(tmp_path / "x.csv", line(answer="C"))])
    with pytest.raises(UserError, match=r"x.csv, line 3: another answer to the same question"):
        preference.read([save(tmp_path / "x.csv", line(answer="A"), line(answer="B"))])
    for name in ("?", "ö", coded("new")[:-1], "/w=="):
        with pytest.raises(UserError, match="name of a dance is damaged"):
            preference.read([save(tmp_path / "x.csv", line().replace(coded("new"), name))])
    with pytest.raises(UserError, match="x.csv, line 2: no b or mismatched or answer; was the file cut off"):
        preference.read([save(tmp_path / "x.csv", line().rsplit(",", 3)[0])])
    with pytest.raises(UserError, match="x.csv: no table .*field larger"):
        preference.read([save(tmp_path / "x.csv", line(rater="x" * 200_000))])
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="x.csv: not UTF-8"):
        preference.read([tmp_path / "x.csv"])
    with pytest.raises(UserError, match="no such file of answers"):
        preference.read([tmp_path / "none.csv"])
