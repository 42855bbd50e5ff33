"""Engines that a test starts, stops and kills itself, and proof that nothing of them is left."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.leaks import leftovers_when_settled
from tests.clients.restarts.site import Site


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    """Do without the one engine that other modules share."""


@pytest.fixture
def site(tmp_path: Path, data: Path) -> Iterator[Site]:
    """A place for engines, with the image busybox; in the end nothing may be left by any of them."""
    subprocess.run(["cp", "-a", str(data), str(tmp_path / "data")], check=True)
    with ExitStack() as stack:
        site = Site(tmp_path, stack)
        try:
            yield site
        finally:
            _clear_up(site)


def _clear_up(site: Site) -> None:
    site.configure({})
    if site.engine.process.poll() is not None:
        site.start()
    site.docker.remove_all()
    ids = site.docker.ids_ever()
    site.engine.stop()
    left = leftovers_when_settled(site.root, ids)
    tracebacks = [line for line in site.engine.log.splitlines() if "Traceback" in line]
    shutil.rmtree(site.root / "data", ignore_errors=True)
    assert not left, "\n".join(left)
    assert not tracebacks, "\n".join(tracebacks)
