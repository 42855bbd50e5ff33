"""Tables of others that drop what containers forward."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from daemon.networks.firewall.kernel import KernelFilter
from daemon.networks.firewall.ruleset import Ruleset
from tests.runtime.networks.topology import BRIDGES, OUTSIDE, Topology, rules_of
from tests.runtime.networks.traffic import Traffic

pytestmark = pytest.mark.runtime
FIREWALLD = """\
table inet firewalld {
    chain filter_FORWARD {
        type filter hook forward priority 10; policy accept;
        ct state established,related accept
        jump filter_FORWARD_ZONES
        reject with icmpx admin-prohibited
    }
    chain filter_FORWARD_ZONES { iifname "eth0" accept; }
}
"""


@pytest.fixture
def host(hosts: Topology) -> Iterator[Topology]:
    yield hosts
    hosts.run("host", "nft", "flush", "ruleset")


async def test_without_tables_of_others_there_is_nothing_to_say(host: Topology, kernel: KernelFilter) -> None:
    await kernel.replace(Ruleset.of([rules_of(bridge) for bridge in BRIDGES], []))
    assert await kernel.objections(["red"]) == ()


@pytest.mark.parametrize(("command", "family"), [("iptables", "ip"), ("ip6tables", "ip6")])
async def test_a_policy_of_iptables_is_found_and_what_is_said_to_do_helps(
    host: Topology, kernel: KernelFilter, traffic: Traffic, command: str, family: str
) -> None:
    version = {"ip": 4, "ip6": 6}[family]
    await kernel.replace(Ruleset.of([rules_of("red")], []))
    host.run("host", command, "-P", "FORWARD", "DROP")
    host.run("host", command, "-N", "DOCKER-USER")
    host.run("host", command, "-A", "FORWARD", "-j", "DOCKER-USER")
    traffic.serve("outside", "tcp", version, 80)
    assert await traffic.unheard("tcp", ("red1", OUTSIDE[version], 80))
    (warning,) = await kernel.objections(["red"])
    assert f'chain "FORWARD" of table "{family} filter"' in warning
    host.run("host", "sh", "-c", warning.partition("To let them pass: ")[2])
    assert await traffic.ask("red1", "tcp", OUTSIDE[version], 80)
    assert await kernel.objections(["red"]) == ()


async def test_a_chain_that_rejects_at_its_end_is_found(host: Topology, kernel: KernelFilter) -> None:
    _load(host, FIREWALLD)
    (warning,) = await kernel.objections(["red", "blue"])
    assert "firewall-cmd --permanent --zone=trusted --add-interface=blue" in warning
    assert "containers on blue, red do" in warning


async def test_a_table_of_ones_own_making_is_cured_with_nft(
    host: Topology, kernel: KernelFilter, traffic: Traffic
) -> None:
    await kernel.replace(Ruleset.of([rules_of("red")], []))
    _load(host, "table inet mine { chain f { type filter hook forward priority 0; policy drop; }\n}\n")
    (warning,) = await kernel.objections(["red"])
    host.run("host", "sh", "-c", warning.partition("To let them pass: ")[2])
    traffic.serve("outside", "tcp", 4, 80)
    assert await traffic.ask("red1", "tcp", OUTSIDE[4], 80)
    assert await kernel.objections(["red"]) == ()


async def test_a_chain_that_drops_only_some_is_none_of_our_business(
    host: Topology, kernel: KernelFilter
) -> None:
    _load(host, "table ip mine { chain f { type filter hook forward priority 0; tcp dport 25 drop; }\n}\n")
    assert await kernel.objections(["red"]) == ()


def _load(host: Topology, script: str) -> None:
    host.run("host", "sh", "-c", f"nft -f - <<'END'\n{script}END")
