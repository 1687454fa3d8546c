import numpy as np

from learn2dance.music import form, marks


def test_bars_and_phrases_are_counted_on_the_extended_beats(monkeypatch):
    """Beats from 2 s on, the first downbeat at 3 s; the beats before are the last two of a bar and a whole bar."""
    music = {"beats": np.arange(2, 20, 0.5), "downbeat": 2, "beats_per_bar": 4, "duration": 22.0}
    found = form.Form(np.array([-6, 2, 10]), np.arange(3), np.zeros(3, int))
    monkeypatch.setattr(form, "find", lambda music: found)
    heard = marks.marks(music)
    np.testing.assert_allclose(heard["beats"], np.arange(0, 22.1, 0.5))
    np.testing.assert_allclose(heard["beats"][heard["downbeats"]], np.arange(1, 22.1, 2))
    np.testing.assert_allclose(heard["beats"][heard["phrases"]], [3, 7])  # the first began before the song
