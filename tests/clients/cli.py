"""The stock `docker` command, told to talk to the engine under test and to nobody else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from daemon.runtimes.strays import children_of
from tests.clients.engine import BUSYBOX_IMAGE, until

SECONDS: Final = 60  # no call of these tests takes that long, unless it hangs


def docker_program() -> str:
    """Return the path of the CLI; without it skip, but fail in CI."""
    beside_python = Path(sys.executable).with_name("docker")
    found = shutil.which("docker") or (str(beside_python) if beside_python.exists() else None)
    if found is None:
        report = pytest.fail if "CI" in os.environ else pytest.skip
        report("the docker CLI is not installed: run scripts/setup --test")
    return found


@attrs.frozen
class Result:
    """What a command has left."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        return self.stdout.decode()

    @property
    def err(self) -> str:
        return self.stderr.decode()

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@attrs.frozen
class Docker:
    """The CLI."""

    program: str
    environment: Mapping[str, str]

    def __call__(self, *arguments: str, stdin: bytes = b"", ok: bool = True) -> Result:
        """Run one command to its end; unless `ok` is false it must succeed."""
        done = subprocess.run(
            [self.program, *arguments],
            input=stdin,
            capture_output=True,
            env=self.environment,
            timeout=SECONDS,
        )
        result = Result(done.returncode, done.stdout, done.stderr)
        assert result.code == 0 or not ok, f"docker {' '.join(arguments)}: {result.err}"
        return result

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one command with pipes; whoever calls waits for it or kills it."""
        pipe = subprocess.PIPE
        command = [self.program, *arguments]
        return subprocess.Popen(command, env=self.environment, stdin=pipe, stdout=pipe, stderr=pipe)

    def run(self, *arguments: str, stdin: bytes = b"", ok: bool = True) -> Result:
        """Run `docker run --rm ...`."""
        return self("run", "--rm", *arguments, stdin=stdin, ok=ok)

    def detached(self, *arguments: str) -> str:
        """Run `docker run -d ...` and return the container's id."""
        return self("run", "-d", *arguments).out.strip()

    def sleeper(self, *options: str) -> str:
        """Start a container that does nothing, but ends at once when told to; return its id."""
        return self.heeding("TERM", 0, *options)

    def heeding(self, signal: str, code: int, *options: str) -> str:
        """Start a container that does nothing, but ends with `code` at a signal; return its id."""
        return self.trapping(f"trap 'exit {code}' {signal}", *options)

    def trapping(self, trap: str, *options: str) -> str:
        """Start a container that has set a trap and does nothing more; return its id.

        A start is answered before the process has come that far, and the first process of a container never
        gets a signal for which it has no handler (pid_namespaces(7)).
        """
        script = f"{trap}; sleep 100000 & wait"  # a shell handles signals only between commands
        container = self.detached(*options, "busybox", "sh", "-c", script)
        self.until_it_has_children(container)
        return container

    def until_it_has_children(self, container: str) -> None:
        """Wait until the first process of a container has started another one."""
        pid = self.inspect(container)["State"]["Pid"]
        until(lambda: children_of(pid), "it has started another process")

    def inspect(self, what: str) -> dict[str, Any]:
        """Return the one object that `docker inspect` finds."""
        (found,) = json.loads(self("inspect", what).out)
        return dict(found)

    def ids(self, *filters: str) -> list[str]:
        """Return the full ids of all containers the filters let through."""
        options = [part for one in filters for part in ("--filter", one)]
        return self("ps", "--all", "--quiet", "--no-trunc", *options).out.split()

    def ids_ever(self) -> set[str]:
        """Read from the events, which miss none, which containers there have been."""
        until = f"{time.time():.9f}"  # "now" would be the second that has begun
        options = ("--since", "1", "--until", until, "--filter", "event=create", "--filter", "type=container")
        lines = self("events", *options, "--format", "{{json .}}").lines
        return {json.loads(line)["Actor"]["ID"] for line in lines} - {""}  # a gap is about no container

    def remove_all(self) -> None:
        """Remove every container, and wait for those that are being removed already."""
        deadline = time.monotonic() + SECONDS
        while ids := self.ids():
            assert time.monotonic() < deadline, f"these cannot be removed: {ids}"
            self("rm", "--force", "--volumes", *ids, ok=False)


def connect(url: str, home: Path) -> Docker:
    """Return a CLI for the engine at `url` that has `home` for its own files."""
    home.mkdir(exist_ok=True)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER")}
    return Docker(
        docker_program(), inherited | {"DOCKER_HOST": url, "DOCKER_CONFIG": str(home), "HOME": str(home)}
    )


def import_busybox(docker: Docker) -> None:
    """Make the image `busybox:latest`."""
    rootfs = subprocess.run([sys.executable, BUSYBOX_IMAGE], check=True, capture_output=True).stdout
    docker("import", "--change", 'CMD ["sh"]', "--change", "ENV PATH=/bin", "-", "busybox", stdin=rootfs)
