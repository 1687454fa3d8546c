"""The report: baselines, every measure for every model, the completion benchmark, tables and plots.

May import everything but the stages.
"""
