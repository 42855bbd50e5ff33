"""The runtimes of one configuration, and how a run is tied to one of them.

A table never changes: a reload makes another one.  Who starts a container takes the table that is in
force when it is asked and locks one runtime in (`RuntimeTable.lock`); everything that is done to that
run later uses what was locked, whatever has become of the table.

Names, texts and what a missing binary means are dockerd's (api-contract section 6.2).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final

import attrs

from daemon.configuration import SHIMS
from daemon.errors import InvalidParameter, RuntimeFailed
from daemon.runtimes.wrappers import Wrapper

ANY_SHIM: Final = re.compile(r"[^./][^/]*\.[^/]*")
STOCK_SHIM: Final = "io.containerd.runc.v2"
CANNOT_LOOK_UP: Final = "error while looking up the specified runtime path"


@attrs.frozen
class LockedRuntime:
    """The runtime of one run.

    `path` is what is executed, a wrapper script if there are `arguments`; `binary` is the runtime
    itself; `generation` is the configuration's that the run was started under.
    """

    name: str
    path: str
    binary: str
    arguments: tuple[str, ...] = ()
    generation: int = 0

    @property
    def wrapper(self) -> Wrapper | None:
        """The script that `path` is, or None; a binary that was nowhere to be found never had one."""
        scripted = self.arguments and os.path.isabs(self.binary)
        return Wrapper(self.name, self.binary, self.arguments) if scripted else None

    def check_installed(self) -> None:
        """Make sure that there is something to execute.

        Raises:
            RuntimeFailed: there is not.

        """
        if not os.path.isabs(self.binary):
            raise RuntimeFailed(
                CANNOT_LOOK_UP,
                f'exec: "{self.binary}": executable file not found in $PATH '
                "(if it has been installed since, reload the engine's configuration)",
            )
        if not os.path.exists(self.binary):
            raise RuntimeFailed(
                CANNOT_LOOK_UP, f'exec: "{self.binary}": stat {self.binary}: no such file or directory'
            )
        if os.path.isdir(self.binary):
            raise RuntimeFailed(CANNOT_LOOK_UP, f'exec: "{self.binary}": is a directory')
        if not os.access(self.binary, os.X_OK):
            raise RuntimeFailed(CANNOT_LOOK_UP, f'exec: "{self.binary}": permission denied')


@attrs.frozen
class Runtime:
    """A runtime that a container may ask for.

    `configured` is its path as the user wrote it; `binary` is where that is, the same again if it is
    nowhere; `path` is what is executed.  `features` is what it says of itself, or None.
    """

    name: str
    configured: str
    binary: str
    path: str
    arguments: tuple[str, ...] = ()
    features: Mapping[str, Any] | None = None

    @property
    def wrapper(self) -> Wrapper | None:
        """The script that `path` is, or None; there is none as long as nobody knows where the binary is."""
        needed = self.arguments and os.path.isabs(self.binary)
        return Wrapper(self.name, self.binary, self.arguments) if needed else None


@attrs.frozen
class RuntimeTable:
    """The runtimes of the configuration of one `generation`, by name; `default` is one of them."""

    runtimes: Mapping[str, Runtime]
    default: str
    generation: int = 0

    def find(self, name: str) -> Runtime:
        """Return a runtime.

        Raises:
            InvalidParameter: there is none of this name.

        """
        found = self.runtimes.get(name) or self.runtimes.get(SHIMS.get(name, ""))
        if found is not None:
            return found
        text = f"unknown or invalid runtime name: {name}"
        if ANY_SHIM.fullmatch(name):
            text += " (containerd's shims are not used here: configure the path of the OCI runtime itself)"
        raise InvalidParameter(text)

    def lock(self, name: str) -> LockedRuntime:
        """Tie a run to a runtime.

        Raises:
            InvalidParameter: there is none of this name.

        """
        found = self.find(name)
        return LockedRuntime(found.name, found.path, found.binary, found.arguments, self.generation)

    @property
    def wrappers(self) -> tuple[Wrapper, ...]:
        """The scripts that the table needs."""
        return tuple(wrapper for found in self.runtimes.values() if (wrapper := found.wrapper) is not None)
