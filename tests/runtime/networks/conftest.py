from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.networks import hosts
from tests.runtime.networks.hosts import FreshHost


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FreshHost]:
    """A host of the test's own, in which its thread is."""
    yield from hosts.fresh_host(tmp_path)
