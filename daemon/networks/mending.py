"""What a crash has left of a change to a running container's links, brought to plan.

The record is what counts: a link that it has and the kernel has not was being taken away, one that only the
kernel has was being added.  A container whose links are as planned is looked at and not touched, because its
routes may be its own by now.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from daemon.networks import links, namespaces, rtnetlink
from daemon.networks.failures import explained
from daemon.networks.kinds import KINDS
from daemon.networks.netlink import Netlink
from daemon.networks.plans import LinkPlan


def is_amiss(sandbox: Path, plans: Sequence[LinkPlan]) -> bool:
    """Tell whether the links in a namespace are not those planned; of one that is not there nothing is.

    Raises:
        Failed: the kernel refused.

    """
    return namespaces.exists(sandbox) and _found(sandbox) != {plan.name for plan in plans}


def mend(sandbox: Path, plans: Sequence[LinkPlan]) -> None:
    """Plug what is missing and set the ways out.

    Raises:
        Failed: the kernel refused.

    """
    found = _found(sandbox)
    for plan in plans:
        if plan.name not in found:
            links.plug(sandbox, plan)
            links.announce(sandbox, plan)
    for plan in plans:
        if plan.gateways:
            links.set_gateways(sandbox, plan)


def _found(sandbox: Path) -> set[str]:
    kinds = {kind.module for kind in KINDS.values()}
    with explained(f"links in {sandbox}"), namespaces.inside(sandbox), Netlink() as inner:
        found = map(rtnetlink.read_link, inner.dump(rtnetlink.get_links()))
        return {link.name for link in found if link.kind in kinds}
