"""``python -m learn2dance.synthetic``: see `toy_data`."""

from learn2dance import cli
from learn2dance.synthetic.toy_data import main

cli.run(main)
