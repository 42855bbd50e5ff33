"""Where the configuration comes from: the flags this process was given, and a file.

The flags stay what they were; the file is read again each time, which is what a reload is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from daemon.configuration.loading import load
from daemon.configuration.problems import InvalidSettings
from daemon.settings import Settings


@attrs.frozen
class Source:
    """The flags, under their keys in daemon.json, and the file; only one that somebody named must exist."""

    flags: Mapping[str, Any]
    file: Path
    required: bool

    def read(self) -> Settings:
        """Read the file and make the settings; blocks for as long as the file system does.

        Raises:
            InvalidSettings: the file cannot be read, or with every problem that could be found.

        """
        return load(self.flags, self._content())

    def _content(self) -> bytes | None:
        try:
            return self.file.read_bytes()
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not self.required:
                return None
            raise InvalidSettings(
                f"cannot read the configuration file {self.file}: {error.strerror}"
            ) from None
