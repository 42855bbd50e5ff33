"""What an engine that dies between two requests to the kernel leaves is brought to plan; needs root."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from daemon.networks import bridges, links, namespaces
from tests.runtime.networks.hosts import BRIDGE, OWNER, FreshHost, eventually, ip, plan, reaches

pytestmark = pytest.mark.runtime
# All that a container's network is made with; each request is a chance to die.
MAKING = """
import sys
from pathlib import Path
from daemon.networks import bridges, links, namespaces
from tests.runtime.networks.hosts import BRIDGE, plan
sandbox = Path(sys.argv[1])
bridges.ensure_bridge(BRIDGE)
namespaces.make(sandbox)
links.plug(sandbox, plan(3))
"""
REMOVING = """
import sys
from pathlib import Path
from daemon.networks import links, namespaces
from tests.runtime.networks.hosts import plan
sandbox = Path(sys.argv[1])
links.unplug(sandbox, plan(3))
namespaces.remove(sandbox)
"""


def _survives(script: str, host: FreshHost, request: int) -> bool:
    """Return whether `script` ends well when it is to be killed at its Nth request."""
    done = subprocess.run(
        [sys.executable, "-c", script, str(host.directory / "c3")],
        env={**os.environ, "LONGSHORE_FAILPOINT": f"netlink:{request}"},
        check=False,
    )
    assert done.returncode in {0, -signal.SIGKILL}
    return done.returncode == 0


def _make(host: FreshHost) -> None:
    assert bridges.ensure_bridge(BRIDGE)
    links.plug(host.sandbox("c3"), plan(3))


def test_making_is_finished_by_the_next_engine_wherever_the_last_one_died(host: FreshHost) -> None:
    request = 1
    while not _survives(MAKING, host, request):
        assert host.links() == {link.name for link in links.links_of(OWNER)}, "something is nobody's"
        _make(host)
        assert reaches(None, host.directory / "c3", "10.9.0.3")
        assert reaches(None, host.directory / "c3", "fd09::3")
        assert ip("-details link show dev veth3")[0]["linkinfo"]["info_slave_data"]["hairpin"]
        namespaces.remove(host.directory / "c3")
        links.remove_link("br0")
        assert eventually(lambda: host.links() == set())
        request += 1
    assert request > 10


def test_removing_is_finished_by_the_next_engine_wherever_the_last_one_died(host: FreshHost) -> None:
    _make(host)
    request = 1
    while not _survives(REMOVING, host, request):
        links.unplug(host.directory / "c3", plan(3))
        namespaces.remove(host.directory / "c3")
        assert eventually(lambda: host.links() == {"br0"})
        assert namespaces.below(host.directory) == ()
        _make(host)
        request += 1
    assert request > 3
