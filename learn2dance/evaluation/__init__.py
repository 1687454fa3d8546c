"""The report: baselines, metrics of all rows, the completion benchmark, tables and plots.

May import the whole package, but not the stages.
"""
