import csv
import dataclasses

import numpy as np
import pytest

from learn2dance.media import audio
from learn2dance.music import features, styles
from learn2dance.music.character import character

# Per style: tempo and beats per bar of the songs, and the character that they share: the bass is even or syncopated.
EVEN, SYNCOPATED = (0.7, 1.6, -0.8, 0.5), (0.6, 1.5, 0.4, 0.5)
DRUMS = (0.9, 1.2, -2.0, 0.63)


@pytest.fixture
def given(monkeypatch):
    """Return a function that makes a song of 40 s with a given character."""
    monkeypatch.setattr(styles.character, "character", lambda song: np.array(song["character"]))

    def song(tempo, beats_per_bar=4, character=EVEN, downbeat=0):
        beats = np.arange(0, 40, 60 / tempo)
        return {"tempo": tempo, "beats_per_bar": beats_per_bar, "beats": beats, "downbeat": downbeat,
                "character": character}  # fmt: skip

    return song


def clip(style, tempo, beats_per_bar=4, character=EVEN, danced=100):
    return {"style": style, "tempo": tempo, "beats_per_bar": beats_per_bar, "character": character, "danced": danced}


def profiles(*clips):
    return styles.collect(tuple(sorted({one["style"] for one in clips} - {None})), list(clips))


def test_the_metre_excludes_styles_if_another_fits(given):
    known = profiles(clip("waltz", 90, 3), clip("house", 130))
    assert styles.choose(given(90, 4), known).style == "house"
    assert styles.choose(given(130, 3), known).style == "waltz"
    assert styles.choose(given(90, 4), profiles(clip("waltz", 90, 3))).style == "waltz"  # there is no other


@pytest.mark.parametrize(("tempo", "style", "octave"), [
    (100, "slow", 0), (112.5, "slow", 0), (113.7, "fast", 0), (140, "fast", 0), (190, "slow", -1), (61, "fast", 1),
])  # fmt: skip
def test_the_nearest_tempo_is_chosen_octave_included(given, tempo, style, octave):
    """Between 100 and 128 half-way is 113.1, their geometric mean."""
    found = styles.choose(given(tempo), profiles(clip("slow", 100), clip("fast", 128)))
    assert (found.style, found.octave) == (style, octave)
    danced = {"slow": 100, "fast": 128}[style]
    assert found.stretch == pytest.approx(tempo * 2**octave / danced)
    assert found.runner_up == {"slow": "fast", "fast": "slow"}[style]


def test_the_stretch_is_to_the_nearest_of_all_tempi(given):
    found = styles.choose(given(126), profiles(clip("pop", 90), clip("pop", 120), clip("pop", 90)))
    assert found.stretch == pytest.approx(1.05) and found.runner_up is None


def test_a_style_that_would_be_stretched_too_far_yields(given):
    """What a style lacks in tempo, much dancing of it does not make good: 1.26 is beyond, 1.24 within."""
    known = profiles(clip("much", 100, danced=10**9), clip("little", 150, danced=1))
    assert [styles.choose(given(tempo), known).style for tempo in (124, 126)] == ["much", "little"]


def test_beats_are_counted_in_the_octave(given):
    known = profiles(clip("slow", 80))
    song = given(160, downbeat=3)
    half = styles.choose(song, known).music
    np.testing.assert_array_equal(half["beats"], song["beats"][1::2])
    assert half["beats"][half["downbeat"]] == song["beats"][3]
    double = styles.choose(given(41), known)
    np.testing.assert_allclose(np.diff(double.music["beats"]), 60 / 82)


def test_a_given_style_is_kept_and_an_unknown_one_is_chosen_for(given):
    known = profiles(clip("waltz", 90, 3), clip("house", 130))
    found = styles.choose(given(170, 4), known, "waltz")
    assert (found.style, found.index, found.octave, found.runner_up) == ("waltz", 2, -1, None)
    assert styles.choose(given(130, 4), known, "polka").style == "house"
    never = dataclasses.replace(known, names=("house", "waltz", "twist"))  # danced without music in training
    found = styles.choose(given(170, 4), never, "twist")
    assert (found.style, found.octave) == ("twist", 0) and np.isnan(found.stretch)


def test_at_the_same_tempo_the_character_decides(given):
    even, syncopated = clip("cha-cha", 100), clip("rumba", 100, character=SYNCOPATED)
    known = profiles(*[even] * 3, *[syncopated] * 3)
    assert styles.choose(given(100, character=EVEN), known).style == "cha-cha"
    assert styles.choose(given(100, character=SYNCOPATED), known).style == "rumba"


def test_nothing_is_learned_from_drums_alone(given):
    """A style that was danced to drums alone is chosen for a song of general character that is unlike the others."""
    known = profiles(*[clip("rumba", 100, character=SYNCOPATED)] * 3, *[clip("house", 100, character=DRUMS)] * 3)
    assert np.isnan(known.character[3:]).all() and np.isfinite(known.character[:3]).all()
    assert styles.choose(given(100, character=EVEN), known).style == "house"
    assert styles.choose(given(100, character=SYNCOPATED), known).style == "rumba"


def test_the_likelihood_of_a_character_has_its_limits():
    """Without songs it is the density of music in general; with many equal ones, a normal one around them."""
    none, song = np.zeros((0, 4)), styles.GENERAL_MEAN + styles.GENERAL_DEVIATION
    density = -0.5 - np.log(np.sqrt(2 * np.pi) * styles.GENERAL_DEVIATION)
    assert styles._character_likelihood(song, none) == pytest.approx(density.sum())
    assert styles._character_likelihood(song, np.full((3, 4), np.nan)) == pytest.approx(density.sum())
    many = np.tile(song, (10**6, 1))
    peak = -np.log(np.sqrt(2 * np.pi) * styles.STYLE_DEVIATION)
    assert styles._character_likelihood(song, many) == pytest.approx(peak.sum(), abs=1e-3)


def test_of_equal_styles_the_one_with_more_dancing_is_chosen(given):
    known = profiles(clip("a", 100, danced=50), clip("b", 100, danced=51), clip("c", 100, danced=49))
    found = styles.choose(given(100), known)
    assert (found.style, found.runner_up) == ("b", "a")


def test_the_sentence_says_what_was_chosen_and_what_does_not_fit(given):
    known = profiles(clip("rumba", 80), clip("house", 115), clip("waltz", 90, 3))
    text = str(styles.choose(given(164), known))
    assert text == "style rumba, 82 beats a minute (half time), 1.02 x as danced, bars of 4; second best house"
    assert str(styles.choose(given(90, 3), known)) == "style waltz, 90 beats a minute, 1.00 x as danced, bars of 3"
    text = str(styles.choose(given(90, 4), known, "waltz"))
    assert text == "style waltz, 90 beats a minute, 1.00 x as danced, bars of 4; never danced in bars of 4"
    assert str(styles.choose(given(100), profiles(clip(None, 100)))).startswith("style unknown, 100")


def test_profiles_survive_a_checkpoint():
    known = profiles(clip("waltz", 90, 3), clip(None, 84.5), clip("house", 130, character=DRUMS))
    for one in (known, profiles()):
        found = styles.from_plain(one.names, styles.to_plain(one))
        for key, value in dataclasses.asdict(one).items():
            np.testing.assert_array_equal(getattr(found, key), value)
            assert key == "names" or getattr(found, key).dtype == value.dtype


def test_the_table_lists_all_styles():
    known = profiles(clip("waltz", 90, 3), clip("waltz", 84, 3), clip("house", 130), clip("house", 120, 3))
    header, *rows = [line.split() for line in styles.table(known).splitlines()]
    assert header == "style beats a bar beats a minute dances".split()
    assert rows == ["house 3 or 4 120-130 2".split(), "waltz 3 84-90 2".split()]
    assert styles.table(styles.collect(("twist",), [])).splitlines()[1].split() == ["twist", "0"]


@pytest.fixture(scope="module")
def ballroom(shared):
    """Return the music and the label of ballroom's songs in 4/4 and some waltzes, of train and val."""
    root = shared / "ballroom"
    names = [name for split in ("train", "val") for name in (root / "splits" / f"{split}.txt").read_text().split()]
    labels = {row["clip"]: row["style"] for row in csv.DictReader((root / "clips.csv").open())}
    names = [name for name in names if labels[name] != "waltz"] + ["W_17", "W_34"]
    found = {name: features.features(audio.load(root / "audio" / f"{name}.ogg")) for name in names}
    return {name: (music, labels[name]) for name, music in found.items()}


def test_ballroom_songs_get_their_style_among_street_styles(ballroom):
    """Each song is left out of the profiles in turn; the tango is the only one, so it cannot be found."""
    street = [clip(*row, character=DRUMS) for row in (("pop", 90), ("krump", 100), ("jazz", 110), ("house", 130))]
    clips = {name: clip(style, music["tempo"], music["beats_per_bar"], character(music), len(music["beats"]))
             for name, (music, style) in ballroom.items()}  # fmt: skip
    for name, (music, style) in ballroom.items():
        known = profiles(*(one for other, one in clips.items() if other != name), *street)
        assert styles.choose(music, known).style == ("cha-cha" if style == "tango" else style), name
