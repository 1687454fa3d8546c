"""One HTML page about a run: its data, codebook, training, report and dances. ``python -m learn2dance.report_page``."""
