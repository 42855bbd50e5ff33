"""What the API has and this engine does not do yet: named to the client, never ignored.

A container that silently lacks a limit, a volume or a network is worse than one that is not made.  A row
goes away when its feature comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from daemon.actors.container.admission.rules import Case, Rule
from daemon.errors import NotImplementedHere

_WINDOWS_ONLY: Final = ("cpu_count", "cpu_percent", "io_maximum_iops", "io_maximum_bandwidth")


def _uses(field: str) -> Callable[[Case], bool]:
    return lambda case: bool(getattr(case.host_config, field))


# Looked at before the image's configuration is merged in: only the client's own wishes are refused.
OF_CLIENT: Final = (
    Rule(
        lambda case: case.config.volumes,
        "anonymous volumes (Volumes) are not supported yet",
        NotImplementedHere,
    ),
)

UNSUPPORTED: Final = (
    Rule(
        # Its shared memory is a tmpfs of that container's own, which cannot be shared safely after the fact.
        lambda case: case.host_config.ipc_mode.startswith("container:"),
        'joining the IPC namespace of another container ("{h.ipc_mode}") is not supported yet',
        NotImplementedHere,
    ),
    *(
        Rule(_uses(field), text, NotImplementedHere)
        for field, text in (
            ("volumes_from", "volumes of other containers (VolumesFrom) are not supported yet"),
            ("device_requests", "device requests (DeviceRequests, --gpus) are not supported yet"),
            ("storage_opt", "storage options (StorageOpt) are not supported"),
            ("cgroup", "joining the cgroup of another container (Cgroup) is not supported"),
            ("cpu_realtime_period", "real-time scheduling (CpuRealtimePeriod) is not supported"),
            ("cpu_realtime_runtime", "real-time scheduling (CpuRealtimeRuntime) is not supported"),
            *((field, f"{field} is for Windows containers") for field in _WINDOWS_ONLY),
        )
    ),
    Rule(
        lambda case: case.host_config.volume_driver not in {"", "local"},
        'volume driver "{h.volume_driver}" is not supported yet',
        NotImplementedHere,
    ),
    Rule(
        lambda case: case.host_config.userns_mode not in {"", "host"},
        "invalid USER mode: {h.userns_mode}",
    ),
    Rule(
        lambda case: case.host_config.isolation not in {"", "default"},
        'invalid isolation "{h.isolation}" on linux',
    ),
)
