"""A host and a container to build specs for, in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from daemon.model import Config, HostConfig
from daemon.runtimes.spec.capabilities import NAMES
from daemon.runtimes.spec.inputs import HostFacts, SpecInputs
from daemon.runtimes.users import ResolvedUser

ID = "0123456789ab" + "c" * 52
HOST = HostFacts(
    cgroup_version=1,
    hard_limits={"RLIMIT_NOFILE": 20000},
    capabilities=frozenset(NAMES) - {"CAP_SYS_RESOURCE"},
    kernel=(6, 1),
    cpus=2,
)


def inputs(config: Config | None = None, host_config: HostConfig | None = None, **changes: Any) -> SpecInputs:
    """Make inputs; what a test does not name is plain."""
    plain = {
        "container_id": ID,
        "config": config or Config(cmd=("true",)),
        "host_config": host_config or HostConfig(network_mode="none", ipc_mode="private", shm_size=1024),
        "rootfs": Path("/rootfs"),
        "user": ResolvedUser(home="/root"),
        "host": HOST,
        "cgroups_path": f"/docker/{ID}",
    }
    return SpecInputs(**{**plain, **changes})
