"""oneDNN, whose kernels TensorFlow has for every x86 CPU, and takes unasked on some.

TensorFlow (2.21, ``tsl/util/onednn_util``) takes them where a CPU has AVX-512 VNNI or AMX. With AVX2 alone a step of
training is faster by them too, by a tenth to two thirds; what a net says in inference may be faster or slower.
"""

import platform

__all__ = ["ENVIRONMENT"]

ENVIRONMENT = {"TF_ENABLE_ONEDNN_OPTS": "1"} if platform.machine() == "x86_64" else {}
"""The environment variables of a process that computes gradients, unless the user has set them."""
