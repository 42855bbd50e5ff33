"""Whether somebody else's table drops what containers forward, and what to do about it.

Accepting in one table does not keep another from dropping: a chain of somebody else's in the forward
hook that drops what it does not know, as dockerd's and firewalld's do, drops what comes from our
bridges and goes to them.  Their rules are theirs, so all that is done is to say which rule it takes.

A chain is taken to let a bridge through if rules of its table accept by the bridge's name in both
directions, or everything.  Conditions are not worked out: a warning too many is better than one that is
missing.

Source: libnftables-json(5).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final

import attrs
import orjson

Rule = list[dict[str, Any]]
_IPTABLES: Final[Mapping[str, str]] = MappingProxyType({"ip": "iptables", "ip6": "ip6tables"})
_FAMILIES: Final = frozenset({"ip", "ip6", "inet"})
_DIRECTIONS: Final = ("iifname", "oifname")
_DOCKER_USER: Final = "DOCKER-USER"  # where dockerd leaves room for the rules of others


@attrs.frozen
class _Table:
    """Somebody's table: its chains in the forward hook with their policies, and all rules by chain."""

    family: str
    name: str
    forwarding: dict[str, str] = attrs.field(factory=dict)
    rules: dict[str, list[Rule]] = attrs.field(factory=dict)


def objections(ruleset: bytes, own: str, links: Collection[str]) -> tuple[str, ...]:
    """Return a warning for each chain that drops what the bridges `links` forward.

    Args:
        ruleset: everybody's tables, as nft lists them.
        own: the name of our table.
        links: the bridges.

    """
    tables = _tables(orjson.loads(ruleset)["nftables"])
    return tuple(
        _text(table, chain, stopped)
        for table in tables
        if (table.family, table.name) != ("inet", own)
        for chain, policy in table.forwarding.items()
        if _is_strict(policy, table.rules[chain])
        and (stopped := [link for link in sorted(links) if not _lets_through(table, link)])
    )


def _tables(objects: Iterable[dict[str, Any]]) -> list[_Table]:
    tables: dict[tuple[str, str], _Table] = {}
    for kind, thing in (next(iter(one.items())) for one in objects):
        if kind not in {"chain", "rule"} or thing["family"] not in _FAMILIES:
            continue
        key = thing["family"], thing["table"]
        table = tables.setdefault(key, _Table(*key))
        if kind == "rule":
            table.rules[thing["chain"]].append(thing["expr"])
            continue
        table.rules[thing["name"]] = []
        if thing.get("hook") == "forward":
            table.forwarding[thing["name"]] = thing.get("policy", "accept")
    return list(tables.values())


def _is_strict(policy: str, rules: list[Rule]) -> bool:
    """Whether a chain stops what it has no rule for, by its policy or its last rule."""
    last = _without_counters(rules[-1]) if rules else []
    return policy == "drop" or (len(last) == 1 and bool({"drop", "reject"} & last[0].keys()))


def _lets_through(table: _Table, link: str) -> bool:
    accepting = [
        _without_counters(rule)
        for rules in table.rules.values()
        for rule in rules
        if {"accept": None} in rule
    ]
    if [{"accept": None}] in accepting:
        return True
    named = {direction for rule in accepting for direction, name in _links(rule) if fnmatchcase(link, name)}
    return named.issuperset(_DIRECTIONS)


def _links(rule: Rule) -> Iterator[tuple[str, str]]:
    for match in (expression["match"] for expression in rule if "match" in expression):
        left, right = match["left"], match["right"]
        direction = left.get("meta", {}).get("key") if isinstance(left, dict) else None
        if direction in _DIRECTIONS and match["op"] == "==":
            names = right.get("set", ()) if isinstance(right, dict) else (right,)
            yield from ((direction, name) for name in names if isinstance(name, str))


def _without_counters(rule: Rule) -> Rule:
    return [expression for expression in rule if "counter" not in expression]


def _text(table: _Table, chain: str, links: list[str]) -> str:
    cure = "; ".join(_cure(table, chain, link) for link in links)
    return (
        f'chain "{chain}" of table "{table.family} {table.name}" drops what is forwarded without a rule: '
        f"containers on {', '.join(links)} do not get out, and their published ports are not reached from "
        f"other hosts. To let them pass: {cure}"
    )


def _cure(table: _Table, chain: str, link: str) -> str:
    if table.name == "firewalld":
        return (
            f"firewall-cmd --zone=trusted --add-interface={link} && "
            f"firewall-cmd --permanent --zone=trusted --add-interface={link}"
        )
    if (table.name, chain) == ("filter", "FORWARD") and table.family in _IPTABLES:
        place = _DOCKER_USER if _DOCKER_USER in table.rules else chain
        command = f"{_IPTABLES[table.family]} -I {place}"
        return f"{command} -i {link} -j ACCEPT && {command} -o {link} -j ACCEPT"
    command = f"nft insert rule {table.family} {table.name} {chain}"
    return f"{command} iifname {link} accept && {command} oifname {link} accept"
