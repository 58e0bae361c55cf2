"""A run's folder: its description, status, lease and checkpoints, and how it is started anew."""
