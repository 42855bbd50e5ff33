"""The OCI bundle of one run, and the files that are mounted over the container's own in /etc."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import attrs
import orjson

from daemon.actors.container.attachments import RunNetworks
from daemon.actors.container.health import check_of
from daemon.actors.container.networking.naming import SHORT_ID, NetworkFacts, resolv_conf_of_host
from daemon.actors.container.snapshot import ContainerRecord
from daemon.model import ExecConfig
from daemon.networks.files import hostname_text, hosts_text, resolv_conf_text
from daemon.runtimes import initlayer
from daemon.runtimes.cgroups import remove_cgroup, thaw_cgroup
from daemon.runtimes.inroot import ensure_in_root
from daemon.runtimes.layout import Layout, fresh, replace_private, write_private
from daemon.runtimes.seccomp import Seccomp
from daemon.runtimes.spec.build import build_spec
from daemon.runtimes.spec.inputs import DeviceNode, HostFacts, SpecInputs
from daemon.runtimes.spec.process import build_process
from daemon.runtimes.spec.resources import cgroups_path
from daemon.runtimes.users import resolve_user
from daemon.wire import to_record

CGROUP_PARENT: Final = "/docker"  # tools look for a container's cgroup at Docker's place
HOST_HOSTS: Final = Path("/etc/hosts")


@attrs.frozen
class Devices:
    """The host's devices that a container is given or limited on, looked up beforehand."""

    nodes: tuple[DeviceNode, ...] = ()
    block: Mapping[str, tuple[int, int]] = attrs.field(factory=dict)


@attrs.frozen
class Bundles:
    """Makes bundles; everything here is file work, to be done in a thread."""

    layout: Layout
    facts: HostFacts
    joined_namespaces: Callable[[ContainerRecord], dict[str, Path]]
    cgroup_parent: str = CGROUP_PARENT

    def inputs(
        self,
        record: ContainerRecord,
        rootfs: Path,
        seccomp: Seccomp | None,
        devices: Devices,
        sandbox: Path | None = None,
    ) -> SpecInputs:
        """Gather what the container's spec is made from.

        Raises:
            InvalidParameter: its user is not in the container's own files.
            Conflict: a container whose namespace it is to join does not run.

        """
        files = self.layout.container(record.id)
        host_config = record.host_config
        return SpecInputs(
            container_id=record.id,
            config=record.config,
            host_config=host_config,
            rootfs=rootfs,
            user=resolve_user(rootfs, record.config.user, host_config.group_add or ()),
            host=self.facts,
            cgroups_path=self.cgroup(record),
            hosts_path=files / "hosts",
            hostname_path=files / "hostname",
            resolv_conf_path=files / "resolv.conf",
            seccomp=seccomp,
            devices=devices.nodes,
            block_devices=devices.block,
            joined=self.joined_namespaces(record) | ({"network": sandbox} if sandbox else {}),
        )

    def write(
        self,
        record: ContainerRecord,
        rootfs: Path,
        seccomp: Seccomp | None,
        devices: Devices,
        facts: NetworkFacts,
    ) -> None:
        """Write bundle and files of a new run.

        Raises:
            InvalidParameter, Conflict: see `inputs`.
            OSError: the disk refuses.

        """
        inputs = self.inputs(record, rootfs, seccomp, devices, facts.sandbox)
        for directory in (record.config.working_dir, *(record.config.volumes or ())):
            ensure_in_root(rootfs, directory)
        initlayer.furnish(rootfs)
        self.write_names(record, facts)
        replace_private(self.layout.record(record.id), to_record(record))
        _delete(self.layout.exits / record.id)
        bundle = self.layout.bundle(record.id)
        fresh(bundle)
        write_private(bundle / "config.json", orjson.dumps(build_spec(inputs)))
        if (check := check_of(record.config)) is not None:
            probe = build_process(inputs, ExecConfig(cmd=check.command))
            write_private(self.layout.probe(record.id), orjson.dumps(probe))

    def keep_networks(self, record: ContainerRecord, kept: RunNetworks) -> None:
        """Write beside a run what it has of the network.

        Raises:
            OSError: the disk refuses.

        """
        replace_private(self.layout.run_networks(record.id), to_record(kept))

    def discard(self, record: ContainerRecord) -> None:
        """Delete what is left of a run that is over: the bundle, and a cgroup its runtime forgot.

        Its exit is kept until the next run: on a full disk the journal does not have it yet.

        Raises:
            OSError: the disk refuses, or a process cannot be killed.

        """
        self.end(record)
        self.layout.monitor(record.id).keep_exit()
        _delete(self.layout.bundle(record.id))

    def end(self, record: ContainerRecord) -> None:
        """Kill all processes without the runtime, and remove their cgroup.

        Raises:
            OSError: a process cannot be killed.

        """
        remove_cgroup(self.cgroup(record))

    def thaw(self, record: ContainerRecord) -> None:
        """Thaw a container without its runtime.

        Raises:
            OSError: the kernel refuses.

        """
        thaw_cgroup(self.cgroup(record))

    def forget(self, record: ContainerRecord) -> None:
        """Delete what the container kept between its runs, and what a run has left.

        Raises:
            OSError: see `discard`.

        """
        self.discard(record)
        _delete(self.layout.exits / record.id)
        _delete(self.layout.container(record.id))

    def cgroup(self, record: ContainerRecord) -> str:
        """Return where a container's processes are accounted for, below the root of every hierarchy."""
        return cgroups_path(record.id, record.host_config.cgroup_parent or self.cgroup_parent)

    def write_names(self, record: ContainerRecord, facts: NetworkFacts) -> None:
        """Write the files that are mounted over the container's own; one that runs sees them change.

        Raises:
            OSError: the disk refuses.

        """
        host_config = record.host_config
        hostname = record.config.hostname or record.id[:SHORT_ID]
        of_host = HOST_HOSTS.read_text() if host_config.network_mode == "host" else None
        texts = {
            "hostname": hostname_text(hostname),
            "hosts": hosts_text(
                hostname,
                host_config,
                domainname=record.config.domainname,
                addresses=facts.addresses,
                gateways=facts.gateways,
                links=facts.links,
                of_host=of_host,
            ),
            "resolv.conf": resolv_conf_text(
                host_config, resolv_conf_of_host(), asks_resolver=facts.asks_resolver
            ),
        }
        directory = self.layout.container(record.id)
        directory.mkdir(mode=0o700, exist_ok=True)
        for name, text in texts.items():
            path = directory / name
            path.write_text(text)
            path.chmod(0o644)


def _delete(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)
