"""Whether what a client asks for has the right form, and whether its parts go together.

The texts are dockerd's where clients or test-suites know them (api-contract 3.4).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from daemon import logoptions
from daemon.actors.container.admission.rules import Case, Rule
from daemon.actors.container.signals import parse_signal
from daemon.errors import InvalidParameter
from daemon.model import Config, HostConfig
from daemon.networks.files import check_dns, parse_extra_host
from daemon.networks.linking import parse_link
from daemon.networks.ports import exposed_ports, port_wishes
from daemon.runtimes.spec.capabilities import granted
from daemon.runtimes.spec.devices import parse_rule
from daemon.runtimes.spec.inputs import HostFacts
from daemon.runtimes.spec.limits import check_ulimits
from daemon.runtimes.spec.mounting import client_mounts
from daemon.runtimes.spec.seccomp_profile import parse_profile
from daemon.runtimes.spec.security import BUILTIN, UNCONFINED, check_apparmor, security_options
from daemon.runtimes.spec.sysctls import check_sysctls

RESTART_POLICIES: Final = frozenset({"no", "always", "on-failure", "unless-stopped"})
LONGEST_HOSTNAME: Final = 64  # sethostname(2)
_HOSTNAME: Final = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
)
_MILLISECOND: Final = 1_000_000  # durations are in nanoseconds


def _mode_is_not(field: str, *allowed: str) -> Callable[[Case], bool]:
    """Make a condition: the mode is none of these, and no "container:" with a name either."""
    return lambda case: (
        not (
            getattr(case.host_config, field) in allowed
            or re.fullmatch(r"container:.+", getattr(case.host_config, field))
        )
    )


def _probe_breaks(field: str) -> Callable[[Case], bool]:
    """Make a condition: a duration of the health check is neither 0 nor at least a millisecond."""

    def broken(case: Case) -> bool:
        duration = getattr(case.config.healthcheck, field, 0)
        return duration != 0 and duration < _MILLISECOND

    return broken


def _unknown_probe(case: Case) -> bool:
    """Tell whether nobody could say how the client's health check is to be run."""
    match case.config.healthcheck and case.config.healthcheck.test:
        case None | () | ("NONE",) | ("CMD" | "CMD-SHELL", _, *_):
            return False
    return True


def _shares_network_and(wants: Callable[[Case], object]) -> Callable[[Case], bool]:
    """Make a condition: the network is another container's, but the client wants its own of something."""
    return lambda case: case.host_config.network_mode.startswith("container:") and bool(wants(case))


def _bad_hostname(case: Case) -> bool:
    hostname = case.config.hostname
    return bool(hostname) and not (len(hostname) <= LONGEST_HOSTNAME and _HOSTNAME.fullmatch(hostname))


# Of the client's own part, before anything is merged or filled in.
OF_CLIENT: Final = (
    *(
        Rule(_probe_breaks(name.lower()), f"{title} in Healthcheck cannot be less than 1ms")
        for name, title in (
            ("interval", "Interval"),
            ("timeout", "Timeout"),
            ("start_period", "StartPeriod"),
            ("start_interval", "StartInterval"),
        )
    ),
    Rule(
        lambda case: case.config.healthcheck and case.config.healthcheck.retries < 0,
        "Retries in Healthcheck cannot be negative",
    ),
    Rule(
        _unknown_probe,
        'invalid Test in Healthcheck: it must be ["NONE"], ["CMD", args...] or ["CMD-SHELL", command]',
    ),
    Rule(
        lambda case: case.config.hostname and case.host_config.uts_mode == "host",
        "conflicting options: hostname and the UTS mode",
    ),
    *(
        Rule(_shares_network_and(wants), f"conflicting options: {what} and the network mode")
        for wants, what in (
            (lambda case: case.config.hostname, "hostname"),
            (lambda case: case.config.mac_address, "mac-address"),
            (lambda case: case.host_config.dns, "dns"),
            (lambda case: case.host_config.extra_hosts, "custom host-to-IP mapping"),
        )
    ),
    Rule(
        _shares_network_and(
            lambda case: case.host_config.port_bindings or case.host_config.publish_all_ports
        ),
        "conflicting options: port publishing and the container type network mode",
    ),
    Rule(
        _shares_network_and(lambda case: case.host_config.links),
        "conflicting options: container type network can't be used with links. "
        "This would result in undefined behavior",
    ),
    Rule(
        lambda case: case.host_config.network_mode == "host" and case.host_config.links,
        "conflicting options: host type networking can't be used with links. "
        "This would result in undefined behavior",
    ),
)

FORM: Final = (
    Rule(lambda case: not (case.config.entrypoint or case.config.cmd), "no command specified"),
    Rule(_bad_hostname, "invalid hostname format: {c.hostname}"),
    Rule(
        lambda case: case.config.working_dir and not case.config.working_dir.startswith("/"),
        "the working directory '{c.working_dir}' is invalid, it needs to be an absolute path",
    ),
    Rule(
        lambda case: case.host_config.network_mode == "container:",
        "invalid network mode: invalid container format container:<name|id>",
    ),
    Rule(_mode_is_not("ipc_mode", "none", "private", "shareable", "host"), "invalid IPC mode: {h.ipc_mode}"),
    Rule(_mode_is_not("pid_mode", "", "host"), "invalid PID mode: {h.pid_mode}"),
    Rule(lambda case: case.host_config.uts_mode not in {"", "host"}, "invalid UTS mode: {h.uts_mode}"),
    Rule(
        lambda case: case.host_config.cgroupns_mode not in {"host", "private"},
        "invalid cgroup namespace mode: {h.cgroupns_mode}",
    ),
    Rule(
        lambda case: case.host_config.restart_policy.name not in RESTART_POLICIES,
        "invalid restart policy: unknown policy '{h.restart_policy.name}'; "
        "use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
    ),
    Rule(
        lambda case: case.host_config.restart_policy.maximum_retry_count < 0,
        "invalid restart policy: maximum retry count cannot be negative",
    ),
    Rule(
        lambda case: (
            case.host_config.restart_policy.maximum_retry_count
            and case.host_config.restart_policy.name != "on-failure"
        ),
        "invalid restart policy: maximum retry count can only be used with 'on-failure'",
    ),
    Rule(
        lambda case: case.host_config.auto_remove and case.host_config.restart_policy.name != "no",
        "can't create 'AutoRemove' container with restart policy",
    ),
    Rule(
        lambda case: "" in (case.host_config.annotations or {}),
        "invalid Annotations: the empty string is not permitted as an annotation key",
    ),
    Rule(
        lambda case: (
            ".." in case.host_config.cgroup_parent.split("/") or "\0" in case.host_config.cgroup_parent
        ),
        'invalid cgroup parent: "{h.cgroup_parent}"',
    ),
)


def check_parts(config: Config, host_config: HostConfig, host: HostFacts) -> None:
    """Read everything that has a grammar of its own, for the errors.

    Raises:
        InvalidParameter: something is malformed.
        NotImplementedHere: it asks for something this engine does not do.

    """
    _check_texts(config)
    if config.stop_signal:
        parse_signal(config.stop_signal)
    exposed_ports(config)
    port_wishes(config, host_config)
    for link in host_config.links or ():
        parse_link(link)
    client_mounts(host_config)
    granted(host_config, host.capabilities)
    check_ulimits(host_config.ulimits)
    check_sysctls(host_config)
    check_dns(host_config)
    logoptions.check(host_config.log_config.type, host_config.log_config.config or {})
    for text in host_config.extra_hosts or ():
        parse_extra_host(text)
    for text in host_config.device_cgroup_rules or ():
        parse_rule(text)
    options = security_options(host_config.security_opt)
    check_apparmor(options, available=host.apparmor)
    if options.seccomp not in {"", BUILTIN, UNCONFINED}:
        parse_profile(options.seccomp)


def _check_texts(config: Config) -> None:
    """Refuse what execve(2) could not be given: nameless variables, and NUL anywhere."""
    for entry in config.env or ():
        if not entry.partition("=")[0] or "\0" in entry:
            raise InvalidParameter(f"invalid environment variable: {entry}")
    probe = (config.healthcheck and config.healthcheck.test) or ()
    commands = (*(config.entrypoint or ()), *(config.cmd or ()), *probe)
    texts: Iterable[str] = (*commands, config.working_dir, config.user)
    if any("\0" in text for text in texts):
        raise InvalidParameter("invalid configuration: a command, path or user contains a NUL character")
