"""Which events meet which filters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.docker.event_filters import TESTS, wants
from daemon.api.query import parse_filters
from daemon.journal import Event

WEB = {"name": "web", "image": "registry:5000/busybox:1", "tier": "front", "empty": ""}


def event(type_: str, action: str, actor_id: str, attributes: dict[str, str]) -> Event:
    return Event(1, 1, type_, action, actor_id, attributes)


START = event("container", "start", "abc123", WEB)
EXEC = event("container", "exec_start: sh -c id", "abc123", WEB)
HEALTHY = event("container", "health_status: healthy", "abc123", WEB)
PULL = event("image", "pull", "busybox:latest", {"name": "busybox"})
CONNECT = event("network", "connect", "n1", {"name": "web", "container": "abc123"})

CASES = [
    ("{}", START, True),
    ('{"type":["container"]}', START, True),
    ('{"type":["container"]}', CONNECT, False),
    ('{"type":["container","network"]}', CONNECT, True),
    ('{"type":{"container":true}}', START, True),
    ('{"type":{"container":false}}', START, True),
    ('{"type":[]}', START, True),
    ('{"scope":["local"]}', START, True),
    ('{"scope":["swarm"]}', START, False),
    ('{"event":["start"]}', START, True),
    ('{"event":["star"]}', START, False),
    ('{"event":["exec_start"]}', EXEC, True),
    ('{"event":["exec_start: sh -c id"]}', EXEC, True),
    ('{"event":["exec_create"]}', EXEC, False),
    ('{"event":["health_status"]}', HEALTHY, True),
    ('{"event":["health_status: healthy"]}', HEALTHY, True),
    ('{"event":["health_status: unhealthy"]}', HEALTHY, False),
    ('{"container":["abc"]}', START, True),
    ('{"container":["web"]}', START, True),
    ('{"container":["we"]}', START, False),
    ('{"container":["bc1"]}', START, False),
    ('{"container":["other","abc123"]}', START, True),
    ('{"container":["web"]}', CONNECT, False),
    ('{"network":["web"]}', CONNECT, True),
    ('{"network":["n1"]}', CONNECT, True),
    ('{"volume":["web"]}', CONNECT, False),
    ('{"image":["registry:5000/busybox"]}', START, True),
    ('{"image":["registry:5000/busybox:1"]}', START, True),
    ('{"image":["registry"]}', START, False),
    ('{"image":["busybox"]}', PULL, True),
    ('{"image":["busybox:latest"]}', PULL, True),
    ('{"image":[""]}', CONNECT, False),
    ('{"label":["tier"]}', START, True),
    ('{"label":["tier=front"]}', START, True),
    ('{"label":["tier=back"]}', START, False),
    ('{"label":["tier","missing"]}', START, False),
    ('{"label":["empty="]}', START, True),
    ('{"label":["tier="]}', START, False),
    ('{"type":["container"],"event":["start"]}', START, True),
    ('{"type":["container"],"event":["die"]}', START, False),
]


@pytest.mark.parametrize(("filters", "happened", "wanted"), CASES)
def test_an_event_is_wanted_if_it_meets_every_filter(filters: str, happened: Event, wanted: bool) -> None:
    assert wants(parse_filters(filters, TESTS), happened) is wanted


@given(
    st.dictionaries(st.sampled_from(sorted(TESTS)), st.lists(st.text(max_size=5), max_size=3).map(tuple)),
    st.sampled_from(["container", "image", "network", "odd"]),
    st.text(max_size=5),
    st.text(max_size=5),
    st.dictionaries(st.sampled_from(["name", "image", "label"]), st.text(max_size=5)),
)
def test_a_further_filter_never_lets_more_through(
    filters: dict[str, tuple[str, ...]], type_: str, action: str, actor_id: str, attributes: dict[str, str]
) -> None:
    happened = event(type_, action, actor_id, attributes)
    fewer = dict(list(filters.items())[1:])
    assert wants(filters, happened) <= wants(fewer, happened)
