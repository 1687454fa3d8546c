"""The report: baselines, metrics of all rows, the completion benchmark, tables and plots.

May import all of the package, but not the stages.
"""
