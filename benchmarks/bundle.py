"""The OCI bundle of the floor: the very one that Longshore would write.

The floor is the price of a container, so it must be the same container, down to the last masked path and
the filter of system calls.  Hence the document is made by Longshore's own builder, from what the engines
are sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import orjson
import trio

from daemon.actors.container.admission.defaults import Defaults, filled
from daemon.model import Config, ExecConfig, HostConfig
from daemon.runtimes.oci import OciRuntime
from daemon.runtimes.seccomp import Seccomp, SeccompProfiles
from daemon.runtimes.spec import HostFacts, SpecInputs, build_process, build_spec, host_facts
from daemon.runtimes.table import Runtime, RuntimeTable
from daemon.runtimes.users import ResolvedUser
from daemon.wire import parse_client

API_VERSION: Final = (1, 41)
SHARED_FILES: Final = {
    "hostname": "floor\n",
    "hosts": "127.0.0.1\tlocalhost\n",
    "resolv.conf": "nameserver 127.0.0.1\n",
}


@attrs.frozen
class Recipe:
    """What all containers of one floor have in common."""

    host: HostFacts
    host_config: HostConfig
    seccomp: Seccomp | None

    def write(self, bundle: Path, container: str, command: Sequence[str]) -> None:
        """Write everything the runtime reads into a bundle, whose root filesystem is `merged`."""
        for name, text in SHARED_FILES.items():
            (bundle / name).write_text(text)
        document = build_spec(self._inputs(bundle, container, command))
        (bundle / "config.json").write_bytes(orjson.dumps(document))

    def write_process(self, file: Path, container: str, command: Sequence[str]) -> None:
        """Write what is to be executed in a container."""
        session = ExecConfig(attach_stdout=True, attach_stderr=True, cmd=tuple(command))
        file.write_bytes(orjson.dumps(build_process(self._inputs(file.parent, container, ()), session)))

    def _inputs(self, bundle: Path, container: str, command: Sequence[str]) -> SpecInputs:
        return SpecInputs(
            container_id=container,
            config=Config(cmd=tuple(command)),
            host_config=self.host_config,
            rootfs=bundle / "merged",
            user=ResolvedUser(),
            host=self.host,
            cgroups_path=f"{self.host_config.cgroup_parent}/{container}",
            hosts_path=bundle / "hosts",
            hostname_path=bundle / "hostname",
            resolv_conf_path=bundle / "resolv.conf",
            seccomp=self.seccomp,
        )


def recipe(runtime: str, host_config: Mapping[str, Any], *, confined: bool) -> Recipe:
    """Return the recipe for containers that an API client asks for with `host_config`.

    Args:
        runtime: path of the OCI runtime; in which form it takes a filter depends on it.
        host_config: as the engines are sent it.
        confined: whether system calls are filtered, as Longshore does; compiling takes some 30 ms, once.
    """
    host = host_facts()
    name = Path(runtime).name
    table = RuntimeTable({name: Runtime(name, runtime, runtime, runtime)}, name)
    defaults = Defaults(host, table, hostname="floor")
    complete = filled(parse_client(host_config, HostConfig), Config(), defaults, API_VERSION)
    return Recipe(host, complete, _filter(runtime, complete, host) if confined else None)


def _filter(runtime: str, host_config: HostConfig, host: HostFacts) -> Seccomp | None:
    accepts_bpf = OciRuntime(runtime, Path("/")).accepts_bpf

    async def resolve() -> Seccomp | None:
        return await SeccompProfiles(host).resolve(host_config, accepts_bpf=accepts_bpf)

    return trio.run(resolve)
