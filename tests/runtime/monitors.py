"""conmon and an OCI runtime around one busybox command, with no engine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

BUSYBOX = Path("/bin/busybox")
APPLETS = ("sh", "cat", "head", "yes", "sleep", "stty", "seq")
NAMESPACES = ("pid", "mount", "ipc", "uts", "network")
MOUNTS = (("/proc", "proc"), ("/dev", "tmpfs"), ("/dev/pts", "devpts"))


def installed(name: str) -> str:
    """Return the path of a program; without it skip, but fail in CI."""
    found = shutil.which(name)
    if found is None:
        report = pytest.fail if "CI" in os.environ else pytest.skip
        report(f"{name} is not installed")
    return found


@attrs.frozen
class Monitored:
    """A container that is created, and its monitor."""

    bundle: Path
    runtime: tuple[str, ...]
    monitor: subprocess.Popen[bytes]
    pid: int

    @property
    def log(self) -> Path:
        return self.bundle / "output.log"

    def start(self) -> None:
        subprocess.run([*self.runtime, "start", self.bundle.name], check=True)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


@contextmanager
def monitored(
    runtime: str,
    bundle: Path,
    *command: str,
    tty: bool = False,
    stdin: bool = False,
    leave_open: bool = False,
    log_size_max_bytes: int = -1,
) -> Generator[Monitored, None, None]:
    """Create a container for `command`; afterwards nothing of it is left."""
    program = installed(runtime)
    conmon = installed("conmon")
    _make_bundle(bundle, command, tty=tty)
    runtime_command = (program, f"--root={bundle / 'state'}")
    read_end, write_end = os.pipe()
    flags = {"--terminal": tty, "--stdin": stdin, "--leave-stdin-open": leave_open}
    with (bundle / "conmon.err").open("wb") as errors:
        monitor = subprocess.Popen(
            [
                *(conmon, "--api-version=1", "--sync", f"--cid={bundle.name}", f"--cuuid={bundle.name}"),
                *(f"--runtime={program}", f"--runtime-arg={runtime_command[1]}", f"--bundle={bundle}"),
                *(f"--container-pidfile={bundle / 'pid'}", f"--exit-dir={bundle}", "--full-attach"),
                *("--no-sync-log", f"--log-path=k8s-file:{bundle / 'output.log'}"),
                f"--log-size-max={log_size_max_bytes}",
                *(flag for flag, wanted in flags.items() if wanted),
            ],
            pass_fds=[write_end],
            env={**os.environ, "_OCI_SYNCPIPE": str(write_end)},
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
        )
    os.close(write_end)
    with os.fdopen(read_end, "rb") as sync:
        answer = json.loads(sync.readline())
    try:
        assert answer["data"] > 0, answer
        yield Monitored(bundle, runtime_command, monitor, answer["data"])
    finally:
        subprocess.run([*runtime_command, "delete", "--force", bundle.name], check=False)
        monitor.kill()
        monitor.wait()


def _make_bundle(bundle: Path, command: tuple[str, ...], *, tty: bool) -> None:
    programs = bundle / "rootfs" / "bin"
    programs.mkdir(parents=True)
    shutil.copy(BUSYBOX, programs / "busybox")
    for applet in APPLETS:
        (programs / applet).symlink_to("busybox")
    for target, _ in MOUNTS[:2]:
        (bundle / "rootfs" / target[1:]).mkdir()
    document = {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": tty,
            "user": {"uid": 0, "gid": 0},
            "args": list(command),
            "env": ["PATH=/bin"],
            "cwd": "/",
        },
        "root": {"path": "rootfs"},
        "mounts": [{"destination": target, "type": kind, "source": kind} for target, kind in MOUNTS],
        "linux": {
            "cgroupsPath": f"/{bundle.name}",
            "namespaces": [{"type": kind} for kind in NAMESPACES],
        },
    }
    (bundle / "config.json").write_text(json.dumps(document))
