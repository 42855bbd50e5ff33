"""Places at which a crash test may have the engine killed, by name.

The rule: a failpoint stands between two steps of which the second may be missing after a crash, and
LONGSHORE_FAILPOINT=NAME (or NAME:N, for the Nth time it is reached) turns that crash from luck into a
test.  SIGKILL to ourselves, because that is what a crash is: no cleanup runs, no buffer is flushed.
Where nothing is armed, which is everywhere else, reaching one costs a comparison.
"""

from __future__ import annotations

import itertools
import os
import signal
from typing import Final

_NAME, _, _TIME = os.environ.get("LONGSHORE_FAILPOINT", "").partition(":")
_FATAL_TIME: Final = int(_TIME or 1)
_TIMES: Final = itertools.count(1)  # one step of it is atomic, so threads may share it


def reached(name: str) -> None:
    """Say that the failpoint `name` is reached; the process ends here if that is what a test asked for."""
    if name == _NAME and next(_TIMES) == _FATAL_TIME:
        os.kill(os.getpid(), signal.SIGKILL)
