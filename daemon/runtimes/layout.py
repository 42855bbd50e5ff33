"""Where a container has its files: what must survive a reboot under data-root, the rest under exec-root."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import attrs

from daemon.runtimes.monitorfiles import MonitorFiles
from daemon.runtimes.oci import OciRuntime
from daemon.runtimes.table import LockedRuntime


@attrs.frozen
class Layout:
    """The two roots of one engine; everything it writes is below them."""

    data_root: Path
    exec_root: Path

    @property
    def runtime_state(self) -> Path:
        """Where OCI runtimes keep what they know of containers."""
        return self.exec_root / "runtime"

    def oci_runtime(self, runtime: LockedRuntime) -> OciRuntime:
        """Return the command line of the runtime of a run."""
        return OciRuntime(runtime.path, self.runtime_state, runtime.binary)

    def bundle(self, container_id: str) -> Path:
        """The OCI bundle of a run, gone with it."""
        return self.bundles / container_id

    def probe(self, container_id: str) -> Path:
        """The process document of a run's health check."""
        return self.bundle(container_id) / "probe.json"

    def run_networks(self, container_id: str) -> Path:
        """What a run has of the network, for when the journal has lost it."""
        return self.bundle(container_id) / "networks.json"

    def monitor(self, container_id: str) -> MonitorFiles:
        """The files of the monitor of a run; they are in its bundle."""
        return MonitorFiles(self.bundle(container_id), container_id, self.exits / container_id)

    def exec_session(self, exec_id: str, container_id: str) -> MonitorFiles:
        """The files of the monitor of an exec session."""
        return MonitorFiles(self.exec_sessions / exec_id, container_id)

    @property
    def bundles(self) -> Path:
        """The bundles of all runs."""
        return self.exec_root / "bundles"

    @property
    def exits(self) -> Path:
        """How the last runs of containers have ended, until the next ones begin."""
        return self.exec_root / "exits"

    @property
    def sandboxes(self) -> Path:
        """The files of containers' network namespaces."""
        return self.exec_root / "netns"

    @property
    def containers(self) -> Path:
        """What all containers keep."""
        return self.data_root / "containers"

    @property
    def exec_sessions(self) -> Path:
        """The directories of all exec sessions."""
        return self.exec_root / "execs"

    def container(self, container_id: str) -> Path:
        """What a container keeps as long as it exists: its log and the files mounted over /etc."""
        return self.containers / container_id

    def record(self, container_id: str) -> Path:
        """A copy of the record that the container was last started with, for when the journal has lost it."""
        return self.container(container_id) / "record.json"

    def log(self, container_id: str) -> Path:
        """The container's output, in conmon's k8s-file format."""
        return self.container(container_id) / "output.log"

    def make(self) -> None:
        """Make the directories that are always there; only root may look into them."""
        for root in (self.data_root, self.exec_root):
            root.mkdir(mode=0o711, parents=True, exist_ok=True)
        for private in (
            self.runtime_state,
            self.bundles,
            self.exits,
            self.exec_sessions,
            self.sandboxes,
            self.containers,
        ):
            private.mkdir(mode=0o700, exist_ok=True)


def fresh(directory: Path) -> None:
    """Make `directory` anew and empty, with the exit directory a monitor needs."""
    shutil.rmtree(directory, ignore_errors=True)
    for private in (directory, directory / "exit"):
        private.mkdir(mode=0o700, parents=True)


def replace_private(path: Path, content: bytes) -> None:
    """Write a file that root alone reads, in the place of an older one: a reader finds one of the two whole.

    After a power cut it may be neither; so it is for what need not survive that.
    """
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    write_private(new, content)
    new.replace(path)


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that root alone reads: environments hold passwords."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
