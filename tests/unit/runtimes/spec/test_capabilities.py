"""Which capabilities a container gets."""

from __future__ import annotations

import pytest

from daemon.errors import InvalidParameter
from daemon.model import HostConfig
from daemon.runtimes.spec.capabilities import DEFAULT, NAMES, granted

AVAILABLE = frozenset(NAMES) - {"CAP_SYS_RESOURCE"}


def capabilities(add: tuple[str, ...] = (), drop: tuple[str, ...] = ()) -> frozenset[str]:
    return granted(HostConfig(cap_add=add, cap_drop=drop), AVAILABLE)


def test_the_default_is_dockers_fourteen() -> None:
    assert capabilities() == DEFAULT
    assert len(DEFAULT) == 14
    assert len(NAMES) == 41


def test_names_may_be_written_in_any_way() -> None:
    assert capabilities(add=("net_admin", "CAP_SYS_TIME")) == DEFAULT | {"CAP_NET_ADMIN", "CAP_SYS_TIME"}


def test_dropping_all_leaves_what_is_added() -> None:
    assert capabilities(drop=("ALL",), add=("CHOWN",)) == {"CAP_CHOWN"}
    assert capabilities(drop=("all",)) == frozenset()


def test_adding_all_gives_what_the_engine_has() -> None:
    assert capabilities(add=("ALL",), drop=("MKNOD",)) == AVAILABLE - {"CAP_MKNOD"}


def test_privileged_is_everything_the_engine_has() -> None:
    assert granted(HostConfig(privileged=True, cap_drop=("ALL",)), AVAILABLE) == AVAILABLE


def test_an_unknown_capability_is_refused() -> None:
    with pytest.raises(InvalidParameter, match='invalid CapDrop: unknown capability: "CAP_FLY"'):
        capabilities(drop=("fly",))


def test_a_capability_the_engine_lacks_is_refused() -> None:
    with pytest.raises(InvalidParameter, match='"CAP_SYS_RESOURCE" is not available to this engine'):
        capabilities(add=("SYS_RESOURCE",))
