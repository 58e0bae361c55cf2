"""Training: the step as a graph, the loop that drives it, and the checkpoints that it leaves."""
