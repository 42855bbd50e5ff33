"""Where a container can be in its life, and which of these places are alike.

The states are libpod's (libpod/define/containerstate.go names them), plus RESUMING, RELAPSED and
RESTARTING, DEAD (Docker's word for a removal that failed) and REMOVED.
"""

from __future__ import annotations

import enum
from typing import Final


class State(enum.Enum):
    """Where a container is in its life."""

    CONFIGURED = "configured"  # has never run
    STARTING = "starting"  # its root filesystem, bundle and process are being made
    INITIALIZED = "initialized"  # the process exists and is being let go
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    STOPPING = "stopping"  # has been told to end
    STOPPED = "stopped"  # has ended; what the run left is being cleared away
    UNKNOWN = "unknown"  # has ended, nobody knows how; being cleared away
    RELAPSED = "relapsed"  # has ended and will be started again; being cleared away
    RESTARTING = "restarting"  # waits for its next start
    EXITED = "exited"  # has ended, nothing of the run is left
    REMOVING = "removing"
    DEAD = "dead"  # could not be removed
    REMOVED = "removed"


S = State
LAUNCHING: Final = (S.STARTING, S.INITIALIZED)
ALIVE: Final = (S.RUNNING, S.PAUSING, S.PAUSED, S.RESUMING)
CLEARING: Final = (S.STOPPED, S.UNKNOWN)
AT_REST: Final = (S.CONFIGURED, S.EXITED)
BETWEEN_RUNS: Final = (S.RELAPSED, S.RESTARTING)
UPDATABLE: Final = (*AT_REST, *ALIVE, S.STOPPING, *CLEARING, *BETWEEN_RUNS)
PERMANENT: Final = tuple(state for state in State if state is not S.REMOVED)
VISITABLE: Final = tuple(state for state in PERMANENT if state not in {S.REMOVING, S.DEAD})
ENDED: Final = frozenset({S.STOPPED, S.UNKNOWN, S.EXITED, S.REMOVED})
