"""Which networks a list shows and a prune removes.

Values of one key are alternatives, except labels, which all must be there (api-contract section 3.17);
`name` and `id` are unanchored regular expressions, as in dockerd.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from daemon.actors.network.snapshot import NetworkSnapshot
from daemon.api.docker.network_views import SCOPE
from daemon.api.query import Filters, filter_flag, filter_time
from daemon.errors import InvalidParameter

LIST_KEYS: Final = frozenset({"dangling", "driver", "id", "label", "name", "scope", "type"})
PRUNE_KEYS: Final = frozenset({"until", "label", "label!"})
PATTERNS: Final = ("name", "id")
IS_BUILTIN: Final[Mapping[str, bool]] = MappingProxyType({"builtin": True, "custom": False})

Accepts = Callable[[NetworkSnapshot, str], bool]

PREDICATES: Final[Mapping[str, Accepts]] = MappingProxyType(
    {
        "driver": lambda one, value: one.record.driver == value,
        "id": lambda one, value: re.search(value, one.id) is not None,
        "name": lambda one, value: re.search(value, one.record.name) is not None,
        "scope": lambda _, value: value == SCOPE,
        "type": lambda one, value: one.record.predefined is IS_BUILTIN[value],
    }
)


def listed(snapshots: Iterable[NetworkSnapshot], given: Filters) -> list[NetworkSnapshot]:
    """Return the networks to list, in the order they came.

    Raises:
        InvalidParameter: a filter's value makes no sense.

    """
    _check(given)
    dangling = filter_flag(given, "dangling", default=False)
    return [
        one
        for one in snapshots
        if ("dangling" not in given or is_unused(one) is dangling)
        and all(_has(one, label) for label in given.get("label", ()))
        and all(_any(PREDICATES[key], one, given[key]) for key in given if key in PREDICATES)
    ]


def pruned(snapshots: Iterable[NetworkSnapshot], given: Filters, now_ns: int) -> list[NetworkSnapshot]:
    """Return the networks that a prune removes.

    Raises:
        InvalidParameter: a filter's value makes no sense.

    """
    until_ns = filter_time(given, "until", now_ns)
    return [
        one
        for one in snapshots
        if is_unused(one)
        and (until_ns is None or one.record.created_ns < until_ns)
        and all(_has(one, label) for label in given.get("label", ()))
        and not any(_has(one, label) for label in given.get("label!", ()))
    ]


def is_unused(one: NetworkSnapshot) -> bool:
    """Whether nobody is in a network that somebody has made."""
    return not (one.record.predefined or one.endpoints)


def _check(given: Filters) -> None:
    for value in given.get("type", ()):
        if value not in IS_BUILTIN:
            raise InvalidParameter(f"invalid filter 'type={value}'")
    for key in PATTERNS:
        for value in given.get(key, ()):
            try:
                re.compile(value)
            except re.error as error:
                raise InvalidParameter(f"invalid filter '{key}={value}': {error}") from None


def _any(accepts: Accepts, one: NetworkSnapshot, values: tuple[str, ...]) -> bool:
    return not values or any(accepts(one, value) for value in values)


def _has(one: NetworkSnapshot, label: str) -> bool:
    key, equals, value = label.partition("=")
    labels = one.record.labels
    return key in labels and (not equals or labels[key] == value)
