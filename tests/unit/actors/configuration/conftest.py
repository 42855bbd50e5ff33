from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import trio
from structlog.testing import capture_logs

from tests.unit.actors.configurations import Reloading


@pytest.fixture
async def reloading() -> AsyncGenerator[Reloading, None]:
    """A configuration in force and its actor, over fakes."""
    with capture_logs():
        async with trio.open_nursery() as nursery:
            reloading = Reloading()
            nursery.start_soon(reloading.actor.run)
            yield reloading
            nursery.cancel_scope.cancel()
