import numpy as np
import torch
from toy_graph import BOOK, MOTION_PCA

from learn2dance.data import data_root
from learn2dance.motion import projection
from learn2dance.music2pose import dataset, training
from learn2dance.music2pose.network import Config, TokenPredictor
from learn2dance.tokens.codebook import Codebook

SIZE = len(BOOK.mean)


def clip(known, style, seed):
    """Return what `dataset.examples` needs of a clip, with random tokens of 5 codes."""
    rng, count = np.random.default_rng(seed), len(known)
    tokens, mirrored = rng.integers(5, size=(2, count, BOOK.columns))
    known = np.array(known, bool)
    return {"tokens": tokens, "mirrored": mirrored, "known": known, "bar": np.arange(count) % 4 + 3, "style": style}


def random_book():
    centroids = np.random.default_rng(1).normal(size=(3, 5, SIZE)).astype(np.float32)
    return Codebook(centroids, 2, np.full(SIZE, 0.5, np.float32), frames_per_beat=BOOK.frames_per_beat)


def test_examples_are_the_valid_windows_each_with_the_window_before():
    clips = [clip([1, 1, 0, 1, 1], "b", 0), clip([0, 1, 1], None, 1)]
    book = random_book()
    for mirror in (False, True):
        tokens, before, known, bar, style = dataset.examples(clips, ("a", "b"), 2, MOTION_PCA, book, mirror)
        kinds, expected = ("tokens", "mirrored")[: 1 + mirror], []
        for one, number in zip(clips, (2, 0), strict=True):
            for kind in kinds:
                for beat in np.flatnonzero(one["known"]):
                    follows = beat > 0 and one["known"][beat - 1]
                    expected.append((one[kind][beat, :2], follows, one["bar"][beat], number))
                    if follows:
                        # The motion is decoded from all tokens, the later levels too; `MOTION_PCA` takes the first six
                        # coefficients: of two joints of the head, columns 2, and one of the right arm, column 3.
                        codes, row = one[kind][beat - 1], before[len(expected) - 1]
                        motion = 0.5 + book.centroids[0, codes[0], :6] + book.centroids[1, codes[1], :6]
                        motion[:4] += book.centroids[2, codes[2], :4]
                        motion[4:] += book.centroids[2, codes[3], 4:6]
                        np.testing.assert_allclose(row, motion / 4, atol=1e-5)
        assert len(expected) == len(tokens) == len(before) == 6 * (1 + mirror)
        for row, (codes, follows, position, number) in enumerate(expected):
            assert tokens[row].tolist() == codes.tolist() and bool(known[row]) == follows
            assert bar[row] == position and style[row] == number


def test_batches_are_drawn_from_all_examples_and_some_styles_are_dropped():
    count = 40
    numbers = torch.arange(count)
    found = [numbers[:, None].expand(-1, 2), numbers[:, None] / 7, numbers % 3 > 0, numbers % 7, numbers % 2 + 1]
    rng = np.random.default_rng(0)
    drawn = [torch.cat(part) for part in zip(*(dataset.batch(found, 100, rng) for _ in range(20)), strict=True)]
    tokens, before, known, bar, style = drawn
    number = tokens[:, 0]
    assert torch.equal(before[:, 0], number / 7) and torch.equal(known, number % 3 > 0) and torch.equal(bar, number % 7)
    assert 0.1 < (style == 0).float().mean() < 0.2  # 0.15, of 2000
    assert torch.equal(style[style > 0], (number % 2 + 1)[style > 0])
    assert (torch.bincount(number, minlength=count) > 20).all()  # 50 on average
    assert torch.equal(found[4], numbers % 2 + 1)  # the examples themselves stay as they are


def danced(codes, bar, style=1):
    """Return examples with one level."""
    count = len(codes)
    given = torch.zeros(count, 6), torch.ones(count) > 0, torch.tensor(bar), torch.full((count,), style)
    return [torch.tensor(codes)[:, None], *given]


def test_what_knows_only_frequencies():
    # Counts of codes 0 … 3: 3, 1, 0, 0; one more of each: 4, 2, 1, 1 of 8.
    train, val = danced([0, 0, 0, 1], [3] * 4), danced([0, 1, 3, 3, 3, 3], [3] * 6)
    expected = -np.mean(np.log(np.array([4, 2, 1, 1, 1, 1]) / 8))
    np.testing.assert_allclose(training.unigram_loss(train, val, 4), [expected], rtol=1e-6)


def test_mismatched_bars_are_those_of_the_style():
    """Waltzes keep positions in bars of three; each position stays as frequent as it is."""
    threes, fours = np.random.default_rng(0).integers(3, size=200), np.random.default_rng(1).integers(3, 7, size=300)
    parts = danced(list(range(200)), threes, 1), danced(list(range(200, 500)), fours, 2)
    found = [torch.cat(part) for part in zip(*parts, strict=True)]
    before = [part.clone() for part in found]
    changed = training.mismatch_bars(found, np.random.default_rng(0))
    for index in (0, 1, 2, 4):
        assert torch.equal(changed[index], found[index])
    assert all(torch.equal(a, b) for a, b in zip(before, found, strict=True))
    for style in (1, 2):
        rows = found[4] == style
        assert torch.equal(changed[3][rows].bincount(), found[3][rows].bincount())
    assert 0.1 < (changed[3] == found[3]).float().mean() < 0.5  # by chance a third and a quarter


def test_the_validation_loss_does_not_depend_on_how_many_are_evaluated_at_once(monkeypatch):
    torch.manual_seed(0)
    predictor = TokenPredictor(Config(1, 4, 6, ("a", "b"), width=16))
    found = danced([0, 1, 2, 3, 3, 1, 0], [0, 1, 2, 3, 4, 5, 6])
    whole = training.validation_loss(predictor, found)
    monkeypatch.setattr(training, "EVALUATED", 3)
    np.testing.assert_allclose(training.validation_loss(predictor, found), whole, rtol=1e-5)
    assert not predictor.training


def test_a_projection_scales_all_components_alike():
    rng = np.random.default_rng(0)
    turned = np.linalg.qr(rng.normal(size=(30, 30)))[0]
    rows = (rng.normal(size=(500, 4)) * [9, 3, 1, 0.5] @ turned[:4] + 7).astype(np.float32)
    found = projection.fit_projection(rows, 4)(rows)
    assert found.shape == (500, 4) and found.dtype == torch.float32
    np.testing.assert_allclose(np.cov(found.T), np.eye(4), atol=2e-3)
    along = (rows - rows.mean(0)) @ turned[:4].T  # the largest come first
    assert all(abs(np.corrcoef(along[:, i], found[:, i])[0, 1]) > 0.98 for i in range(4))
    assert projection.fit_projection(rows, 2)(rows).shape == (500, 2)
    assert projection.fit_projection(rows[:3], 10)(rows).shape == (500, 3)  # no more than rows


def test_a_projection_with_alike_ignores_units():
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(500, 3)) @ rng.normal(size=(3, 8)) + rng.normal(size=(500, 8)) * 0.3).astype(np.float32)
    found = projection.fit_projection(rows, 4, alike=True)(rows)
    np.testing.assert_allclose(np.cov(found.T), np.eye(4), atol=2e-3)
    units = np.array([1, 10, 0.1, 1, 1, 5, 1, 20], np.float32)
    other = projection.fit_projection(rows * units + 3, 4, alike=True)(rows * units + 3)
    np.testing.assert_allclose((found * other).mean(0).abs(), 1, atol=0.01)  # the same but for its sign
    # A band that is constant in training does not dominate later.
    constant = np.concatenate([rows, rng.normal(size=(500, 1)).astype(np.float32) * 1e-5], 1)
    music_pca = projection.fit_projection(constant, 4, alike=True)
    assert (music_pca(constant + np.eye(9, dtype=np.float32)[8]) - music_pca(constant)).abs().max() < 1


def test_a_projection_uses_every_nth_of_too_many_rows(monkeypatch):
    monkeypatch.setattr(projection, "MOST", 100)
    rows = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    rows[np.arange(300) % 3 != 0] += 9
    np.testing.assert_allclose(projection.fit_projection(rows, 2).mean, rows[::3].mean(0), atol=1e-5)


def test_unknown_styles_have_index_0():
    assert [data_root.style_index(style, ("a", "b")) for style in ("a", "b", "c", None)] == [1, 2, 0, 0]
