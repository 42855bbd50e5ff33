"""Links that are not as the record says are put right, and others are not touched; needs root."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from daemon.networks import bridges, links
from daemon.networks.mending import is_amiss, mend
from daemon.networks.plans import LinkPlan
from tests.runtime.networks.hosts import BRIDGE, FreshHost, bridged, ip, reaches

pytestmark = pytest.mark.runtime
OTHER = attrs.evolve(BRIDGE, name="br1", interfaces=())


def second(plan: LinkPlan, **changes: Any) -> LinkPlan:
    """Return one more link of a container."""
    return attrs.evolve(
        plan,
        parent=OTHER.name,
        host_name="veth9",
        name="eth1",
        mac="02:42:0a:09:00:99",
        interfaces=(),
        gateways=(),
        **changes,
    )


def test_a_link_that_was_being_taken_away_is_there_again(host: FreshHost) -> None:
    ((sandbox, plan),) = bridged(host, 3)
    links.plug(sandbox, plan)
    assert not is_amiss(sandbox, [plan])
    links.unplug(sandbox, plan)
    assert is_amiss(sandbox, [plan])
    mend(sandbox, [plan])
    assert reaches(None, sandbox, "10.9.0.3")
    assert not is_amiss(sandbox, [plan])


def test_a_container_leaves_as_before_when_a_link_that_was_being_added_is_gone(host: FreshHost) -> None:
    ((sandbox, plan),) = bridged(host, 3)
    bridges.ensure_bridge(OTHER)
    links.plug(sandbox, attrs.evolve(plan, gateways=()))  # as it is when the new link leads out
    links.plug(sandbox, second(plan))
    assert is_amiss(sandbox, [plan])
    links.remove_link("veth9")
    mend(sandbox, [plan])
    assert [route["gateway"] for route in ip("route show default", sandbox)] == ["10.9.0.1"]


def test_of_a_namespace_that_is_not_there_nothing_is_amiss(host: FreshHost) -> None:
    ((_, plan),) = bridged(host, 3)
    assert not is_amiss(host.directory / "gone", [plan])
