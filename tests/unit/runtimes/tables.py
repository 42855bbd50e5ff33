"""Tables of runtimes that are nowhere."""

from __future__ import annotations

from typing import Final

from daemon.runtimes.table import Runtime, RuntimeTable


def a_runtime(name: str, path: str = "") -> Runtime:
    path = path or f"/usr/bin/{name}"
    return Runtime(name, path, path, path)


def a_table(*names: str, generation: int = 1) -> RuntimeTable:
    """Return a table whose default is the first of `names`."""
    return RuntimeTable({name: a_runtime(name) for name in names}, names[0], generation)


RUNTIMES: Final = a_table("crun", "runc")
