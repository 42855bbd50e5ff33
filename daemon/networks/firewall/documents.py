"""Rulesets and changes as scripts for nft; each is one transaction, carried out whole or not at all.

A whole ruleset deletes the table and makes it anew in the same transaction, so there is no moment
without it and it does not matter what was there before.  Without a bridge and a port there is no table.

Source: nft(8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import attrgetter

from daemon.networks.firewall.elements import Element, of_all, rendered, rendered_key
from daemon.networks.firewall.ruleset import Change, Ruleset
from daemon.networks.firewall.skeleton import skeleton


def whole(table: str, rules: Ruleset) -> str:
    """Return what makes `table` be `rules`, whatever is there."""
    # Deleting what is not there is an error, adding what is there is none.
    lines = [f"add table inet {table}\n", f"delete table inet {table}\n"]
    if rules:
        lines.append(skeleton(table))
        lines.extend(_each("add", table, of_all(rules.bridges.values(), rules.ports.values()), rendered))
    return "".join(lines)


def difference(table: str, change: Change) -> str:
    """Return what makes `change` happen in a table that is there."""
    gone = of_all(change.bridges_gone, change.ports_gone)
    new = of_all(change.bridges_new, change.ports_new)
    staying = set(gone).intersection(new)
    deleted = _each("delete", table, (element for element in gone if element not in staying), rendered_key)
    added = _each("add", table, (element for element in new if element not in staying), rendered)
    return "".join((*deleted, *added))


def _each(
    verb: str, table: str, elements: Iterable[Element], render: Callable[[Element], str]
) -> Iterator[str]:
    place = attrgetter("place")
    for name, group in groupby(sorted(elements, key=place), key=place):
        yield f"{verb} element inet {table} {name} {{ {', '.join(map(render, group))} }}\n"
