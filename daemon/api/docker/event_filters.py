"""Which events a client wants: a pure function of its `filters` and an event.

Several values of one key are alternatives, except labels, which all must be there; different keys
must all be met.  An object is meant by its name or by the beginning of its id.  A container's
events are also those of its image, so that `image=busybox` shows what runs from it.

Source: api-contract section 3.13, moby `daemon/events/filter.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from daemon.api.query import Filters
from daemon.journal import Event

SCOPE: Final = "local"  # of everything that one host's engine does
OBJECTS: Final = ("container", "network", "volume", "daemon", "plugin", "service", "node", "secret", "config")

Test: TypeAlias = Callable[[Event, Collection[str]], bool]


def wants(filters: Filters, event: Event) -> bool:
    """Return whether `event` meets all of `filters`."""
    return all(TESTS[key](event, values) for key, values in filters.items() if values)


def _type(event: Event, values: Collection[str]) -> bool:
    return event.type in values


def _scope(_event: Event, values: Collection[str]) -> bool:
    return SCOPE in values


def _action(event: Event, values: Collection[str]) -> bool:
    """`exec_start` stands for every `exec_start: <command>`."""
    return event.action in values or event.action.partition(":")[0] in values


def _label(event: Event, values: Collection[str]) -> bool:
    return all(_has_label(event.attributes, *value.partition("=")) for value in values)


def _has_label(attributes: Mapping[str, str], key: str, equals: str, value: str) -> bool:
    return key in attributes and (not equals or attributes[key] == value)


def _image(event: Event, values: Collection[str]) -> bool:
    name = event.attributes.get("name" if event.type == "image" else "image", "")
    known = {event.actor_id, _without_tag(event.actor_id), name, _without_tag(name)} - {""}
    return not known.isdisjoint(values)


def _without_tag(reference: str) -> str:
    """Cut the tag off, and not the port of a registry."""
    name, colon, tag = reference.rpartition(":")
    return name if colon and "/" not in tag else reference


def _object(kind: str) -> Test:
    def is_meant(event: Event, values: Collection[str]) -> bool:
        return event.type == kind and (
            event.attributes.get("name") in values
            or any(event.actor_id.startswith(value) for value in values)
        )

    return is_meant


TESTS: Final[Mapping[str, Test]] = MappingProxyType(
    {
        "type": _type,
        "scope": _scope,
        "event": _action,
        "label": _label,
        "image": _image,
        **{kind: _object(kind) for kind in OBJECTS},
    }
)
"""The filters that there are, and what each asks of an event."""
