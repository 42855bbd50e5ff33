"""A health check goes on when an engine takes over from one that stopped or crashed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.clients.engine import until
from tests.clients.restarts.site import Site
from tests.clients.test_events import actions

OFTEN: Final = ("--health-interval", "100ms", "--health-retries", "1")
WELL: Final = "test ! -e /tmp/ill"
SLEEP: Final = "sleep 71919"


@pytest.fixture(params=[Site.restart, Site.crash], ids=["restart", "crash"])
def renew(request: pytest.FixtureRequest) -> Callable[[Site], None]:
    """How the next engine takes over."""
    found: Callable[[Site], None] = request.param
    return found


def health(site: Site, container: str) -> dict[str, Any]:
    return dict(site.docker.inspect(container)["State"]["Health"])


def until_it_is(site: Site, container: str, status: str) -> None:
    until(lambda: health(site, container)["Status"] == status, f"it is {status}")


def told(site: Site, container: str) -> list[str]:
    return [action for action in actions(site.docker, container) if action.startswith("health_status")]


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_what_was_told_stays_true_and_is_not_told_again(
    site: Site, renew: Callable[[Site], None], runtime: str
) -> None:
    site.start()
    container = site.docker.sleeper("--runtime", runtime, "--health-cmd", WELL, *OFTEN)
    until_it_is(site, container, "healthy")
    renew(site)
    assert health(site, container)["Status"] == "healthy"  # and not "starting", which would be news
    until(lambda: len(health(site, container)["Log"]) >= 2, "it is probed again")
    assert told(site, container) == ["health_status: healthy"]
    site.docker("exec", container, "touch", "/tmp/ill")
    until_it_is(site, container, "unhealthy")
    assert told(site, container) == ["health_status: healthy", "health_status: unhealthy"]


def test_a_probe_under_way_is_not_left_behind(site: Site, renew: Callable[[Site], None]) -> None:
    site.start()
    container = site.docker.sleeper("--health-cmd", SLEEP, *OFTEN)
    until(lambda: _pids(site, container), "it is being probed")
    before = _pids(site, container)
    renew(site)
    until(lambda: _pids(site, container) - before, "it is probed again")
    assert before.isdisjoint(_pids(site, container))


def _pids(site: Site, container: str) -> set[str]:
    """Return the pids of the probe's processes."""
    return {line.split()[1] for line in site.docker("top", container).lines if SLEEP in line}
