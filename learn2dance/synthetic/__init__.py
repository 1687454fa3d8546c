"""The toy data: a choreographer, a band and a camera make songs and dances with known truth.

Nothing but the demo and the tests imports it. It may import `learn2dance.data`.
"""
