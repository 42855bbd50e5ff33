"""Rulesets and changes as scripts for nft; each is one transaction, carried out whole or not at all.

A whole ruleset empties the table and fills it in the same transaction, so no packet meets it empty.
Deleting the table and making it anew would look the same, but is not: a packet that is half way through
the old rules when the transaction is committed finds their maps empty, and about one connection in two
thousand is refused.  So that is kept for a table that an engine of another version has left, in which
the same names are something else.

Without a bridge and a port there is no table.

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
    """Return what makes `table` be `rules`, if there is none or one of this kind."""
    if not rules:
        return _deletion(table)
    elements = of_all(rules.bridges.values(), rules.ports.values())
    return skeleton(table) + "".join(_each("add", table, elements, rendered))


def afresh(table: str, rules: Ruleset) -> str:
    """Return what makes `table` be `rules`, whatever is there."""
    return _deletion(table) + (whole(table, rules) if rules else "")


def difference(table: str, change: Change) -> str:
    """Return what makes `change` happen in a table that is there."""
    gone = of_all(change.bridges_gone, change.ports_gone)
    new = of_all(change.bridges_new, change.ports_new)
    staying = set(gone).intersection(new)
    deleted = _each("delete", table, (element for element in gone if element not in staying), rendered_key)
    added = _each("add", table, (element for element in new if element not in staying), rendered)
    return "".join((*deleted, *added))


def _deletion(table: str) -> str:
    """Return what deletes `table`; deleting what is not there is an error, adding what is there is none."""
    return f"add table inet {table}\ndelete table inet {table}\n"


def _each(
    verb: str, table: str, elements: Iterable[Element], render: Callable[[Element], str]
) -> Iterator[str]:
    place = attrgetter("place")
    for name, group in groupby(sorted(elements, key=place), key=place):
        yield f"{verb} element inet {table} {name} {{ {', '.join(map(render, group))} }}\n"
