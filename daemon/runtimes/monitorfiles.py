"""The files of one monitor, and what they tell of an exit: a crash may have cut any of them off."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

import attrs

from daemon.runtimes.base import Exit

EXIT_CODES: Final = range(256)
EXIT: Final = "exit"
OOM: Final = "oom"  # conmon's name for a file that says that memory ran out


@attrs.frozen
class MonitorFiles:
    """Where one monitor has its files: attach socket, terminal FIFOs, pid and exit code.

    `kept` is where the exit stays when the rest is deleted: the journal may not have been able to take it.
    """

    directory: Path
    id: str
    kept: Path | None = None

    @property
    def exits(self) -> Path:
        """The directory for the exit file; it must exist."""
        return self.directory / "exit"

    def read_exit(self) -> Exit | None:
        """Return how the process ended, or None if the monitor has not said so that it can be read."""
        found = _read_exit(self.exits / self.id, self.directory / OOM)
        if found is None and self.kept is not None:
            found = _read_exit(self.kept / EXIT, self.kept / OOM)
        return found

    def keep_exit(self) -> None:
        """Move what tells of the exit to where it is kept.

        Raises:
            OSError: the disk refuses.

        """
        code = self.exits / self.id
        if self.kept is None or not code.exists():
            return
        self.kept.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            (self.directory / OOM).replace(self.kept / OOM)
        code.replace(self.kept / EXIT)


def _read_exit(code_file: Path, oom_file: Path) -> Exit | None:
    try:
        code, at_ns = int(code_file.read_text()), code_file.stat().st_mtime_ns
    except (OSError, ValueError):
        return None
    return Exit(code, oom_killed=oom_file.exists(), at_ns=at_ns) if code in EXIT_CODES else None
