import numpy as np
import pytest
import test_sides

from learn2dance.poses import tracking
from learn2dance.poses.formats import clip_files, openpose_json

FPS = 25.0
BODY = test_sides.BODY[:, :2]  # a standing body in units of its height, x right and y down: the first 15 of BODY_25


def people(path, height, rng, confidence=0.8):
    """Someone whose middle is at ``path`` (T, 2), joints jittering by half a percent of the height: (T, 15, 3)."""
    places = path[:, None] + height * (BODY + rng.normal(0, 0.005, (len(path), 15, 2)))
    return np.concatenate([places, np.full((len(path), 15, 1), confidence)], axis=2)


def dancing(frames, x, height, rng):
    """Somebody who sways and swings the arms, at 1.1 and 0.8 Hz: (T, 15, 3)."""
    t = np.arange(frames) / FPS
    person = people(np.stack([x + 0.1 * height * np.sin(7 * t), np.full(frames, 300.0)], axis=1), height, rng)
    person[:, [3, 4, 6, 7], 1] += 0.15 * height * np.sin(5 * t)[:, None]
    return person


def still(frames, x, y=300):
    return np.tile([float(x), float(y)], (frames, 1))


def clip(rng, *cast):
    """Put (first frame, people) together as a detector would, in random order: people, frame, and who each is."""
    rows = [(first + t, who, row) for who, (first, person) in enumerate(cast) for t, row in enumerate(person)]
    rows = [rows[i] for i in rng.permutation(len(rows))]
    rows.sort(key=lambda row: row[0])
    frame, who, place = zip(*rows, strict=True)
    return np.array(place), np.array(frame), np.array(who)


def followed(rng, *cast):
    place, frame, who = clip(rng, *cast)
    chosen = tracking.rank_people(place, frame, FPS)[0].rows
    assert (np.diff(frame[chosen]) > 0).all()
    return who[chosen], frame[chosen]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_body_size_is_the_diagonal_of_what_is_seen():
    person = np.zeros((3, 25, 3))
    person[0, :3] = [[10, 10, 0.5], [13, 10, 0.5], [10, 14, 0.5]]
    person[1, 20] = [9, 9, 0.9]  # an eye or a foot is not the body's
    assert openpose_json.body_size(person).tolist() == [5, 0, 0]


def test_alone_is_followed_through_every_frame(rng):
    dance = 300 + 100 * np.stack([np.sin(np.arange(200) / 10), np.zeros(200)], axis=1)
    who, frame = followed(rng, (0, people(dance, 200, rng)))
    assert frame.tolist() == list(range(200))


def test_nobody(rng):
    assert tracking.rank_people(np.zeros((0, 25, 3)), np.zeros(0, int), FPS) == []
    assert tracking.rank_people(np.zeros((3, 25, 3)), np.arange(3), FPS) == []


@pytest.mark.parametrize("bystander", [{"height": 120}, {"height": 200, "confidence": 0.5}])
def test_the_larger_and_surer_is_the_dancer(rng, bystander):
    cast = (0, people(still(300, 200), rng=rng, **bystander)), (0, people(still(300, 500), 200, rng))
    who, frame = followed(rng, *cast)
    assert (who == 1).all()
    assert len(frame) == 300


def test_who_stays_is_the_dancer_and_not_who_passes_by_in_front(rng):
    passing = np.stack([np.linspace(0, 900, 60), np.full(60, 350)], axis=1)
    who, frame = followed(rng, (0, people(still(500, 450), 200, rng)), (200, people(passing, 320, rng)))
    assert (who == 0).all()
    assert len(frame) == 500


def test_crossing_paths_are_not_swapped(rng):
    t = np.linspace(0, 1, 250)
    dancer = np.stack([100 + 700 * t, np.full(250, 300.0)], axis=1)
    bystander = np.stack([800 - 700 * t, np.full(250, 310.0)], axis=1)
    who, frame = followed(rng, (0, people(bystander, 150, rng)), (0, people(dancer, 180, rng)))
    assert (who == 1).mean() > 0.98
    assert len(frame) > 245


def test_while_the_dancer_is_lost_the_bystander_is_not_taken_instead(rng):
    dancer, bystander = people(still(300, 500), 200, rng), people(still(300, 200), 160, rng)
    who, frame = followed(rng, (0, bystander), (0, dancer[:120]), (140, dancer[140:]))
    assert set(frame[who != 0]) == set(range(300)) - set(range(120, 140))
    assert (who != 0).all()


def test_a_dancer_who_comes_back_elsewhere_after_a_while_is_the_same(rng):
    first, second = people(still(200, 200), 200, rng), people(still(200, 700), 200, rng)
    who, frame = followed(rng, (0, first), (275, second))
    assert len(frame) == 400


def test_one_detected_twice_is_followed_once(rng):
    person = people(still(100, 300), 200, rng)
    who, frame = followed(rng, (0, person), (0, person))
    assert frame.tolist() == list(range(100))


def test_a_few_false_sights_are_not_the_dancer(rng):
    ghosts = [(t, people(still(1, x), 230, rng)) for t, x in enumerate(rng.uniform(0, 1000, 300))][::7]
    who, frame = followed(rng, (0, people(still(300, 500), 200, rng)), *ghosts)
    assert (who == 0).all()
    assert len(frame) == 300


@pytest.mark.parametrize("size", [0.9, 1.0, 1.1])
@pytest.mark.parametrize("lost", [0.0, 0.2])
def test_a_statue_is_not_followed_even_while_the_dancer_is_away(rng, size, lost):
    dancer = dancing(500, 600, 200, rng)
    statue = people(still(500, 250), 200 * size, rng, confidence=0.9)
    seen = np.flatnonzero(rng.random(500) >= lost)
    who, frame = followed(rng, *[(t, statue[t : t + 1]) for t in seen], (0, dancer[:220]), (270, dancer[270:]))
    assert (who >= len(seen)).all()
    assert frame.tolist() == [*range(220), *range(270, 500)]


def test_people_are_ranked_and_doubt_is_said(rng):
    cast = (0, dancing(300, 200, 200, rng)), (0, dancing(300, 700, 180, rng)), (0, people(still(300, 450), 200, rng))
    place, frame, who = clip(rng, *cast)
    ranked = tracking.rank_people(place, frame, FPS, 3)
    assert [set(who[person.rows]) for person in ranked] == [{0}, {1}, {2}]
    doubt = tracking.describe(ranked, 1, place, 400)
    assert "followed person 1 around x 2" in doubt and "not person 2 around x 7" in doubt
    assert "in 75% of the frames, nearly as likely: --person 2?" in doubt
    assert "followed person 3 around x 45" in tracking.describe(ranked, 3, place, 400)
    assert tracking.describe([ranked[0], ranked[2]], 1, place, 400) == ""  # a statue causes no doubt


def test_activity_is_the_spread_within_a_second(rng):
    t = np.arange(100) / FPS
    sway = 0.5 * tracking.ACTIVE * np.sqrt(2) * np.sin(4 * np.pi * t)  # its standard deviation: half of `ACTIVE`
    person = people(still(100, 300), 200, np.random.default_rng(0))
    person[...] = person[:1]
    size = openpose_json.body_size(person)
    alone = np.zeros(100, int)
    assert tracking.activity(person, size, alone, FPS) == pytest.approx(0, abs=1e-4)
    person[..., 0] += (size * sway)[:, None]
    assert tracking.activity(person, size, alone, FPS) == pytest.approx(0.25, abs=1e-3)  # the body moves, no limb does
    person[..., 0] += 10 * (size * sway)[:, None]
    assert tracking.activity(person, size, alone, FPS) == pytest.approx(0.5, abs=1e-3)


def test_the_bystander_of_the_same_size_is_not_followed(shared):
    found = openpose_json.read(path := shared / "cases/bystander/keypoints/me.tar.gz", clip_files.read(path)[0])
    rows = tracking.rank_people(found.people, found.frame, FPS)[0].rows
    with np.load(shared / "cases" / "bystander" / "truth.npz") as file:
        truth = file["dancer"]
    assert found.frame[rows].tolist() == [*range(200), *range(260, 500)]
    assert np.abs(found.people[rows, :15, :2] - truth[found.frame[rows]]).max() < 15


def test_bystanders_of_the_real_clips_are_not_followed(shared):
    wrong = frames = 0
    for path in sorted((shared / "crowd" / "keypoints").iterdir()):
        name = path.name.split(".")[0]
        with np.load(shared / "crowd" / "truth" / f"{name}.npz") as file:
            truth = file["poses"][:, :15]
        found = openpose_json.read(path, clip_files.read(path)[0])
        chosen = tracking.rank_people(found.people, found.frame, FPS)[0].rows
        dancer, frame = found.people[chosen, :15], found.frame[chosen]
        off = np.linalg.norm(dancer[..., :2] - truth[frame], axis=-1)
        off = np.nanmedian(np.where(dancer[..., 2] > 0, off, np.nan), axis=1)
        wrong += (off > 0.1 * np.median(np.ptp(truth[..., 1], axis=1))).sum()
        frames += len(truth)
        assert len(chosen) > 0.99 * len(truth)
    assert wrong < 0.005 * frames
