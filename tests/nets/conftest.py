"""TensorFlow is imported once, before the first test: its import sets variables, which no test may."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _tensorflow():
    import sparkcv.nets.slim  # noqa: F401
