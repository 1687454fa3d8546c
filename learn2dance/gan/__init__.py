"""The GAN (Cai et al., arXiv 1711.08682): a pose GAN, and a sequence GAN of paths through its latent space.

May import `learn2dance.tokens` and everything below it, but not `learn2dance.music2pose`.
"""
