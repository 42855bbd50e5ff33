from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import trio

from daemon.journal import Journal, open_journal


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncGenerator[Journal, None]:
    with trio.fail_after(30):
        async with open_journal(tmp_path / "journal.db") as opened:
            yield opened
