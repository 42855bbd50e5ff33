"""Which OCI runtimes there are, and which one is the default where the user named none.

crun starts a container in a third of runc's time, so it is the default wherever it works.  crun 1.8
refuses a hybrid cgroup host (v1 in use, a v2 tree beside it) whose v2 tree still has a controller of
its own; there runc is the default and the log says what to do about it.

A runtime that is configured but not installed is an error only for who uses it, as with dockerd;
an engine that could not even choose a default does not start, because nothing it is for would work.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from daemon.configuration import oci_runtime
from daemon.runtimes.table import STOCK_SHIM, Runtime, RuntimeTable
from daemon.runtimes.wrappers import Wrapper
from daemon.settings import Settings
from daemon.startup import MissingProgram

CGROUP_ROOT: Final = Path("/sys/fs/cgroup")
PREFERRED: Final = ("crun", "runc")
STOCK: Final = {**{name: name for name in PREFERRED}, STOCK_SHIM: "runc"}
LOG: Final = structlog.get_logger(__name__)

Which = Callable[[str], str | None]


def wrappers_directory(settings: Settings) -> Path:
    """Return where the wrapper scripts of an engine are."""
    return settings.data_root / "runtimes"


def discover(
    settings: Settings, *, which: Which = shutil.which, cgroup_root: Path = CGROUP_ROOT
) -> RuntimeTable:
    """Find the stock runtimes and the configured ones, and choose the default; change nothing.

    The table is of generation 0 and knows no features.

    Raises:
        MissingProgram: no runtime is installed and none is configured to be the default.

    """
    stock = {name: _runtime(settings, name, path, (), which) for name, path in STOCK.items()}
    configured = {
        name: _runtime(settings, name, *oci_runtime(entry), which)
        for name, entry in settings.runtimes.items()
    }
    installed = {name: found for name, found in stock.items() if os.path.isabs(found.binary)}
    runtimes = {**installed, **configured}
    default = settings.default_runtime or _choose([n for n in PREFERRED if n in runtimes], cgroup_root)
    if default is None:
        raise MissingProgram("OCI runtime (crun or runc)", "crun")
    if default in stock:  # which need not be installed to be what the user wants
        runtimes.setdefault(default, stock[default])
    return RuntimeTable(runtimes, default)


def _runtime(
    settings: Settings, name: str, configured: str, arguments: tuple[str, ...], which: Which
) -> Runtime:
    """Describe a runtime; one that is not found keeps the path it has, so that it can be said later."""
    # Absolute, because a monitor calls the runtime from another directory than ours.
    found = configured if os.path.isabs(configured) else which(configured)
    binary = os.path.abspath(found) if found else configured
    path = binary
    if arguments and found:
        path = str(wrappers_directory(settings) / Wrapper(name, binary, arguments).file_name)
    return Runtime(name, configured, binary, path, arguments)


def find_conmon(which: Which = shutil.which) -> Path:
    """Return the path of conmon.

    Raises:
        MissingProgram: it is not installed.

    """
    found = which("conmon")
    if found is None:
        raise MissingProgram("conmon", "conmon")
    return Path(found)


def leftover_controllers(cgroup_root: Path = CGROUP_ROOT) -> tuple[str, ...]:
    """Return the controllers that the v2 tree of a hybrid cgroup host still has."""
    try:
        return tuple((cgroup_root / "unified" / "cgroup.controllers").read_text().split())
    except FileNotFoundError:  # v1 alone or v2 alone
        return ()


def _choose(installed: list[str], cgroup_root: Path) -> str | None:
    controllers = leftover_controllers(cgroup_root)
    if installed != list(PREFERRED) or not controllers:
        return next(iter(installed), None)
    LOG.warning(
        "crun does not work on this host: its cgroup v2 tree still has controllers; using runc",
        controllers=" ".join(controllers),
        cure="; ".join(
            f"mkdir -p {cgroup_root}/{name} && mount -t cgroup -o {name} cgroup {cgroup_root}/{name}"
            for name in controllers
        ),
    )
    return "runc"
