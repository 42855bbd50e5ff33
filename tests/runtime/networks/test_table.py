"""The table as the kernel has it."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

import pytest

from daemon.errors import Failed
from daemon.networks.firewall.kernel import KernelFilter
from daemon.networks.firewall.ruleset import Change, Ruleset
from daemon.networks.plans import PublishedPort
from tests.runtime.networks.topology import BRIDGES, Topology, rules_of

pytestmark = pytest.mark.runtime
ALL_BRIDGES = [rules_of(bridge) for bridge in BRIDGES]


def ports(protocol: str, count: int) -> list[PublishedPort]:
    host, own = ip_address("0.0.0.0"), ip_address("10.201.1.2")
    return [PublishedPort(protocol, host, 20000 + number, own, 80 + number) for number in range(count)]


def listed(hosts: Topology) -> list[dict[str, Any]]:
    return json.loads(hosts.run("host", "nft", "-j", "list", "ruleset"))["nftables"][1:]  # type: ignore[no-any-return]


def elements(hosts: Topology, name: str) -> list[Any]:
    return next(one["map"].get("elem", []) for one in listed(hosts) if one.get("map", {}).get("name") == name)


async def test_there_is_none_without_bridges_and_ports(hosts: Topology, kernel: KernelFilter) -> None:
    await kernel.replace(Ruleset.of(ALL_BRIDGES, ports("tcp", 1)))
    assert listed(hosts)
    await kernel.replace(Ruleset())
    assert listed(hosts) == []


@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
async def test_a_port_is_one_element_and_no_rule(
    hosts: Topology, kernel: KernelFilter, protocol: str
) -> None:
    def rules() -> int:
        return sum("rule" in one for one in listed(hosts))

    await kernel.replace(Ruleset.of([rules_of("red")], []))
    before = rules()
    await kernel.change(Change(bridges_new=tuple(ALL_BRIDGES), ports_new=tuple(ports(protocol, 1000))))
    assert rules() == before
    assert len(elements(hosts, "everywhere4")) == 1000
    assert [{"concat": [protocol, 20999]}, {"concat": ["10.201.1.2", 1079]}] in elements(hosts, "everywhere4")


async def test_changes_lead_where_the_whole_would_have_led(hosts: Topology, kernel: KernelFilter) -> None:
    first, second = ports("tcp", 3), ports("udp", 3)
    await kernel.replace(Ruleset.of([rules_of("red"), rules_of("inner")], first))
    moved = PublishedPort("tcp", first[0].host_address, first[0].host_port, ip_address("10.201.1.3"), 81)
    await kernel.change(
        Change(
            bridges_gone=(rules_of("inner"),),
            bridges_new=(rules_of("quiet"),),
            ports_gone=(first[0], first[1]),
            ports_new=(moved, *second),
        )
    )
    by_change = _without_handles(listed(hosts))
    await kernel.replace(Ruleset.of([rules_of("red"), rules_of("quiet")], [moved, first[2], *second]))
    assert _without_handles(listed(hosts)) == by_change


async def test_tables_of_others_stay_as_they_are(hosts: Topology, kernel: KernelFilter) -> None:
    hosts.run("host", "nft", "add table ip other; add chain ip other here; add rule ip other here counter")
    before = listed(hosts)
    await kernel.replace(Ruleset.of(ALL_BRIDGES, ports("tcp", 2)))
    await kernel.change(Change(ports_gone=tuple(ports("tcp", 1))))
    of_others = [one for one in listed(hosts) if _table(one) != "longshore"]
    await kernel.replace(Ruleset())
    assert listed(hosts) == of_others == before
    hosts.run("host", "nft", "delete table ip other")


async def test_engines_with_tables_of_different_names_do_not_meet(
    hosts: Topology, kernel: KernelFilter
) -> None:
    other = hosts.inside("host", lambda: KernelFilter("longshore-2"))
    await other.replace(Ruleset.of([rules_of("blue")], ports("udp", 1)))
    await kernel.replace(Ruleset.of([rules_of("red")], ports("tcp", 1)))
    await kernel.replace(Ruleset())
    assert {_table(one) for one in listed(hosts)} == {"longshore-2"}
    await other.replace(Ruleset())
    other.close()


async def test_a_change_of_a_flushed_table_is_refused_and_the_whole_puts_it_back(
    hosts: Topology, kernel: KernelFilter
) -> None:
    rules = Ruleset.of(ALL_BRIDGES, ports("tcp", 2))
    await kernel.replace(rules)
    before = _without_handles(listed(hosts))
    hosts.run("host", "nft", "flush", "ruleset")
    with pytest.raises(Failed, match="No such file"):
        await kernel.change(Change(ports_new=tuple(ports("udp", 1))))
    await kernel.replace(rules)
    assert _without_handles(listed(hosts)) == before


async def test_what_an_engine_of_another_version_has_left_is_replaced(
    hosts: Topology, kernel: KernelFilter
) -> None:
    rules = Ruleset.of(ALL_BRIDGES, ports("tcp", 2))
    await kernel.replace(rules)
    expected = _without_handles(listed(hosts))
    hosts.run(
        "host",
        "nft",
        "flush ruleset; add table inet longshore; add chain inet longshore published; "
        "add set inet longshore bridges { type ipv4_addr; }; add rule inet longshore published drop",
    )
    await kernel.replace(rules)
    assert _without_handles(listed(hosts)) == expected


async def test_what_somebody_has_done_to_the_table_is_undone(hosts: Topology, kernel: KernelFilter) -> None:
    rules = Ruleset.of(ALL_BRIDGES, ports("tcp", 2))
    await kernel.replace(rules)
    expected = _without_handles(listed(hosts))
    for deed in (
        "flush chain inet longshore passing",
        "insert rule inet longshore passing drop",
        "flush set inet longshore bridges",
        "add element inet longshore everywhere4 { tcp . 22 : 10.201.1.2 . 22 }",
        "flush table inet longshore",
        "chain inet longshore passing { policy drop; }",
    ):
        hosts.run("host", "nft", deed)
        await kernel.replace(rules)
        assert _without_handles(listed(hosts)) == expected


async def test_a_change_is_made_whole_or_not_at_all(hosts: Topology, kernel: KernelFilter) -> None:
    taken, free = ports("tcp", 2)
    await kernel.replace(Ruleset.of(ALL_BRIDGES, [taken]))
    before = listed(hosts)
    clash = PublishedPort("tcp", taken.host_address, taken.host_port, ip_address("10.201.1.3"), 80)
    with pytest.raises(Failed, match="File exists"):
        await kernel.change(Change(ports_new=(free, clash)))
    assert listed(hosts) == before


def _table(one: dict[str, Any]) -> str:
    kind, what = next(iter(one.items()))
    return str(what["name"] if kind == "table" else what["table"])


def _without_handles(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for one in objects:
        for what in one.values():
            what.pop("handle", None)
            if "elem" in what and isinstance(what["elem"], list):
                what["elem"].sort(key=json.dumps)
    return objects
