"""The HTTP service and the inference platform: pictures in, labels back, models in versions.

The front process speaks HTTP and never imports TensorFlow. Each version of a model has a worker process of its own
(worker_program.py), which decodes, batches and scores with the Predictor that nightly scoring has.
"""
