"""A container is tied to the runtime it was started with, whatever becomes of that runtime's name.

dockerd 20.10 fails at this: an exec, once the name has left the configuration, answers "no such file" there,
because the scripts of the old configuration are swept away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest

from tests.clients.restarts.site import Site

RENEWALS: Final[Mapping[str, Callable[[Site], None]]] = MappingProxyType(
    {"reload": Site.reload, "restart": Site.restart, "crash": Site.crash}
)
ARGUMENTS: Final[Mapping[str, Callable[[Path], list[str]]]] = MappingProxyType(
    {
        "crun": lambda log: [f"--log={log}", "--log-format=json", "--debug"],
        "runc": lambda log: ["--log", str(log), "--log-format", "json", "--debug"],
    }
)
GONE: Final = "unknown or invalid runtime name: wrapped"


@pytest.fixture(params=sorted(ARGUMENTS))
def binary(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=sorted(RENEWALS))
def renew(request: pytest.FixtureRequest) -> Callable[[Site], None]:
    """How another configuration comes into force."""
    return RENEWALS[request.param]


def log_of(site: Site, variant: str) -> Path:
    """Return where a variant of the wrapped runtime logs: nowhere a shell would find unless quoted well."""
    return site.root / f'what\'s "{variant}" \\ $HOME `id`\n;.log'


def wrapped(site: Site, binary: str, variant: str) -> dict[str, Any]:
    arguments = ARGUMENTS[binary](log_of(site, variant))
    return {"runtimes": {"wrapped": {"path": binary, "runtimeArgs": arguments}}}


def check_run(site: Site, container: str, variant: str) -> None:
    """Make sure that what is done to a run works, and that it is done with the arguments of a variant."""
    log = log_of(site, variant)
    before = log.stat().st_size if log.exists() else 0
    assert site.docker("exec", container, "echo", "here").out == "here\n"
    assert site.docker("exec", container, "nosuch", ok=False).code != 0  # which a runtime logs
    assert b"nosuch" in log.read_bytes()[before:]
    site.docker("pause", container)
    assert site.docker.inspect(container)["State"]["Status"] == "paused"
    site.docker("unpause", container)


def check_refused(site: Site, container: str, *commands: str) -> None:
    """Make sure that commands that need the name fail, and change nothing."""
    before = site.docker.inspect(container)["State"]
    for command in commands:
        assert GONE in site.docker(command, container, ok=False).err
    refused = site.api("POST", f"/containers/{container}/{commands[0]}")
    assert (refused.status, refused.message) == (400, GONE)
    assert site.docker.inspect(container)["State"] == before


def test_a_run_keeps_the_runtime_it_was_started_with(
    site: Site, binary: str, renew: Callable[[Site], None]
) -> None:
    site.configure(wrapped(site, binary, "first"))
    site.start()
    run = site.docker.sleeper("--runtime", "wrapped")
    check_run(site, run, "first")

    site.configure({})
    renew(site)
    check_run(site, run, "first")
    check_refused(site, run, "restart")

    site.configure(wrapped(site, binary, "second"))
    renew(site)
    check_run(site, run, "first")
    assert not log_of(site, "second").exists()

    site.docker("restart", run)
    check_run(site, run, "second")
    site.docker("stop", run)
    assert site.docker.inspect(run)["State"]["ExitCode"] == 0
    site.docker("start", run)
    check_run(site, run, "second")
    site.docker("rm", "-f", run)


def test_what_ends_a_run_needs_no_name(site: Site, binary: str, renew: Callable[[Site], None]) -> None:
    site.configure(wrapped(site, binary, "first"))
    site.start()
    stopped, killed, removed = (site.docker.sleeper("--runtime", "wrapped") for _ in range(3))
    created = site.docker("create", "--runtime", "wrapped", "busybox", "true").out.strip()
    site.configure({})
    renew(site)
    site.docker("stop", stopped)
    site.docker("kill", killed)
    site.docker("rm", "-f", removed)
    codes = [site.docker.inspect(container)["State"]["ExitCode"] for container in (stopped, killed)]
    assert codes == [0, 137]
    check_refused(site, created, "start", "restart")
    check_refused(site, stopped, "start", "restart")
    assert GONE in site.docker("create", "--runtime", "wrapped", "busybox", ok=False).err
    site.docker("rm", stopped, killed, created)


def test_a_start_keeps_the_scripts_that_somebody_refers_to(site: Site, binary: str) -> None:
    configured = wrapped(site, binary, "first")
    configured["runtimes"]["unused"] = {"path": binary, "runtimeArgs": ["--debug"]}
    site.configure(configured)
    site.start()
    run = site.docker.sleeper("--runtime", "wrapped")
    unused, used = site.scripts()
    site.configure({})
    site.reload()
    assert site.scripts() == [unused, used]  # nothing is removed while an engine runs
    site.restart()
    assert site.scripts() == [used]
    check_run(site, run, "first")
    site.docker("rm", "-f", run)
    site.restart()
    assert site.scripts() == []


@pytest.mark.parametrize("end", [Site.restart, Site.crash])
def test_a_start_mends_the_script_of_a_run(site: Site, binary: str, end: Callable[[Site], None]) -> None:
    site.configure(wrapped(site, binary, "first"))
    site.start()
    run = site.docker.sleeper("--runtime", "wrapped")
    (name,) = site.scripts()
    (site.runtimes / name).write_bytes(b"#!/bin/sh\nexit 1\n")
    (site.runtimes / name).chmod(0o755)
    (site.runtimes / "tmpabcdef").write_bytes(b"half of")
    site.configure({})
    end(site)
    assert site.scripts() == [name]
    check_run(site, run, "first")
