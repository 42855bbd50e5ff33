"""Which OCI runtimes there are, and which one is the default where the user named none.

crun starts a container in a third of runc's time, so it is the default wherever it works.  crun 1.8
refuses a hybrid cgroup host (v1 in use, a v2 tree beside it) whose v2 tree still has a controller of
its own; there runc is the default and the log says what to do about it.

A runtime that is configured but not installed is an error only for who uses it, as with dockerd;
an engine with no usable default does not start, because nothing it is for would work.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import attrs
import structlog

from daemon.errors import InvalidParameter, RuntimeFailed
from daemon.settings import Settings
from daemon.startup import MissingProgram

CGROUP_ROOT: Final = Path("/sys/fs/cgroup")
PREFERRED: Final = ("crun", "runc")
LOG: Final = structlog.get_logger(__name__)

Which = Callable[[str], str | None]


@attrs.frozen
class Runtime:
    """A runtime as it was asked for, and where it is; None if it is not installed."""

    configured: str
    path: Path | None


@attrs.frozen
class RuntimeTable:
    """The runtimes a container may ask for by name."""

    runtimes: Mapping[str, Runtime]
    default: str

    def path_of(self, name: str) -> Path:
        """Return the binary of a runtime, the default one's if `name` is empty.

        Raises:
            InvalidParameter: there is no such runtime.
            RuntimeFailed: its binary is not installed.

        """
        runtime = self.runtimes.get(name or self.default)
        if runtime is None:
            raise InvalidParameter(f"unknown or invalid runtime name: {name}")
        if runtime.path is None:
            raise RuntimeFailed(
                "error while looking up the specified runtime path",
                f'exec: "{runtime.configured}": executable file not found in $PATH',
            )
        return runtime.path


def discover(
    settings: Settings, *, which: Which = shutil.which, cgroup_root: Path = CGROUP_ROOT
) -> RuntimeTable:
    """Find the built-in runtimes and the configured ones, and choose the default.

    Raises:
        MissingProgram: the default runtime is not installed, or no runtime is.

    """
    configured = {name: runtime.path for name, runtime in settings.runtimes.items()}
    found = {
        name: _find(path, which) for name, path in ({name: name for name in PREFERRED} | configured).items()
    }
    usable = [name for name in PREFERRED if found[name].path is not None]
    default = settings.default_runtime or _choose(usable, cgroup_root)
    if default is None:
        raise MissingProgram("OCI runtime (crun or runc)", "crun")
    if found[default].path is None:
        raise MissingProgram(f"default runtime {default} ({found[default].configured})", default)
    shown = {name: runtime for name, runtime in found.items() if runtime.path or name in configured}
    return RuntimeTable(shown, default)


def _find(configured: str, which: Which) -> Runtime:
    path = which(configured)
    # Absolute, because a monitor calls the runtime from another directory than ours.
    return Runtime(configured, None if path is None else Path(path).absolute())


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
