"""Motion as tokens: the residual k-means codebook, and the tokens of a data root.

May import the layers below it: `learn2dance.metrics`, `music`, `media`, `data`, `motion`.
"""
