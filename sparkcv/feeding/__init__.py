"""Rows on their way from Spark's tasks to the workers of a running cluster, and results on their way back."""
