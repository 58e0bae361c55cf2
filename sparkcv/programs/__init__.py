"""What a role's process runs: the training, the evaluation and the export program, and the trial of a new model."""
