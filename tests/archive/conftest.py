"""One small archive for all the tests that only look at it."""

import pytest

from tests.archive.checkout import Checkout


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A checkout with both zips, and in ``said`` what their build said."""
    dependencies = ("numpy>=2", "jinja2", "pyspark>=4")  # in C with libraries of its own, in Python, and left out
    checkout = Checkout(tmp_path_factory.mktemp("checkout") / "a path with spaces", dependencies)
    done = checkout.build()
    assert done.returncode == 0, done.stderr
    checkout.said = done.stdout
    return checkout
