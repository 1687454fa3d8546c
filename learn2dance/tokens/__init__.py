"""Motion as tokens: the residual k-means codebook, and a data root written in its codes.

May import everything below: `learn2dance.metrics`, `music`, `media`, `data`, `motion`.
"""
