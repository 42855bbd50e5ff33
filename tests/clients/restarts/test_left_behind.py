"""What a crash leaves behind, and what somebody else takes away: the next start gets over both."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs
import pytest

from tests.clients.engine import until
from tests.clients.leaks import CGROUP_ROOT
from tests.clients.restarts.site import Site


@attrs.frozen
class Debris:
    """What is made in the name of a container, or of an image, that no record knows."""

    site: Site
    stack: ExitStack
    id: str = attrs.field(factory=lambda: secrets.token_hex(32))

    def directory(self, *path: str) -> Path:
        made = self.site.root.joinpath(*path)
        made.mkdir(parents=True)
        (made / "file").touch()
        return made

    def bundle(self) -> Path:
        """Make a bundle whose runtime has died and left a cgroup with a process."""
        path = f"/longshore-test/{self.id}"
        hierarchy = next(CGROUP_ROOT.glob("**/cgroup.procs")).parent
        cgroup = hierarchy / path.lstrip("/")
        cgroup.mkdir(parents=True)
        self.stack.callback(cgroup.parent.rmdir)
        process = self.stack.enter_context(subprocess.Popen(["sleep", "1000"]))
        (cgroup / "cgroup.procs").write_text(str(process.pid))
        bundle = self.directory("exec", "bundles", self.id)
        (bundle / "config.json").write_text(json.dumps({"linux": {"cgroupsPath": path}}))
        return cgroup

    def mount(self) -> Path:
        """Make a root filesystem that is still mounted."""
        merged = self.directory("data", "overlay", "containers", self.id, "merged")
        subprocess.run(["mount", "-t", "tmpfs", "none", str(merged)], check=True)
        return merged.parent

    def parent(self, suffix: str) -> Path:
        """Make the note of what a layer stands on, before there is the layer."""
        file = self.site.root / "data" / "overlay" / "parents" / f"{self.id}{suffix}"
        file.touch()
        return file

    def spool(self) -> Path:
        file = self.site.root / "data" / "spool" / self.id
        file.touch()
        return file


KINDS: Final[Mapping[str, Callable[[Debris], Path]]] = MappingProxyType(
    {
        "a cgroup with a process": Debris.bundle,
        "a mounted root filesystem": Debris.mount,
        "an upload": Debris.spool,
        "a bundle": lambda debris: debris.directory("exec", "bundles", debris.id),
        "a runtime's state": lambda debris: debris.directory("exec", "runtime", debris.id),
        "an exit": lambda debris: debris.directory("exec", "exits", debris.id),
        "an exec session": lambda debris: debris.directory("exec", "execs", debris.id),
        "a container's files": lambda debris: debris.directory("data", "containers", debris.id),
        "half a layer": lambda debris: debris.directory("data", "overlay", "staging", debris.id),
        "the parent of no layer": lambda debris: debris.parent(""),
        "half of such a note": lambda debris: debris.parent(".new"),
        "a layer": lambda debris: debris.directory("data", "overlay", "layers", debris.id),
    }
)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_start_clears_away_what_no_record_knows_of(site: Site, stack: ExitStack) -> None:
    site.start()
    run, ended = site.docker.sleeper(), site.docker.detached("busybox", "echo", "said")
    site.docker("wait", ended)
    site.engine.kill()
    left = {kind: make(Debris(site, stack)) for kind, make in KINDS.items()}
    foreign = {parent: site.root / "exec" / parent / "no-id" for parent in ("bundles", "runtime")}
    for directory in foreign.values():
        directory.mkdir()
    site.start()
    assert [kind for kind, path in left.items() if path.exists()] == []
    assert [directory for directory in foreign.values() if directory.exists()] == []
    assert site.docker("exec", run, "echo", "here").out == "here\n"
    assert site.docker("logs", ended).out == "said\n"
    site.docker("start", ended)


def runtime_state(site: Site, container: str) -> None:
    shutil.rmtree(site.root / "exec" / "runtime" / container)


def bundle(site: Site, container: str) -> None:
    shutil.rmtree(site.root / "exec" / "bundles" / container)


def socket(site: Site, container: str) -> None:
    (site.root / "exec" / "bundles" / container / "attach").unlink()


def record_copy(site: Site, container: str) -> None:
    (site.root / "data" / "containers" / container / "record.json").write_bytes(b"")


def log(site: Site, container: str) -> None:
    (site.root / "data" / "containers" / container / "output.log").unlink()


@pytest.mark.parametrize("runtime", ["crun", "runc"])
@pytest.mark.parametrize("paused", [False, True])
def test_a_container_that_has_lost_a_file_can_be_ended_and_removed(
    site: Site, runtime: str, paused: bool
) -> None:
    site.start()
    takes = (runtime_state, bundle, socket, record_copy, log)
    runs = {site.docker.sleeper("--runtime", runtime): take for take in takes}
    other = site.docker.sleeper()
    if paused:
        site.docker("pause", *runs)
    site.engine.kill()
    for run, take in runs.items():
        take(site, run)
    site.start()
    for run, take in runs.items():
        assert site.docker.inspect(run)["State"]["Running"], take
        assert site.docker("logs", run, ok=False).code in {0, 1}, take
        if not paused:
            site.docker("stop", run)
            assert site.docker.inspect(run)["State"]["ExitCode"] in {0, 255}, take
        site.docker("rm", "--force", run)
    assert site.docker.ids() == [other]


def test_an_exit_file_that_is_damaged_is_an_exit_that_nobody_knows(site: Site) -> None:
    site.start()
    script = "while [ ! -e go ]; do sleep 0.05; done; exit 7"
    runs = {
        site.docker.detached("busybox", "sh", "-c", script): content
        for content in (b"", b"x", b"999", b"\xff")
    }
    pids = [site.docker.inspect(run)["State"]["Pid"] for run in runs]
    site.engine.kill()
    for pid in pids:
        Path(f"/proc/{pid}/root/go").touch()
    for run, content in runs.items():
        file = site.root / "exec" / "bundles" / run / "exit" / run
        until(file.exists, "it has ended")
        file.write_bytes(content)
    site.start()
    for run in runs:
        site.docker("wait", run)
        state = site.docker.inspect(run)["State"]
        assert (state["ExitCode"], "not known" in state["Error"]) == (255, True)
        site.docker("rm", run)
