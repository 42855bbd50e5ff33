"""From a user's configuration to what it means on this host; the seam at which tests put a fake.

Three steps, so that a plan can be made without leaving a trace: `read` and `look_up` change nothing;
`realize` writes the scripts, which nobody uses yet.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

import attrs
import trio

from daemon.configuration import Source
from daemon.runtimes import wrappers
from daemon.runtimes.discovery import discover
from daemon.runtimes.features import FeatureProbe
from daemon.runtimes.table import RuntimeTable
from daemon.runtimes.wrappers import Wrapper
from daemon.settings import Settings


class ConfigurationHost(Protocol):
    """What becoming a configuration takes of the host."""

    async def read(self) -> Settings:
        """Read the file again, and join it with the flags.

        Raises:
            InvalidSettings: it cannot be used.

        """
        ...

    async def look_up(self, settings: Settings) -> RuntimeTable:
        """Find the runtimes.

        Raises:
            MissingProgram: there is none that could be the default.

        """
        ...

    async def realize(self, table: RuntimeTable) -> RuntimeTable:
        """Write the scripts that the table needs and ask its runtimes for their features.

        Raises:
            OSError: a script cannot be written.

        """
        ...

    async def sweep(self, keep: Collection[Wrapper]) -> None:
        """Leave exactly these scripts, whole; for the start of the engine alone.

        Raises:
            OSError: the disk refuses.

        """
        ...


@attrs.frozen
class LinuxConfigurationHost:
    """This machine; `directory` is where wrapper scripts are."""

    source: Source
    directory: Path
    probe: FeatureProbe = attrs.field(factory=FeatureProbe)

    async def read(self) -> Settings:
        """Read the file again."""
        return await trio.to_thread.run_sync(self.source.read)

    async def look_up(self, settings: Settings) -> RuntimeTable:
        """Find the runtimes on PATH."""
        return await trio.to_thread.run_sync(discover, settings)

    async def realize(self, table: RuntimeTable) -> RuntimeTable:
        """Write scripts, then probe."""
        # One thread for all scripts: twenty of them would keep the interpreter from everybody else.
        await trio.to_thread.run_sync(wrappers.write, self.directory, table.wrappers)
        features = await self.probe.probe({runtime.binary for runtime in table.runtimes.values()})
        runtimes = {
            name: attrs.evolve(runtime, features=features.get(runtime.binary))
            for name, runtime in table.runtimes.items()
        }
        return attrs.evolve(table, runtimes=runtimes)

    async def sweep(self, keep: Collection[Wrapper]) -> None:
        """Clear the directory of scripts."""
        await trio.to_thread.run_sync(wrappers.sweep, self.directory, keep)
