"""What makes a link known disturbs nobody; needs root."""

from __future__ import annotations

import pytest

from daemon.networks import bridges, links
from tests.runtime.networks.hosts import BRIDGE, FreshHost, ip, lone_link, plan

pytestmark = pytest.mark.runtime
ADDRESS = "52:54:00:00:00:01"


def test_somebody_elses_bridge_keeps_its_hardware_address(host: FreshHost) -> None:
    lone_link("nic")
    ip(f"link add name {BRIDGE.name} type bridge")
    ip(f"link set dev nic address {ADDRESS} master {BRIDGE.name}")
    bridges.ensure_bridge(BRIDGE)
    links.plug(host.sandbox("c3"), plan(3))
    assert ip(f"link show dev {BRIDGE.name}")[0]["address"] == ADDRESS
