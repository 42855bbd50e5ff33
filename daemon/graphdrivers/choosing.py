"""Which driver an engine has: the user's choice, else the one that its data was made with, else the best.

Data that one driver has made is of no use to another, and containers may be running on it.  So a choice that
is another one than before is refused, with what to do about it, instead of making everything seem lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import structlog
import trio

from daemon.errors import Failed
from daemon.graphdrivers import overlay, probing, vfs
from daemon.graphdrivers.driver import Driver
from daemon.graphdrivers.overlay import OverlayDriver
from daemon.graphdrivers.vfs import VfsDriver
from daemon.plugins.discovery import Directories
from daemon.settings import Settings

PLUGINS: Final = "graphdrivers"  # the directory of those that are plugins, each in one of its name
SAME: Final[Mapping[str, str]] = MappingProxyType({"overlay": overlay.NAME})
"""What is another name for the same."""
_BUILT_IN: Final[Mapping[str, tuple[str, Callable[[Path], Driver], tuple[str, ...]]]] = MappingProxyType(
    {
        overlay.NAME: ("overlay", OverlayDriver, ("layers", "containers")),
        vfs.NAME: ("vfs", VfsDriver, ("dir",)),
    }
)
"""For each that needs no plugin: its directory, how it is made, and what is empty in it before it is used."""
_log = structlog.get_logger(__name__)


async def chosen_driver(settings: Settings, plugins: Directories | None = None) -> Driver:
    """Return the driver to use, initialized; `plugins` is where they are, by default those of this host.

    Raises:
        Failed: it cannot be used, and no other may be.
        NotFound: it is a plugin, and there is none of that name.

    """
    before = await trio.to_thread.run_sync(lambda: list(_drivers_before(settings.data_root)))
    wanted = SAME.get(settings.storage_driver, settings.storage_driver)
    if len(before) > 1 and not wanted:
        raise Failed(f"data-root has layers of several storage drivers, say which to use: {_listed(before)}")
    if wanted and before and wanted not in before:
        raise Failed(
            f"data-root has layers of the storage driver {_listed(before)}, which {wanted} cannot use: "
            f"keep that driver, or choose another data-root"
        )
    name = wanted or (before[0] if before else "")
    if not name:
        return await _best(settings)
    return await _usable(name, settings, plugins)


async def _best(settings: Settings) -> Driver:
    """Return the fastest driver that works on this file system."""
    try:
        return await _usable(overlay.NAME, settings)
    except Failed as error:
        _log.warning("the storage driver is vfs, which copies every layer", reason=str(error))
        return await _usable(vfs.NAME, settings)


async def _usable(name: str, settings: Settings, plugins: Directories | None = None) -> Driver:
    """Return a driver that works.

    Raises:
        Failed: it does not.

    """
    try:
        driver = await _made(name, settings, plugins)
        await driver.init()
    except OSError as error:
        raise Failed(f"the storage driver {name} cannot be used: {error}") from error
    _log.info("storage driver", name=name, home=str(driver.home))
    return driver


async def _made(name: str, settings: Settings, plugins: Directories | None) -> Driver:
    if name == overlay.NAME:
        await trio.to_thread.run_sync(probing.check_overlay, settings.data_root / "overlay")
    if name in _BUILT_IN:
        directory, make, _ = _BUILT_IN[name]
        return make(settings.data_root / directory)
    # Here, because a start without a plugin need not wait for an HTTP client to be imported.
    from daemon.graphdrivers.plugin import SERVICE, PluginDriver
    from daemon.plugins.client import reach

    plugin = await reach(name, SERVICE, plugins or Directories.of(os.environ))
    return PluginDriver(plugin, settings.data_root / PLUGINS / name, settings.storage_opts)


def _drivers_before(data_root: Path) -> Iterator[str]:
    """Yield the drivers that have layers or containers here; blocks."""
    for name, (directory, _, parts) in _BUILT_IN.items():
        if any(_has_files(data_root / directory / part) for part in parts):
            yield name
    plugins = data_root / PLUGINS
    for home in sorted(plugins.iterdir()) if plugins.is_dir() else ():
        if _has_files(home / "parents"):
            yield home.name


def _has_files(directory: Path) -> bool:
    return directory.is_dir() and any(directory.iterdir())


def _listed(names: list[str]) -> str:
    return " or ".join(names)
