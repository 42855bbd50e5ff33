"""Which containers a list shows: the filters of `docker ps`, as one table of predicates.

Values of one key are alternatives, except of `label`, which must all be there; different keys must
all hold (api-contract section 3.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.images import Images
from daemon.actors.networks import Networks
from daemon.api.docker.container_networks import bound_ports, is_in
from daemon.api.docker.container_views import STATUS, status_of
from daemon.api.query import Filters, filter_flag
from daemon.errors import EngineError, InvalidParameter, NotFound
from daemon.networks.ports import exposed_ports, parse_ports

Predicate = Callable[[ContainerSnapshot, str], bool]
STATES: Final = frozenset({*STATUS.values(), "restarting"})
HEALTH: Final = frozenset({"starting", "healthy", "unhealthy", "none"})


def _label(snapshot: ContainerSnapshot, value: str) -> bool:
    key, equals, wanted = value.partition("=")
    labels = snapshot.record.config.labels or {}
    return key in labels and (not equals or labels[key] == wanted)


def _name(snapshot: ContainerSnapshot, value: str) -> bool:
    pattern = re.compile(value)
    return any(pattern.search(name) for name in (f"/{snapshot.record.name}", snapshot.record.name))


def _exposed(snapshot: ContainerSnapshot, value: str) -> bool:
    return not set(parse_ports(value)).isdisjoint(exposed_ports(snapshot.record.config))


def _mounted(snapshot: ContainerSnapshot, value: str) -> bool:
    host_config = snapshot.record.host_config
    binds = (place for bind in host_config.binds or () for place in bind.split(":")[:2])
    mounts = (place for mount in host_config.mounts or () for place in (mount.source, mount.target))
    return value in {*binds, *mounts}


PREDICATES: Final[Mapping[str, Predicate]] = MappingProxyType(
    {
        "exited": lambda one, value: status_of(one) == "exited" and str(one.exit_code) == value,
        "expose": _exposed,
        "health": lambda one, value: value == (one.health.status.value if one.health else "none"),
        "id": lambda one, value: bool(value) and one.id.startswith(value),  # an empty prefix names nothing
        "is-task": lambda _, value: value in {"false", "0"},
        "isolation": lambda one, value: value in {"", "default", one.record.host_config.isolation},
        "label": _label,
        "name": _name,
        "network": is_in,
        "publish": lambda one, value: not set(parse_ports(value)).isdisjoint(bound_ports(one)),
        "status": lambda one, value: status_of(one) == value,
        "volume": _mounted,
    }
)
ALL_MUST_HOLD: Final = frozenset({"label"})
KEYS: Final = frozenset({*PREDICATES, "ancestor", "before", "since"})


def selected(
    snapshots: Sequence[ContainerSnapshot],
    given: Filters,
    images: Images,
    networks: Networks,
    *,
    everything: bool,
    limit: int,
) -> list[ContainerSnapshot]:
    """Return the containers to list, newest first; `snapshots` come oldest first.

    Raises:
        InvalidParameter: a filter's value makes no sense.
        NotFound: `before` or `since` name no container.

    """
    _check(given)
    given = _with_names(given, networks)
    everything = everything or limit > 0 or bool(given.get("status"))  # dockerd's: no other filter does
    ancestors = _ancestors(given, images)
    kept = [
        one
        for one in _between(snapshots, given)
        if (everything or one.up)
        and (ancestors is None or one.record.image_id in ancestors)
        and all(_holds(one, key, values) for key, values in given.items() if key in PREDICATES)
    ]
    newest_first = kept[::-1]
    return newest_first[:limit] if limit > 0 else newest_first


def _holds(one: ContainerSnapshot, key: str, values: Sequence[str]) -> bool:
    matches = (PREDICATES[key](one, value) for value in values)
    return all(matches) if key in ALL_MUST_HOLD else not values or any(matches)


def _with_names(given: Filters, networks: Networks) -> Filters:
    """Return the filters with the name of each network of which they have the id: records have names."""
    ids = given.get("network", ())
    names = [one.record.name for one in networks if one.id in ids]
    return {**given, "network": (*ids, *names)} if names else given


def _check(given: Filters) -> None:
    for value in given.get("status", ()):
        if value not in STATES:
            raise InvalidParameter(
                f"invalid filter 'status={value}': it must be one of {', '.join(sorted(STATES))}"
            )
    for value in given.get("health", ()):
        if value not in HEALTH:
            raise InvalidParameter(f"invalid filter 'health={value}'")
    for value in given.get("exited", ()):
        if not value.lstrip("-").isdecimal():
            raise InvalidParameter(f"invalid filter 'exited={value}': it must be an exit code")
    for value in given.get("name", ()):
        try:
            re.compile(value)
        except re.error as error:
            raise InvalidParameter(f"invalid filter 'name={value}': {error}") from None
    for value in (*given.get("expose", ()), *given.get("publish", ())):
        parse_ports(value)
    filter_flag(given, "is-task", default=False)


def _between(snapshots: Sequence[ContainerSnapshot], given: Filters) -> Sequence[ContainerSnapshot]:
    """Return the containers younger than `since` and older than `before`."""
    first, last = 0, len(snapshots)
    for reference in given.get("since", ()):
        first = max(first, _place(snapshots, reference) + 1)
    for reference in given.get("before", ()):
        last = min(last, _place(snapshots, reference))
    return snapshots[first:last]


def _place(snapshots: Sequence[ContainerSnapshot], reference: str) -> int:
    for place, one in enumerate(snapshots):
        if reference in {one.id, one.record.name, f"/{one.record.name}"} or one.id.startswith(reference):
            return place
    raise NotFound(f"No such container: {reference}")


def _ancestors(given: Filters, images: Images) -> frozenset[str] | None:
    """Return the ids of the images that containers must come from, with all images built on them."""
    if "ancestor" not in given:
        return None
    found: set[str] = set()
    for reference in given["ancestor"]:
        try:
            layers = (ancestor := images.resolve(reference)).chain_ids
        except EngineError:
            continue  # no such image, no such container
        found.add(ancestor.id)
        found.update(image.id for image in images if layers and image.chain_ids[: len(layers)] == layers)
    return frozenset(found)
