"""Change a picture step by step so that its loss falls: Adam, or L-BFGS.

Kingma and Ba 2014, https://arxiv.org/abs/1412.6980; L-BFGS is SciPy's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sparkcv.errors import UsageError
from sparkcv.style.task import OptimizerSpec

__all__ = ["minimize"]

Floats = NDArray[np.float32]
Evaluate = Callable[[Floats], tuple[float, Floats]]
_MEMORY = 10


def minimize(spec: OptimizerSpec, evaluate: Evaluate, image: Floats, iterations: int, step: Callable[[], None]) -> None:
    """Take ``iterations`` steps from ``image``, which is not changed.

    ``evaluate`` gives loss and gradient of a picture; ``step`` is called once the first picture, and that of each
    step, was evaluated. Whoever wants the best picture keeps it in ``evaluate``.
    """
    (_lbfgs if spec.name == "lbfgs" else _adam)(spec, evaluate, image, iterations, step)


def _adam(spec: OptimizerSpec, evaluate: Evaluate, image: Floats, iterations: int, step: Callable[[], None]) -> None:
    image, mean, square = image.copy(), np.zeros_like(image), np.zeros_like(image)
    for number in range(1, iterations + 1):
        gradient = evaluate(image)[1]
        step()
        mean += np.float32(1 - spec.beta1) * (gradient - mean)
        square += np.float32(1 - spec.beta2) * (gradient * gradient - square)
        rate = spec.learning_rate * np.sqrt(1 - spec.beta2**number) / (1 - spec.beta1**number)
        image -= np.float32(rate) * mean / (np.sqrt(square) + np.float32(spec.epsilon))
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

    optimize.minimize(
        flat,
        image.astype(np.float64).ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=lambda values: step(),
        options={"maxiter": iterations, "maxcor": _MEMORY, "maxfun": 20 * iterations, "ftol": 0.0, "gtol": 0.0},
    )
