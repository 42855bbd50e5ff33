"""A host without a packet filter."""

from __future__ import annotations

import pytest

from daemon.errors import Failed
from daemon.networks.firewall.absent import AbsentFilter
from daemon.networks.firewall.ruleset import Change, Ruleset
from daemon.networks.plans import BridgeRules

REASON = "libnftables.so.1: not found; install nftables"


async def test_who_needs_no_rules_gets_along() -> None:
    assert await AbsentFilter(REASON).replace(Ruleset()) == frozenset()


async def test_who_needs_rules_is_told_why_there_are_none() -> None:
    absent = AbsentFilter(REASON)
    with pytest.raises(Failed, match="install nftables"):
        await absent.replace(Ruleset.of([BridgeRules("br0", ())], []))
    with pytest.raises(Failed, match="install nftables"):
        await absent.change(Change())


async def test_info_says_so_beforehand() -> None:
    (objection,) = await AbsentFilter(REASON).objections(())
    assert "bridge networks cannot be used" in objection
