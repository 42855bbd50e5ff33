"""What a client should know although its container is made."""

from __future__ import annotations

from collections.abc import Iterator

from daemon.actors.container.admission.rules import Case
from daemon.model import Config
from daemon.runtimes.spec.limits import beyond_host


def warnings(case: Case, image: Config) -> Iterator[str]:
    """Yield the warnings for a container that has been admitted."""
    host_config = case.host_config
    if host_config.network_mode in {"host", "none"} and (
        host_config.port_bindings or host_config.publish_all_ports
    ):
        yield f"Published ports are discarded when using {host_config.network_mode} network mode"
    if image.volumes:
        paths = ", ".join(sorted(image.volumes))
        yield f"Volumes of the image are plain directories of the container in this version: {paths}"
    if host_config.oom_kill_disable and case.host.cgroup_version == 2:
        yield "Your kernel does not support OomKillDisable. OomKillDisable discarded."
    elif host_config.oom_kill_disable and not host_config.memory:
        yield (
            "OOM killer is disabled for the container, but no memory limit is set, "
            "this can result in the system running out of resources."
        )
    if host_config.memory_swappiness is not None and case.host.cgroup_version == 2:
        yield "Your kernel does not support memory swappiness. Memory swappiness discarded."
    for ulimit, ceiling in beyond_host(host_config.ulimits, case.host):
        yield f"ulimit {ulimit.name}={ulimit.hard} is above the engine's own limit {ceiling}, which applies"
