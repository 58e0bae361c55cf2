"""Data in motion: from shards in storage to batches in a training or evaluation step, bounded at each place."""
