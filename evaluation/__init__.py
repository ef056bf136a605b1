"""Metrics with confidence intervals, baselines, slices, the report and the approval of a run."""
