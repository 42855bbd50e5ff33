"""What a rule of admission is: a condition that must not hold, and what the client reads when it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from daemon.errors import EngineError, InvalidParameter
from daemon.model import Config, HostConfig, NetworkingConfig
from daemon.runtimes.spec.inputs import HostFacts


@attrs.frozen
class Case:
    """A request to create a container, as it stands when the rules are applied."""

    config: Config
    host_config: HostConfig
    networking: NetworkingConfig
    host: HostFacts


@attrs.frozen
class Rule:
    """Refuses a case for which `broken` is true.

    In `text`, {c} is the configuration, {h} the host configuration, {host} the host's facts.
    """

    broken: Callable[[Case], object]
    text: str
    error: type[EngineError] = InvalidParameter


def apply(rules: Iterable[Rule], case: Case) -> None:
    """Raise the error of the first rule that `case` breaks."""
    for rule in rules:
        if rule.broken(case):
            raise rule.error(rule.text.format(c=case.config, h=case.host_config, host=case.host))
