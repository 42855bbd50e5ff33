"""What the engine keeps file trees in: the layers of images and the root filesystems of containers."""

from __future__ import annotations

import attrs

from daemon.errors import Failed
from daemon.graphdrivers.choosing import chosen_driver
from daemon.graphdrivers.layers import Layers
from daemon.graphdrivers.roots import Roots
from daemon.settings import Settings


@attrs.frozen
class Storage:
    """Both, over one driver."""

    layers: Layers
    roots: Roots


async def open_storage(settings: Settings) -> Storage:
    """Make the driver ready and find out what it has.

    Raises:
        Failed: it cannot be used, or the disk refused.
        NotFound: it is a plugin, and there is none of that name.

    """
    driver = await chosen_driver(settings)
    try:
        layers = Layers(driver)
        await layers.open()
        return Storage(layers, Roots(driver, await driver.status()))
    except OSError as error:
        raise Failed(f"the storage driver {driver.name} cannot be used: {error}") from error
