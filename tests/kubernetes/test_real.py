"""Whether this machine has the control plane of a real Kubernetes, on which every test beside this one runs again."""

import pytest

from tests.kubernetes.cluster import WITHOUT_REAL


def test_a_real_control_plane_is_built():
    if WITHOUT_REAL:
        pytest.skip(WITHOUT_REAL)
