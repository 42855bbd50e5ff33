"""The engine's share of a busy processor: it goes before what it starts.

On most hosts the kernel shares the processor among sessions, not processes (sched_autogroup), and every
monitor leads a session of its own.  So 32 starts at once make the engine one among 33, and everyone who asks
it something waits as long as if they were one of the 32.  See docs/adr/0021.

Source: sched(7), "The autogroup feature"; proc(5), /proc/PID/autogroup.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import structlog

AUTOGROUP: Final = Path("/proc/self/autogroup")
NICENESS: Final = -10  # about ten times the share of a session of niceness 0
LOG: Final = structlog.get_logger(__name__)


def go_first(autogroup: Path = AUTOGROUP, *, leads_session: bool | None = None) -> bool:
    """Have the kernel favour our session over those of the monitors; return whether it does.

    Only if we lead the session: one that we share with a shell is not ours to favour.  A kernel without
    sessions to share among, or without the right to change it, is no reason not to run.
    """
    leads = os.getsid(0) == os.getpid() if leads_session is None else leads_session
    if not leads:
        LOG.debug("the engine does not lead its session: it has no more of the processor than others")
        return False
    try:
        autogroup.write_text(str(NICENESS))
    except OSError as error:
        LOG.debug("the engine has no more of the processor than others", error=str(error))
        return False
    return True
