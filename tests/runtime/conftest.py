from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.runtime.hosts import RUNTIMES, FakeRig, RealRig, Rig


@pytest.fixture(params=["fake", *(pytest.param(name, marks=pytest.mark.runtime) for name in RUNTIMES)])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """A host: the fake, and the real one on each runtime."""
    if request.param != "fake":
        yield RealRig.make(tmp_path, str(request.param))
        return
    fake = FakeRig()
    yield fake
    fake.host.close()


@pytest.fixture(params=RUNTIMES)
def real(request: pytest.FixtureRequest, tmp_path: Path) -> RealRig:
    """A real host, on each runtime."""
    return RealRig.make(tmp_path, str(request.param))
