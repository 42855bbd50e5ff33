"""Starts the resolver: a process that must outlive the engine and owe it nothing.

It makes itself a child of nobody's once it is ready, which is why waiting for the command is waiting for
that.  It gets a session of its own, none of our descriptors and almost nothing of our environment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import trio

from daemon.errors import Failed

RUNS_ALREADY: Final = 75  # said by daemon.networks.resolver.__main__
_PACKAGE_ROOT: Final = Path(__file__).resolve().parents[3]
_ENVIRONMENT: Final = {
    "PATH": os.defpath,
    "PYTHONPATH": str(_PACKAGE_ROOT),
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MALLOC_ARENA_MAX": "1",  # its threads take turns; an arena for each would be memory for nothing
}


async def start(control: Path, *options: str) -> None:
    """Return once a resolver listens at `control`, this one or another that was there before.

    Raises:
        Failed: it could not start; the text is its own.

    """
    command = [sys.executable, "-P", "-s", "-m", "daemon.networks.resolver", *options, str(control)]
    try:
        done = await trio.run_process(
            command, capture_stderr=True, check=False, env=_ENVIRONMENT, cwd="/", start_new_session=True
        )
    except OSError as error:
        raise Failed(f"the resolver could not be started: {error}") from error
    if done.returncode not in {0, RUNS_ALREADY}:
        said = done.stderr.decode(errors="replace").strip()
        raise Failed(f"the resolver could not be started: {said or f'it ended with {done.returncode}'}")
