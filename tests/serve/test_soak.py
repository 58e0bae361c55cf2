"""The short form of the soak: mixed load while versions change and processes are killed, and SIGTERM under it."""

import pytest

from tests.serve import soak

pytestmark = pytest.mark.tensorflow


def test_no_accepted_request_is_without_a_true_answer():
    report = soak.run(seconds=15, num_changes=2, num_kills=2)
    assert report.problems == [], report.table()
    answered = {kind for kind, code in report.found.codes if code in (200, "left") or kind == "broken"}
    assert answered == {"small", "large", "broken", "pixels", "columns", "cut", "slow", "gone"}
    assert len(report.found.versions) == 3
