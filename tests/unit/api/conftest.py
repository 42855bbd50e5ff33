from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
import structlog


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Generator[list[Any], None, None]:
    """Collect what we log; nobody else may log at all."""
    with structlog.testing.capture_logs() as entries:
        yield entries
    assert caplog.records == []
