"""From a checkpoint to a model folder; importing this package does not load TensorFlow, its ``program`` does."""
