"""TensorFlow without the packages that its import takes along and that no room of ours uses: a third of its time.

TensorFlow 2.21 (``tensorflow/__init__.py``) imports the optimizers of Keras, whichever version it is set to, and Keras
3.15 imports pandas, and scikit-learn with all of SciPy, wherever they are installed: 1,700 further modules. Keras is as
it always is for whoever asks for it afterwards, ``tf.keras`` too. What builds nets imports
:mod:`sparkcv.nets.slim` in place of this, which needs Keras 2; what reads models of Keras imports TensorFlow itself.
"""

from sparkcv.imports import hidden, uncollected

__all__ = ["tf", "tf1"]

with uncollected(), hidden("keras", "tf_keras", "pandas", "scipy", "sklearn"):
    import tensorflow as tf
    import tensorflow.compat.v1 as tf1
