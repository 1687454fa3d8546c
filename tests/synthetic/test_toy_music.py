"""The toy songs have the harmony that they plan; `test_toy_data` checks the beats."""

import numpy as np

from learn2dance.synthetic.figures import STYLES
from learn2dance.synthetic.music import RATE, random_song, synthesise


def test_chords_change_with_the_bar():
    rng = np.random.default_rng(1)
    song = random_song(STYLES["waltz"], 20.0, rng)
    sound = synthesise(song, 20.0, rng).astype(float)
    bars = song.downbeat + 3 * song.beat * np.arange(8)

    def pitches(start):  # pitch classes in a window of one beat
        window = sound[int(start * RATE) :][: int(song.beat * RATE)]
        power, hertz = (
            np.abs(np.fft.rfft(window * np.hanning(len(window)))) ** 2,
            np.fft.rfftfreq(len(window), 1 / RATE),
        )
        keep = (hertz > 120) & (hertz < 1000)
        classes = np.round(12 * np.log2(hertz[keep] / 440)).astype(int) % 12
        chroma = np.bincount(classes, power[keep], 12)
        return chroma / np.linalg.norm(chroma)

    within = [pitches(bar + song.beat) @ pitches(bar + 2 * song.beat) for bar in bars]
    across = [pitches(bar + 2 * song.beat) @ pitches(bar + 3 * song.beat) for bar in bars]
    assert np.mean(within) > np.mean(across) + 0.2
