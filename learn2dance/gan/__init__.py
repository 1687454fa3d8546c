"""The generative model (Cai et al., arXiv 1711.08682): a GAN of poses, and a GAN of paths through its latent space.

May import `learn2dance.tokens` and everything below it, but not `learn2dance.music2pose`.
"""
