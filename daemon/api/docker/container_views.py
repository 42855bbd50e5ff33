"""A container as Docker's API shows it: one item of the list, and inspect.

A snapshot never changes, so what is made of it is kept with it and a busy list is a join of ready
bytes.  Only the words for how long it has been so change with time; they are put in when the list
is asked for. Version differences: api-contract section 3.20.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from daemon import wire
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.api.docker.container_networks import listed_ports, network_settings, networks
from daemon.api.docker.durations import in_words
from daemon.api.docker.health_views import health_in_words, health_state
from daemon.api.timestamps import GO_ZERO_TIME, rfc3339
from daemon.graphdrivers.base import GraphDriver
from daemon.runtimes.spec.mounting import BindMount, client_mounts
from daemon.runtimes.stages import Stage

Version = tuple[int, int]
STATUS_MARK: Final = b'"\\u0000status"'

STATUS: Final[Mapping[State, str]] = {
    State.CONFIGURED: "created",
    State.STARTING: "created",
    State.INITIALIZED: "created",
    State.RUNNING: "running",
    State.PAUSING: "running",
    State.PAUSED: "paused",
    State.RESUMING: "paused",
    State.STOPPING: "running",
    State.STOPPED: "exited",
    State.UNKNOWN: "exited",
    State.RELAPSED: "restarting",
    State.RESTARTING: "restarting",
    State.EXITED: "exited",
    State.REMOVING: "removing",
    State.DEAD: "dead",
    State.REMOVED: "removing",
}
"""The words of Docker's State.Status for this engine's states."""


def status_of(snapshot: ContainerSnapshot) -> str:
    """Return Docker's word for the container's state; one that has never run is still "created"."""
    word = "restarting" if snapshot.restarting else STATUS[snapshot.state]
    if not snapshot.started_ns and word == "exited":
        return "created"
    if snapshot.exits and word == "created":
        return "exited"
    return word


def describe(snapshot: ContainerSnapshot, now_ns: int) -> str:
    """Return the state with its age in words, as the list shows it."""
    match status_of(snapshot):
        case "running":
            return f"Up {in_words(now_ns - snapshot.started_ns)}{health_in_words(snapshot.health)}"
        case "paused":
            return f"Up {in_words(now_ns - snapshot.started_ns)} (Paused)"
        case "restarting":
            return f"Restarting ({snapshot.exit_code}) {in_words(now_ns - snapshot.finished_ns)} ago"
        case "exited":
            return f"Exited ({snapshot.exit_code}) {in_words(now_ns - snapshot.finished_ns)} ago"
        case "removing":
            return "Removal In Progress"
        case word:
            return word.capitalize()


def list_item(snapshot: ContainerSnapshot, version: Version, now_ns: int, image: str) -> bytes:
    """Return one item of the list as JSON; `image` is how the list names its image."""
    key = ("list", version, image)
    kept = snapshot.renderings.get(key)
    if kept is None:
        kept = tuple(wire.render(_list_item(snapshot, version, image)).rstrip().split(STATUS_MARK))
        snapshot.renderings[key] = kept
    return f'"{describe(snapshot, now_ns)}"'.encode().join(kept)  # words that need no escaping


def with_members(item: bytes, members: Mapping[str, int]) -> bytes:
    """Return a JSON object with `members` added at its end."""
    return item.rstrip()[:-1] + b"," + wire.render(members).lstrip(b"{")


def inspect(
    snapshot: ContainerSnapshot,
    graph_driver: GraphDriver,
    exec_ids: tuple[str, ...],
    stage: Stage | None,
    version: Version,
) -> bytes:
    """Return what inspect shows as JSON.

    Args:
        snapshot: the container.
        graph_driver: what knows its layers.
        exec_ids: its sessions that have not ended.
        stage: what the operation under way is at, if that is known.
        version: the request's.

    """
    key = ("inspect", exec_ids, stage, version)
    kept = snapshot.renderings.get(key)
    if kept is None:
        layers = dict(graph_driver.describe(snapshot.id)) or None
        more = {
            "Driver": graph_driver.name,
            "GraphDriver": {"Name": graph_driver.name, "Data": layers},
            "ExecIDs": list(exec_ids) or None,
        }
        kept = snapshot.renderings[key] = wire.render({**_inspect(snapshot, stage, version), **more})
    return bytes(kept)


def _list_item(snapshot: ContainerSnapshot, version: Version, image: str) -> dict[str, Any]:
    record = snapshot.record
    host_config: dict[str, Any] = {"NetworkMode": record.host_config.network_mode}
    if version >= (1, 46) and record.host_config.annotations:
        host_config["Annotations"] = record.host_config.annotations
    return {
        "Id": record.id,
        "Names": [f"/{record.name}"],
        "Image": image,
        "ImageID": record.image_id,
        "Command": command_line(record.path, record.args),
        "Created": record.created_ns // 1_000_000_000,
        "Ports": listed_ports(snapshot),
        "Labels": record.config.labels or {},
        "State": status_of(snapshot),
        "Status": "\0status",
        "HostConfig": host_config,
        "NetworkSettings": {"Networks": networks(snapshot, version)},
        "Mounts": _mounts(snapshot),
    }


def command_line(path: str, args: tuple[str, ...]) -> str:
    """Return the command as the list shows it: arguments with blanks are quoted."""
    return " ".join(
        f"'{word}'" if any(letter.isspace() for letter in word) else word for word in (path, *args)
    )


def _inspect(snapshot: ContainerSnapshot, stage: Stage | None, version: Version) -> dict[str, Any]:
    record = snapshot.record
    files = record.log_path.rpartition("/")[0]
    return {
        "Id": record.id,
        "Created": rfc3339(record.created_ns),
        "Path": record.path,
        "Args": list(record.args),
        "State": _state(snapshot, stage),
        "Image": record.image_id,
        "ResolvConfPath": f"{files}/resolv.conf",
        "HostnamePath": f"{files}/hostname",
        "HostsPath": f"{files}/hosts",
        "LogPath": record.log_path,
        "Name": f"/{record.name}",
        "RestartCount": snapshot.restart_count,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "HostConfig": record.host_config,
        "Mounts": _mounts(snapshot),
        "Config": record.config,
        "NetworkSettings": network_settings(snapshot, version),
    }


def _state(snapshot: ContainerSnapshot, stage: Stage | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Status": status_of(snapshot),
        "Running": snapshot.up,
        "Paused": snapshot.paused,
        "Restarting": snapshot.restarting,
        "OOMKilled": snapshot.oom_killed,
        "Dead": snapshot.state is State.DEAD,
        "Pid": snapshot.pid,
        "ExitCode": snapshot.exit_code,
        "Error": snapshot.error,
        "StartedAt": rfc3339(snapshot.started_ns) if snapshot.started_ns else GO_ZERO_TIME,
        "FinishedAt": rfc3339(snapshot.finished_ns) if snapshot.finished_ns else GO_ZERO_TIME,
    }
    if snapshot.health is not None:
        shown["Health"] = health_state(snapshot.health)
    if snapshot.operation:  # ours: what is under way, for whoever wonders why nothing happens
        shown["Operation"] = _operation(snapshot, stage)
    runtime = snapshot.record.runtime
    if snapshot.running and runtime is not None:  # ours: what this run is tied to, whatever is configured now
        shown["Runtime"] = {"Name": runtime.name, "Path": runtime.path, "Generation": runtime.generation}
    return shown


def _operation(snapshot: ContainerSnapshot, stage: Stage | None) -> dict[str, str | None]:
    """Show what is under way: Deadline is when the engine gives up waiting for the stage by itself."""
    deadline_ns = None if stage is None else stage.deadline_ns
    return {
        "Kind": snapshot.operation,
        "Since": rfc3339(snapshot.operation_since_ns),
        "Stage": "" if stage is None else stage.name,
        "Deadline": None if deadline_ns is None else rfc3339(deadline_ns),
    }


def _mounts(snapshot: ContainerSnapshot) -> list[dict[str, Any]]:
    return [
        {
            "Type": "bind",
            "Source": mount.source,
            "Destination": mount.target,
            "Mode": "ro" if mount.read_only else "",
            "RW": not mount.read_only,
            "Propagation": mount.propagation,
        }
        for mount in client_mounts(snapshot.record.host_config)
        if isinstance(mount, BindMount)
    ]
