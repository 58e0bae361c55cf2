"""Roles on Spark executors: who they are, how they start, how they are watched, how they end.

Nothing here imports TensorFlow; only the *program* that a node process runs may do so.
"""
