"""TensorFlowOnSpark's programming interface on this project's launcher: a program changes its import, nothing else.

``from sparkcv.compat import TFCluster, TFNode, TFParallel, dfutil, pipeline`` stands where the program had
``from tensorflowonspark import ...``. The modules have stock's names, and so have their functions and parameters.
"""
