"""Links that share one of the host's, on the real kernel; needs root."""

from __future__ import annotations

import subprocess
from ipaddress import ip_interface
from pathlib import Path

import pytest

from daemon.errors import Failed, InvalidParameter
from daemon.networks import links, namespaces
from daemon.networks.plans import LinkPlan
from tests.runtime.networks.hosts import FreshHost, eventually, ip, lone_link, reaches

pytestmark = pytest.mark.runtime


def _shared(host: FreshHost, number: int, kind: str = "macvlan", mode: str = "") -> tuple[Path, LinkPlan]:
    if "parent0" not in host.links():
        lone_link("parent0")
    interfaces = (ip_interface(f"10.7.0.{number}/24"), ip_interface(f"fd07::{number}/64"))
    mac = f"02:42:0a:07:00:{number:02x}" if kind == "macvlan" else ""
    return host.sandbox(f"c{number}"), LinkPlan(kind, "parent0", "", "eth0", mac, interfaces, mode=mode)


@pytest.mark.parametrize("address", ["10.7.0.3", "fd07::3"])
@pytest.mark.parametrize(("mode", "met"), [("", True), ("bridge", True), ("private", False), ("vepa", False)])
def test_containers_of_one_parent_meet_as_the_mode_says(
    host: FreshHost, mode: str, met: bool, address: str
) -> None:
    (one, first), (two, second) = _shared(host, 2, mode=mode), _shared(host, 3, mode=mode)
    links.plug(one, first)
    assert links.plug(two, second) == second.mac
    assert reaches(one, two, address) is met


def test_a_parent_passed_through_takes_one_container(host: FreshHost) -> None:
    (one, first), (two, second) = _shared(host, 2, mode="passthru"), _shared(host, 3, mode="passthru")
    links.plug(one, first)
    with pytest.raises(Failed, match="link eth0 on parent0: "):
        links.plug(two, second)


def test_plugging_and_unplugging_can_be_repeated(host: FreshHost) -> None:
    sandbox, made = _shared(host, 2)
    links.plug(sandbox, made)
    links.plug(sandbox, made)
    assert reaches(sandbox, sandbox, "10.7.0.2")
    for _ in range(2):
        links.unplug(sandbox, made)
    assert [link["ifname"] for link in ip("link", sandbox)] == ["lo"]
    namespaces.remove(sandbox)
    links.unplug(sandbox, made)


def test_a_removed_namespace_frees_the_hardware_address(host: FreshHost) -> None:
    sandbox, made = _shared(host, 2)
    links.plug(sandbox, made)
    namespaces.remove(sandbox)

    def plugged() -> bool:
        try:
            links.plug(host.sandbox("again"), made)
        except Failed:
            return False
        return True

    assert eventually(plugged)


def test_a_mode_that_there_is_not_is_refused(host: FreshHost) -> None:
    sandbox, made = _shared(host, 2, mode="bogus")
    with pytest.raises(InvalidParameter, match="macvlan has no mode bogus: it is one of private, vepa"):
        links.plug(sandbox, made)


def test_a_kernel_without_ipvlan_says_so(host: FreshHost) -> None:
    sandbox, made = _shared(host, 2, kind="ipvlan", mode="l2")
    asking = ["ip", "link", "add", "link", "parent0", "name", "has0", "type", "ipvlan"]
    if subprocess.run(asking, check=False).returncode == 0:
        links.plug(sandbox, made)
        assert reaches(sandbox, sandbox, "10.7.0.2")
        return
    with pytest.raises(Failed, match="the kernel lacks ipvlan links; load the module ipvlan"):
        links.plug(sandbox, made)
