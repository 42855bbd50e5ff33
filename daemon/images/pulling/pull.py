"""One pull: from a plan to an image that is whole on disk, under a lease that ends when it is recorded."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from daemon.errors import Failed
from daemon.images.completing import complete
from daemon.images.loading import Brought
from daemon.images.progress import Tell
from daemon.images.pulling.layers import LayerPull, Workshop
from daemon.images.pulling.plan import Plan
from daemon.images.registry.errors import RegistryError
from daemon.images.registry.repository import Repository


@contextlib.asynccontextmanager
async def brought(
    plan: Plan, workshop: Workshop, repository: Repository, tell: Tell
) -> AsyncGenerator[Brought, None]:
    """Lend the image of `plan`, whole on disk; it has no names yet.

    What has been downloaded when this fails is kept for the next pull, and nothing else; and not even that if
    this host is at fault, whose disk may be full, and containers need the room now.

    Raises:
        InvalidParameter: it is broken, or contradicts itself.
        RegistryError: something of it cannot be had.
        Failed: the disk refused.

    """
    with workshop.content.lease() as lease:
        pull = LayerPull(workshop, repository, lease, tell)
        try:
            layers = await pull.bring(plan.layers)
            stated = [layer.blob.digest for layer in plan.layers]
            record = complete(lease, plan.document, layers, plan.manifest.raw, stated)
            yield Brought(record, plan.document, ())
        except Failed as failed:
            lease.keeps_fetched = isinstance(failed, RegistryError)
            raise
        finally:
            pull.forget()
