"""Rulesets, what they differ in, and what nft is told of them."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import Conflict, NotImplementedHere
from daemon.networks.firewall.documents import afresh, difference, whole
from daemon.networks.firewall.elements import of_all
from daemon.networks.firewall.ruleset import Change, Ruleset, Touched, key_of
from daemon.networks.plans import BridgeRules, PublishedPort

PREFIXES = (ip_network("10.201.0.0/16"), ip_network("fd00:201::/48"))


def subnets() -> st.SearchStrategy[tuple[IPv4Network | IPv6Network, ...]]:
    return st.integers(0, 30).map(
        lambda number: (ip_network(f"10.201.{number}.0/24"), ip_network(f"fd00:201:0:{number}::/64"))
    )


bridges = st.builds(
    BridgeRules,
    link=st.sampled_from(["docker0", "br-0", "br-1", "br-2"]),
    subnets=subnets(),
    internal=st.booleans(),
    between_containers=st.booleans(),
    masquerade=st.booleans(),
)


@st.composite
def ports(draw: st.DrawFn) -> PublishedPort:
    front, targets = draw(
        st.sampled_from(
            [
                ("0.0.0.0", ("10.201.1.2", "10.201.1.3")),
                ("192.0.2.1", ("10.201.1.2", "10.201.1.3")),
                ("::", ("fd00:201::2", "fd00:201::3")),
                ("2001:db8::1", ("fd00:201::2", "fd00:201::3")),
            ]
        )
    )
    return PublishedPort(
        draw(st.sampled_from(["tcp", "udp", "sctp"])),
        ip_address(front),
        draw(st.integers(1, 4)),
        ip_address(draw(st.sampled_from(targets))),
        draw(st.integers(1, 3)),
    )


@st.composite
def rulesets(draw: st.DrawFn) -> Ruleset:
    """No two bridges have a link or a subnet in common: whoever gives addresses sees to that."""
    chosen = draw(st.lists(ports(), max_size=8, unique_by=key_of))
    apart = (lambda bridge: bridge.link, lambda bridge: bridge.subnets)
    return Ruleset.of(draw(st.lists(bridges, max_size=4, unique_by=apart)), chosen)


def everything(*rules: Ruleset) -> Touched:
    links = frozenset(link for one in rules for link in one.bridges)
    return Touched(links, frozenset(key for one in rules for key in one.ports))


@given(rulesets(), rulesets())
def test_a_change_makes_one_ruleset_of_the_other(before: Ruleset, after: Ruleset) -> None:
    change = Change.between(before, after, everything(before, after))
    have = set(of_all(before.bridges.values(), before.ports.values()))
    gone, new = (
        set(of_all(change.bridges_gone, change.ports_gone)),
        set(of_all(change.bridges_new, change.ports_new)),
    )
    assert gone <= have
    assert (have - gone) | new == set(of_all(after.bridges.values(), after.ports.values()))


@given(rulesets())
def test_nothing_differs_from_itself(rules: Ruleset) -> None:
    change = Change.between(rules, rules, everything(rules))
    assert not change
    assert difference("longshore", change) == ""


@given(rulesets(), rulesets())
def test_a_change_never_says_a_rule_and_deletes_before_it_adds(before: Ruleset, after: Ruleset) -> None:
    lines = difference("t", Change.between(before, after, everything(before, after))).splitlines()
    verbs = [line.split(" ")[0] for line in lines]
    assert all(line.split(" ")[1:4] == ["element", "inet", "t"] for line in lines)
    assert all((one, other) != ("add", "delete") for one, other in pairwise(verbs))


@given(rulesets())
def test_what_is_withdrawn_whole_leaves_nothing(rules: Ruleset) -> None:
    assert not rules.withdrawn(list(rules.bridges), list(rules.ports.values()))


@given(rulesets())
def test_the_whole_has_as_many_rules_however_many_bridges_and_ports(rules: Ruleset) -> None:
    own = BridgeRules("br-9", ())
    script, least = (whole("t", one) for one in (rules.installed([own], []), Ruleset.of([own], [])))
    without_elements = [line for line in script.splitlines() if not line.startswith("add element")]
    assert without_elements == [line for line in least.splitlines() if not line.startswith("add element")]


def test_the_whole_empties_everything_that_it_declares_before_it_fills_it() -> None:
    lines = whole("mine", Ruleset.of([BridgeRules("br-0", (PREFIXES[0],))], [])).splitlines()
    declared = {line.split()[1] for line in lines if line.strip().startswith(("set ", "map "))}
    emptied = [number for number, line in enumerate(lines) if line.startswith("flush ")]
    filled = [number for number, line in enumerate(lines) if line.startswith("add element ")]
    assert {lines[number].split()[-1] for number in emptied} == declared | {"mine"}
    assert filled
    assert max(emptied) < min(filled)


def test_a_table_of_another_kind_is_deleted_first() -> None:
    rules = Ruleset.of([BridgeRules("br-0", (PREFIXES[0],))], [])
    deletion = ["add table inet mine", "delete table inet mine"]
    assert afresh("mine", rules).splitlines() == deletion + whole("mine", rules).splitlines()
    assert whole("mine", Ruleset()).splitlines() == afresh("mine", Ruleset()).splitlines() == deletion


def test_what_nft_is_told_of_bridges_and_ports() -> None:
    change = Change(
        bridges_gone=(BridgeRules("br-1", (), between_containers=False),),
        bridges_new=(BridgeRules("br-0", PREFIXES, internal=True),),
        ports_gone=(PublishedPort("udp", ip_address("2001:db8::1"), 53, ip_address("fd00:201::2"), 5353),),
        ports_new=(PublishedPort("tcp", ip_address("0.0.0.0"), 8080, ip_address("10.201.0.2"), 80),),
    )
    assert difference("t", change).splitlines() == [
        "delete element inet t at_address6 { 2001:db8::1 . 17 . 53 }",
        'delete element inet t bridges { "br-1" }',
        'add element inet t bridges { "br-0" }',
        "add element inet t everywhere4 { 6 . 8080 : 10.201.0.2 . 80 }",
        "add element inet t hidden4 { 10.201.0.0/16 }",
        "add element inet t hidden6 { fd00:201::/48 }",
        'add element inet t home4 { 10.201.0.0/16 . "br-0" }',
        'add element inet t home6 { fd00:201::/48 . "br-0" }',
        'add element inet t internal { "br-0" }',
        'add element inet t talking { "br-0" . "br-0" }',
    ]


def test_a_port_of_ipv6_that_is_taken_is_named_as_an_address_with_a_port_is_written() -> None:
    mine = PublishedPort("tcp", ip_address("::"), 80, ip_address("fd00:201::2"), 80)
    yours = PublishedPort("tcp", ip_address("::"), 80, ip_address("fd00:201::3"), 80)
    with pytest.raises(Conflict, match=r"^Bind for \[::\]:80 failed: port is already allocated$"):
        Ruleset.of([], [mine, yours])


def test_a_port_at_the_loopback_of_ipv6_is_refused_with_the_reason() -> None:
    port = PublishedPort("tcp", ip_address("::1"), 80, ip_address("fd00:201::2"), 80)
    with pytest.raises(NotImplementedHere, match="port 80 cannot be published at ::1"):
        Ruleset.of([], [port])
