"""Change a picture step by step so that its loss falls: Adam, or L-BFGS.

Kingma and Ba 2014, https://arxiv.org/abs/1412.6980; L-BFGS is SciPy's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sparkcv import logs
from sparkcv.errors import UsageError
from sparkcv.style.task import OptimizerSpec

__all__ = ["minimize"]

Floats = NDArray[np.float32]
Evaluate = Callable[[Floats], tuple[float, Floats]]
_MEMORY = 10
_log = logs.get(__name__)


def minimize(spec: OptimizerSpec, evaluate: Evaluate, image: Floats, iterations: int, step: Callable[[], None]) -> None:
    """Take ``iterations`` steps from ``image``, which is not changed.

    ``evaluate`` gives loss and gradient of a picture; ``step`` is called once the first picture, and that of each
    step, was evaluated. Whoever wants the best picture keeps it in ``evaluate``.
    """
    (_lbfgs if spec.name == "lbfgs" else _adam)(spec, evaluate, image, iterations, step)


def _adam(spec: OptimizerSpec, evaluate: Evaluate, image: Floats, iterations: int, step: Callable[[], None]) -> None:
    # In float32 throughout, as TensorFlow's Adam: 1 - 0.999 is another number there, by a part in 80,000.
    one, beta1, beta2 = np.float32(1), np.float32(spec.beta1), np.float32(spec.beta2)
    power1, power2 = beta1, beta2
    image, mean, square = image.copy(), np.zeros_like(image), np.zeros_like(image)
    for _ in range(iterations):
        gradient = evaluate(image)[1]
        step()
        mean += (gradient - mean) * (one - beta1)
        square += (gradient * gradient - square) * (one - beta2)
        rate = np.float32(spec.learning_rate) * np.sqrt(one - power2) / (one - power1)
        image -= mean * rate / (np.sqrt(square) + np.float32(spec.epsilon))
        power1, power2 = power1 * beta1, power2 * beta2
    evaluate(image)
    step()


def _lbfgs(spec: OptimizerSpec, evaluate: Evaluate, image: Floats, iterations: int, step: Callable[[], None]) -> None:
    del spec
    has_begun = False
    try:
        from scipy import optimize
    except ImportError as err:
        raise UsageError("SciPy, which has L-BFGS, is not installed here; wanted: sparkcv[style]") from err

    def flat(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        nonlocal has_begun
        loss, gradient = evaluate(values.reshape(image.shape).astype(np.float32))
        if not has_begun:
            has_begun = True
            step()
        return loss, gradient.astype(np.float64).ravel()

    found = optimize.minimize(
        flat,
        image.astype(np.float64).ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=lambda values: step(),
        options={"maxiter": iterations, "maxcor": _MEMORY, "maxfun": 20 * iterations, "ftol": 0.0, "gtol": 0.0},
    )
    if found.nit < iterations:
        _log.warning("L-BFGS ended after %d of %d iterations: %s", found.nit, iterations, found.message)
