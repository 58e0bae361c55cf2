"""What TensorFlow says at every start and no user can act on: kept in a role's own log, left out of the driver's.

The native libraries log through absl, whose lines begin with a severity letter, month and day; those before its
initialization ignore ``TF_CPP_MIN_LOG_LEVEL``.
"""

import re

_NOISE = re.compile(
    r"WARNING: All log messages before absl::InitializeLog"
    r"|[IW]\d{4} \d\d:\d\d:[\d.]+ "
    r"|E\d{4} .*failed call to cuInit"  # a machine without a GPU
    r"|E\d{4} .*oneDNN supports DT_\w+ only on platforms with "  # a few operations go on without it
    r"|\s*\\t \[\[\{\{node .*DerivedStatus"  # second line of a message about a queue that was closed
)


def is_noise(line: str) -> bool:
    """Return whether a line of a role's log is of no use to somebody who watches the run."""
    return _NOISE.match(line) is not None
