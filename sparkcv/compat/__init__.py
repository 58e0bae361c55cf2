"""TensorFlowOnSpark's names, on our launcher: a program changes ``from sparkcv.compat import TFCluster``, no more."""
