"""music2pose: a network predicts tokens from music, and unit selection turns them into motion.

May import `learn2dance.tokens` and everything below it, but not `learn2dance.gan`.
"""
