"""Toy data: synthetic songs, dances to them, and pose detections, with known ground truth.

Only the demo and the tests import it. It may import `learn2dance.data` and the layers below it.
"""
