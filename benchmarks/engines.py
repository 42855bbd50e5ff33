"""The engines under comparison: each started below a directory of its own, and stopped for good.

An engine that cannot be started is reported with the reason, never left out: a table that has
lost a column looks like one that never had it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from benchmarks.bundle import recipe
from benchmarks.client import Client, EngineAnswered
from benchmarks.docker_api import Session
from benchmarks.engine import ApiEngine, Engine, FloorEngine, Lab
from benchmarks.floor import Floor
from benchmarks.monitor import CONMON
from benchmarks.netspace import NetSpace, netspace
from benchmarks.service import Service

REPOSITORY: Final = Path(__file__).resolve().parent.parent
READY_SECONDS: Final = 30.0
GREETING_PAUSE_SECONDS: Final = 0.02
INSECURE_LOOPBACK: Final = '[[registry]]\nlocation = "127.0.0.1:5000"\ninsecure = true\n'
"""What podman must be told, and others take for granted: no TLS on loopback."""


class Missing(Exception):
    """An engine cannot take part; the text says why."""


@contextmanager
def floor(lab: Lab, *, name: str, confined: bool) -> Generator[FloorEngine, None, None]:
    """Prepare the floor: extract the image, which costs an engine nothing at start either."""
    path = required("conmon", CONMON)
    image = lab.root / name / "image"
    with tarfile.open(fileobj=io.BytesIO(lab.archive)) as tar:
        tar.extractall(image)
    runs = iter(range(1 << 30))
    made_by = recipe(lab.runtime, lab.host_config, confined=confined)

    def open_floor() -> Floor:
        return Floor(lab.root / name / str(next(runs)), image, lab.runtime, made_by)

    yield FloorEngine(name, first_line(path, "--version"), open_floor)


@contextmanager
def longshore(lab: Lab) -> Generator[ApiEngine, None, None]:
    """Start the engine of this repository."""
    root = lab.root / "longshore"
    socket = _prepared(root) / "engine.sock"
    config_file = _configured(root, {})
    flags = (
        f"--data-root={root / 'data'} --exec-root={root / 'run'} --config-file={config_file} "
        f"--host=unix://{socket} --default-runtime={Path(lab.runtime).name} --log-level=warn"
    ).split()
    command = [sys.executable, "-m", "daemon", *flags]
    environment = {"PYTHONPATH": str(REPOSITORY)}
    with (
        netspace(f"{lab.root.name}-longshore") as space,
        _running(command, root, space, environment) as process,
    ):
        yield _answering("longshore", lab, socket, root, (process,), space, config_file)


@contextmanager
def dockerd(lab: Lab) -> Generator[ApiEngine, None, None]:
    """Start dockerd with a containerd of its own and its network as it comes."""
    root = _prepared(lab.root / "dockerd")
    socket, containerd_socket = root / "engine.sock", root / "containerd.sock"
    runtime = Path(lab.runtime).name
    # In the file, not in flags: at a reload dockerd forgets runtimes that only flags name.  runc is built
    # in: naming it again is refused.
    known = {} if runtime == "runc" else {"runtimes": {runtime: {"path": lab.runtime}}}
    config_file = _configured(root, {**known, "default-runtime": runtime, "live-restore": True})
    (root / "containerd.toml").write_text(_containerd_settings(root, containerd_socket))
    required("dockerd", "dockerd")
    command = [required("containerd", "containerd"), "--config", str(root / "containerd.toml")]
    with netspace(f"{lab.root.name}-dockerd") as space, _running(command, root, space) as containerd:
        _until(containerd_socket.exists, containerd, root)
        flags = (
            f"--data-root={root / 'data'} --exec-root={root / 'run'} --pidfile={root / 'pid'} "
            f"-H unix://{socket} --containerd={containerd_socket} --config-file={config_file} "
            f"--cgroup-parent=/{lab.cgroup} --log-level=warn"
        ).split()
        with _running(["dockerd", *flags], root, space) as process:
            yield _answering("dockerd", lab, socket, root, (process, containerd), space, config_file)


@contextmanager
def podman(lab: Lab) -> Generator[ApiEngine, None, None]:
    """Start podman's service."""
    root = _prepared(lab.root / "podman")
    socket = root / "engine.sock"
    command = [required("podman", "podman")]
    for flag, name in (
        ("root", "data"),
        ("runroot", "run"),
        ("tmpdir", "tmp"),
        ("network-config-dir", "net"),
    ):
        command += [f"--{flag}", str(root / name)]
    command += ["--runtime", lab.runtime, "--runtime-flag", f"root={root / 'runtime'}"]
    command += ["--cgroup-manager", "cgroupfs", "--events-backend", "file"]
    command += ["--storage-driver", "overlay", "--log-level", "error"]
    command += ["system", "service", "--time", "0", f"unix://{socket}"]
    (registries := root / "registries.conf").write_text(INSECURE_LOOPBACK)
    environment = {"CONTAINERS_REGISTRIES_CONF": str(registries)}
    with (
        netspace(f"{lab.root.name}-podman") as space,
        _running(command, root, space, environment) as process,
    ):
        yield _answering("podman", lab, socket, root, (process,), space)


def required(what: str, binary: str) -> str:
    """Return the path of a program that an engine cannot do without.

    It may lie beside this interpreter, where `scripts/setup --test` puts some.
    """
    path = f"{os.environ.get('PATH', os.defpath)}:{Path(sys.executable).parent}"
    if (found := shutil.which(binary, path=path)) is None:
        raise Missing(f"{what} is not installed")
    return found


def first_line(*command: str) -> str:
    """Return the first line a program prints, as its version."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.partition("\n")[0]


def _prepared(root: Path) -> Path:
    root.mkdir(parents=True)
    return root


def _configured(root: Path, content: Mapping[str, Any]) -> Path:
    """Return an engine's configuration file, written."""
    file = root / "daemon.json"
    file.write_text(json.dumps(content))
    return file


def _containerd_settings(root: Path, socket: Path) -> str:
    # A plugin that cannot work here only slows the start-up down.
    unwanted = ["io.containerd.grpc.v1.cri"]
    unwanted += [f"io.containerd.snapshotter.v1.{name}" for name in ("aufs", "btrfs", "devmapper", "zfs")]
    return (
        f'version = 2\nroot = "{root / "containerd"}"\nstate = "{root / "containerd-run"}"\n'
        f'disabled_plugins = {json.dumps(unwanted)}\n[grpc]\naddress = "{socket}"\n'
    )


@contextmanager
def _running(
    command: list[str], root: Path, space: NetSpace, environment: Mapping[str, str] | None = None
) -> Generator[Service, None, None]:
    service = Service(space.command(command), root / f"{Path(command[0]).name}.log", environment)
    try:
        yield service
    finally:
        service.stop()


def _answering(
    name: str,
    lab: Lab,
    socket: Path,
    root: Path,
    parts: tuple[Service, ...],
    space: NetSpace,
    config_file: Path | None = None,
) -> ApiEngine:
    """Return an engine that answers and has the image.

    Raises:
        Missing: it ended, does not answer in time or refuses the image.
    """
    client = Client(socket)
    _until(partial(_answers, client), parts[0], root)
    with contextlib.closing(Session(client, lab.host_config)) as session:
        try:
            session.import_image(lab.archive)
            version = session.version()
        except (EngineAnswered, OSError, RuntimeError) as error:
            raise Missing(f"cannot import the image: {error}") from error
    return ApiEngine(name, version, socket, root, parts, space, lab.host_config, config_file)


def _answers(client: Client) -> bool:
    try:
        return client.request("GET", "/_ping").status == 200
    except (OSError, EngineAnswered):
        client.close()
        return False


def _until(ready: Callable[[], bool], process: Service, root: Path) -> None:
    """Wait until an engine is ready; its log says why it is not."""
    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        if process.ended or time.monotonic() > deadline:
            raise Missing(f"did not start: {_last_words(root)}")
        time.sleep(GREETING_PAUSE_SECONDS)


def _last_words(root: Path) -> str:
    logs = sorted(root.glob("*.log"), key=lambda log: log.stat().st_mtime)
    words = [line for log in logs for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return words[-1] if words else "it said nothing"


ENGINES: Final[Mapping[str, Callable[[Lab], AbstractContextManager[Engine]]]] = MappingProxyType(
    {
        "longshore": longshore,
        "floor": partial(floor, name="floor", confined=False),
        "floor+seccomp": partial(floor, name="floor+seccomp", confined=True),
        "dockerd": dockerd,
        "podman": podman,
    }
)
"""Every engine, in the order of the columns."""


@contextmanager
def started(
    lab: Lab, names: Sequence[str]
) -> Generator[tuple[dict[str, Engine], dict[str, str]], None, None]:
    """Start the engines named; yield those that run, and why the others do not."""
    running: dict[str, Engine] = {}
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        for name in names:
            try:
                running[name] = stack.enter_context(ENGINES[name](lab))
            except Missing as reason:
                missing[name] = str(reason)
        yield running, missing
