"""What becomes of a request to update a container: its host configuration afterwards, or why not.

Zero, "" and null mean "as it is", so a limit can be changed but hardly taken away; that is Docker's API.
What comes out obeys the same rules as what a create makes.

Source: api-contract section 3.6, and how dockerd 20.10 answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from daemon.actors.container.admission.checks import FORM
from daemon.actors.container.admission.limits import RESOURCES, UNLIMITED
from daemon.actors.container.admission.refusals import UNSUPPORTED
from daemon.actors.container.admission.rules import Case, apply
from daemon.errors import Conflict
from daemon.model import Config, HostConfig, NetworkingConfig
from daemon.runtimes.spec.inputs import HostFacts

UPDATABLE: Final = (
    "blkio_weight",
    "cpu_shares",
    "nano_cpus",
    "cpu_period",
    "cpu_quota",
    "cpu_realtime_period",
    "cpu_realtime_runtime",
    "cpuset_cpus",
    "cpuset_mems",
    "memory",
    "memory_swap",
    "memory_reservation",
    "pids_limit",
)
"""The fields whose new value, if there is one, takes the place of the old one."""


Conflicting = Callable[[HostConfig, HostConfig], bool]
_TITLES: Final = {"nano_cpus": "Nano CPUs", "cpu_period": "CPU Period", "cpu_quota": "CPU Quota"}


def _excludes(present: str, wanted: str) -> tuple[Conflicting, str]:
    """Make a row: the one is set, so the other one cannot be."""
    has = _TITLES[present].replace("Nano CPUs", "NanoCPUs")
    return (
        lambda now, new: getattr(now, present) > 0 and getattr(new, wanted) > 0,
        f"Conflicting options: {_TITLES[wanted]} cannot be updated as {has} has already been set",
    )


CONFLICTS: Final[tuple[tuple[Conflicting, str], ...]] = (
    _excludes("cpu_period", "nano_cpus"),
    _excludes("cpu_quota", "nano_cpus"),
    _excludes("nano_cpus", "cpu_period"),
    _excludes("nano_cpus", "cpu_quota"),
    (
        lambda now, new: 0 != new.memory > now.memory_swap and not new.memory_swap,
        "Memory limit should be smaller than already set memoryswap limit, "
        "update the memoryswap at the same time",
    ),
    (
        lambda now, new: now.auto_remove and new.restart_policy.name not in {"", "no"},
        "Restart policy cannot be updated because AutoRemove is enabled for the container",
    ),
)
"""What a container has and what is wanted of it, where they exclude each other."""


def updated(config: Config, now: HostConfig, wanted: HostConfig, host: HostFacts) -> HostConfig:
    """Return the host configuration after an update; of `wanted` only the `UPDATABLE` count, and the policy.

    Raises:
        Conflict: it contradicts what the container has.
        InvalidParameter: it makes no sense in itself.
        NotImplementedHere: it needs what this engine does not do.

    """
    for conflicting, text in CONFLICTS:
        if conflicting(now, wanted):
            raise Conflict(text)
    said = {name: getattr(wanted, name) for name in UPDATABLE}
    changes: dict[str, Any] = {name: value for name, value in said.items() if value not in {None, 0, ""}}
    if wanted.pids_limit == 0:  # the one limit that can be taken away
        changes["pids_limit"] = UNLIMITED
    if wanted.restart_policy.name:
        changes["restart_policy"] = wanted.restart_policy
    whole = attrs.evolve(now, **changes)
    apply((*FORM, *RESOURCES, *UNSUPPORTED), Case(config, whole, NetworkingConfig(), host))
    return whole
