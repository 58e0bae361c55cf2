"""What a failed test has submitted must not take the next one's memory and cores."""

import pytest

from tests.yarn import roles


@pytest.fixture(autouse=True)
def _nothing_runs_on(request):
    yield
    if "hadoop" in request.keywords:
        roles.end_all()
