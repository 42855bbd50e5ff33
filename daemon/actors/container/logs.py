"""Where a container's output goes, as its record says."""

from __future__ import annotations

from pathlib import Path

from daemon.actors.container.snapshot import ContainerRecord
from daemon.logoptions import NONE, max_files, max_size_bytes
from daemon.runtimes.logrotation import RotatedLog


def log_of(record: ContainerRecord) -> RotatedLog | None:
    """Return the container's log; None if it keeps none."""
    logging = record.host_config.log_config
    if logging.type == NONE:
        return None
    options = logging.config or {}
    return RotatedLog(Path(record.log_path), max_size_bytes(options), max_files(options))
