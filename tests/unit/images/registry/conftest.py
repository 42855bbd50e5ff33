"""A registry in memory, and what speaks to it."""

from __future__ import annotations

import pytest

from tests.registries.shelf import Shelf
from tests.unit.images.registry.rig import HOST, Rig


@pytest.fixture
def shelf() -> Shelf:
    """What the registry has."""
    return Shelf()


@pytest.fixture
def rig(shelf: Shelf) -> Rig:
    """The engine's side, which finds it at HOST."""
    return Rig({f"https://{HOST}": shelf})
