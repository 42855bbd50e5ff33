"""Places at which a crash test may have the engine killed, by name.

The rule: a failpoint stands between two steps of which the second may be missing after a crash, and
LONGSHORE_FAILPOINT=NAME (or NAME:N, for the Nth time it is reached) turns that crash from luck into a
test.  SIGKILL to ourselves, because that is what a crash is: no cleanup runs, no buffer is flushed.
Where nothing is armed, which is everywhere else, reaching one costs a comparison.
"""

from __future__ import annotations

import enum
import itertools
import os
import signal
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

_NAME, _, _TIME = os.environ.get("LONGSHORE_FAILPOINT", "").partition(":")
_FATAL_TIME: Final = int(_TIME or 1)
_TIMES: Final = itertools.count(1)  # one step of it is atomic, so threads may share it
Step = TypeVar("Step", bound=enum.Enum)


class Boundary(NamedTuple):
    """The failpoints on both sides of one step."""

    before: str
    after: str


def boundaries(kind: str, steps: type[Step]) -> Mapping[Step, Boundary]:
    """Name the failpoints around each of `steps`, once, so that passing one makes no string."""
    names = {step: f"{kind}-{step.name.lower().replace('_', '-')}" for step in steps}
    return MappingProxyType({step: Boundary(f"{at}-before", f"{at}-after") for step, at in names.items()})


def reached(name: str) -> None:
    """Say that the failpoint `name` is reached; the process ends here if that is what a test asked for."""
    if name == _NAME and next(_TIMES) == _FATAL_TIME:
        os.kill(os.getpid(), signal.SIGKILL)
