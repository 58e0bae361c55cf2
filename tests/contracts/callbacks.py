"""A run's observer made of functions, for tests that want to hear of one thing."""

from collections.abc import Callable
from typing import Any

from sparkcv.cluster.observer import RunObserver


class Callbacks(RunObserver):
    """Calls ``on_status`` and so on where they are given; each is as RunObserver's method of that name."""

    def __init__(self, **functions: Callable[..., Any]):
        for name, function in functions.items():
            assert hasattr(RunObserver, name), name
            setattr(self, name, function)
