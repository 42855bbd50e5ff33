"""`docker cp` and `docker export`: what arrives, where links lead, what is refused, what is left of it."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import tarfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.clients.cli import SECONDS, Docker
from tests.clients.engine import Engine, until
from tests.clients.http_api import Api

COPIED: Final = ["archive-path", "extract-to-dir", "export"]
SCRIPT: Final = (
    "mkdir -p /d/deep; echo hi >/d/f; echo low >/d/deep/g; ln -s /d /ld; ln -s /d/f /lf; "
    "ln -s ../../../etc /up; ln /d/f /d/hard; chmod 4751 /d/deep/g; chown 1000:1000 /d/deep; echo ready; "
    "trap 'exit 0' TERM; sleep 100000 & wait"
)


@pytest.fixture(params=["running", "stopped"])
def container(request: pytest.FixtureRequest, docker: Docker) -> str:
    """A container with some files, running or not."""
    container = docker.detached("busybox", "sh", "-c", SCRIPT)
    until(lambda: "ready" in docker("logs", container).out, "it has made its files")
    if request.param == "stopped":
        docker("stop", container)
    return container


def members(docker: Docker, container: str, path: str) -> dict[str, tarfile.TarInfo]:
    """Return what `docker cp CONTAINER:PATH -` writes."""
    with tarfile.open(fileobj=io.BytesIO(docker("cp", f"{container}:{path}", "-").stdout)) as tar:
        return {member.name: member for member in tar}


def a_tar(**files: str) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.gid = len(content), 1000, 2000
            tar.addfile(member, io.BytesIO(content.encode()))
    return written.getvalue()


def test_a_directory_comes_out_as_it_is(docker: Docker, container: str, tmp_path: Path) -> None:
    docker("cp", f"{container}:/d", str(tmp_path))
    assert (tmp_path / "d/f").read_text() == "hi\n"
    assert (tmp_path / "d/f").samefile(tmp_path / "d/hard")
    found = members(docker, container, "/d")
    assert set(found) == {"d", "d/f", "d/hard", "d/deep", "d/deep/g"}
    assert (found["d/deep"].uid, found["d/deep"].gid, found["d/deep/g"].mode) == (1000, 1000, 0o4751)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/d/", {"d", "d/f"}),
        ("/d/.", {".", "./f"}),
        ("/ld/", {"ld", "ld/f"}),
        ("/lf", {"lf"}),
        ("/up/passwd", {"passwd"}),
    ],
)
def test_names_in_the_tar_begin_with_that_of_the_path(
    docker: Docker, container: str, path: str, names: set[str]
) -> None:
    assert names <= set(members(docker, container, path))


def test_a_link_is_copied_and_followed_only_if_asked(docker: Docker, container: str, tmp_path: Path) -> None:
    docker("cp", f"{container}:/lf", str(tmp_path))
    assert os.readlink(tmp_path / "lf") == "/d/f"
    docker("cp", "-L", f"{container}:/lf", str(tmp_path / "followed"))
    assert (tmp_path / "followed").read_text() == "hi\n"


def test_files_go_in_and_come_back(docker: Docker, container: str, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/é").write_text("in")
    os.symlink("é", tmp_path / "new/link")
    docker("cp", str(tmp_path / "new"), f"{container}:/ld")  # through a link to a directory, as Docker does
    docker("cp", f"{container}:/d/new", str(tmp_path / "back"))
    assert (tmp_path / "back/é").read_text() == "in"
    assert os.readlink(tmp_path / "back/link") == "é"


def test_a_tar_from_stdin_keeps_owners_and_a_owns_for_the_user(docker: Docker, container: str) -> None:
    docker("cp", "-", f"{container}:/d", stdin=a_tar(owned="x"))
    found = members(docker, container, "/d/owned")["owned"]
    assert (found.uid, found.gid) == (1000, 2000)
    guest = docker("create", "--user", "guest", "busybox").out.strip()
    docker("cp", "-a", "-", f"{guest}:/home", stdin=a_tar(owned="x"))
    found = members(docker, guest, "/home/owned")["owned"]
    assert (found.uid, found.gid) == (1000, 1000)


# The CLI's own words for a 404 until 20.10, and ours since.
MISSING = "No such container:path: {c}:/nope|Could not find the file /nope in container {c}"


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        ("{c}:/nope", "-", MISSING),
        ("{c}:/d/f/x", "-", "/d/f/x: not a directory"),
        ("-", "{c}:/nope", "must be a directory"),  # the CLI's own words, after a HEAD
        ("{here}", "{c}:/nope/nope", MISSING),
    ],
)
def test_what_is_not_there_is_said_as_dockerd_does(
    docker: Docker, container: str, source: str, target: str, text: str
) -> None:
    names = {"c": container, "here": __file__}
    done = docker("cp", source.format(**names), target.format(**names), stdin=a_tar(x="x"), ok=False)
    assert done.code != 0
    assert re.search(text.format(**names), done.err)


def test_an_upload_of_nothing_is_an_empty_archive(container: str, api: Api) -> None:
    assert api("PUT", f"/containers/{container}/archive", b"", path="/d").status == 200
    assert api("PUT", f"/containers/{container}/archive", b"", path="/nope").status == 404
    assert api("PUT", f"/containers/{container}/archive", b"no tar at all", path="/d").status == 400


def test_a_directory_does_not_give_way_to_a_file(docker: Docker, container: str) -> None:
    done = docker("cp", "-", f"{container}:/d", stdin=a_tar(deep="x"), ok=False)
    assert 'cannot overwrite directory "/d/deep" with non-directory "/d/deep"' in done.err
    assert members(docker, container, "/d/deep")["deep"].isdir()


@pytest.mark.parametrize("mode", ["running", "created"])
def test_binds_are_seen_and_what_is_read_only_refuses(docker: Docker, tmp_path: Path, mode: str) -> None:
    for name in ("rw", "ro"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old").write_text(name)
    (tmp_path / "file").write_text("one")
    binds = (f"{tmp_path}/rw:/mnt/rw", f"{tmp_path}/ro:/mnt/ro:ro", f"{tmp_path}/file:/mnt/file")
    options = ["--read-only", "--tmpfs", "/scratch", *(part for bind in binds for part in ("-v", bind))]
    if mode == "running":
        container = docker.sleeper(*options)
    else:
        container = docker("create", *options, "busybox").out.strip()
    assert {"mnt/rw/old", "mnt/ro/old", "mnt/file"} <= set(members(docker, container, "/mnt"))
    docker("cp", "-", f"{container}:/mnt/rw", stdin=a_tar(new="x"))
    assert (tmp_path / "rw/new").read_text() == "x"
    refused = docker("cp", "-", f"{container}:/mnt/ro", stdin=a_tar(new="x"), ok=False)
    assert "mounted volume is marked read-only" in refused.err
    refused = docker("cp", "-", f"{container}:/etc", stdin=a_tar(new="x"), ok=False)
    assert "container rootfs is marked read-only" in refused.err
    assert not (tmp_path / "ro/new").exists()
    if mode == "running":
        docker("cp", "-", f"{container}:/scratch", stdin=a_tar(new="x"))
        assert docker("exec", container, "cat", "/scratch/new").out == "x"


def test_nothing_of_the_kernels_file_systems_comes_along(docker: Docker) -> None:
    container = docker.sleeper("-v", "/proc:/host/proc")
    found = members(docker, container, "/")
    assert {"/proc", "/sys", "/dev", "/host/proc", "/bin/busybox"} <= {
        f"/{name.strip('/')}" for name in found
    }
    assert not [name for name in found if name.strip("/").startswith(("proc/", "sys/", "dev/", "host/proc/"))]


def test_the_engines_files_are_seen_as_the_container_sees_them(docker: Docker) -> None:
    container = docker.sleeper("--hostname", "somebody")
    assert members(docker, container, "/etc/hostname")["hostname"].size == len("somebody\n")


def test_a_container_that_swaps_links_never_reaches_the_host(docker: Docker, tmp_path: Path) -> None:
    """While it swaps a directory for a link to /, copies see and make files of the container only."""
    secret, mark = tmp_path / "secret", f"{tmp_path}/mark"
    secret.write_text("of the host")
    swap = (
        f"mkdir -p /x/a{tmp_path} /x/b; echo mine > /x/a/{secret}; cd /x; "
        "ln -s / b/l; while :; do mv a t; ln -s / a; rm a; mv t a; done"
    )
    container = docker.detached("--pid", "host", "-v", "/proc:/host/proc", "busybox", "sh", "-c", swap)
    for _ in range(12):
        for path in (
            f"/x/a{secret}",
            f"/x/b/l{secret}",
            f"/proc/1/root{secret}",
            f"/host/proc/1/root{secret}",
        ):
            copied = docker("cp", f"{container}:{path}", "-", ok=False).stdout
            assert b"of the host" not in copied
        docker("cp", "-", f"{container}:/x/a", stdin=a_tar(**{mark.lstrip("/"): "x"}), ok=False)
        docker("cp", "-", f"{container}:/x/a/{tmp_path}", stdin=a_tar(mark="x"), ok=False)
    assert not Path(mark).exists()


@pytest.fixture
def large(docker: Docker) -> str:
    """A stopped container with a file that does not fit into any pipe."""
    docker("run", "--name", "large", "busybox", "dd", "if=/dev/zero", "of=/f", "bs=1M", "count=64")
    return docker("ps", "-aq", "--no-trunc", "--filter", "name=large").out.strip()


@contextmanager
def stalled(engine: Engine, container: str) -> Generator[socket.socket, None, None]:
    """Begin to copy a file and read no more than the beginning."""
    with engine.connect() as connection:
        connection.sendall(
            f"GET /containers/{container}/archive?path=/f HTTP/1.1\r\nHost: d\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        yield connection


def children(engine: Engine) -> list[str]:
    found = ["pgrep", "--parent", str(engine.process.pid), "--full", "daemon.copying"]
    return subprocess.run(found, capture_output=True, text=True).stdout.split()


def is_mounted(container: str) -> bool:
    return f"{container}/merged" in Path("/proc/self/mountinfo").read_text()


def test_a_client_that_hangs_up_leaves_nothing(engine: Engine, large: str) -> None:
    with stalled(engine, large):
        assert children(engine)
        assert is_mounted(large)
    until(lambda: not (children(engine) or is_mounted(large)), "child and mount are gone")


def test_an_upload_that_breaks_off_leaves_nothing(engine: Engine, docker: Docker, large: str) -> None:
    with engine.connect() as connection:
        head = f"PUT /containers/{large}/archive?path=/ HTTP/1.1\r\nHost: d\r\nContent-Length: 100000\r\n\r\n"
        connection.sendall(head.encode() + a_tar(new="x")[:5000])
        until(lambda: children(engine), "it is being unpacked")
    until(lambda: not (children(engine) or is_mounted(large)), "child and mount are gone")


def test_a_removal_waits_for_a_copy_and_one_by_force_does_not(
    engine: Engine, docker: Docker, large: str
) -> None:
    with stalled(engine, large) as connection, docker.start("rm", large) as waiting:
        until(lambda: docker.inspect(large)["State"]["Status"] == "removing", "it is being removed")
        assert "marked for removal" in docker("cp", f"{large}:/f", "-", ok=False).err
        docker("rm", "--force", large)
        assert waiting.wait(SECONDS) == 0
        while connection.recv(1 << 20):  # what was on its way; then it is cut off
            pass
    assert (docker.ids(), children(engine), is_mounted(large)) == ([], [], False)


def test_a_container_ends_and_starts_while_it_is_copied_from(
    engine: Engine, docker: Docker, large: str
) -> None:
    with stalled(engine, large):
        assert docker("start", "--attach", large, ok=False).code == 0
        assert is_mounted(large)
    until(lambda: not is_mounted(large), "the last one has unmounted it")


def test_a_copy_is_in_the_events(docker: Docker, container: str) -> None:
    docker("cp", f"{container}:/d/f", "-")
    docker("cp", "-", f"{container}:/d", stdin=a_tar(new="x"))
    docker("export", container)
    until_now = f"{time.time():.9f}"
    options = ("--since", "1", "--until", until_now, "--filter", f"container={container}")
    actions = docker("events", *options, "--format", "{{.Action}}").lines
    assert [action for action in actions if action in COPIED] == COPIED


def test_an_export_imported_again_is_the_same(docker: Docker, container: str, tmp_path: Path) -> None:
    exported = docker("export", container).stdout
    docker("import", "-", "again", stdin=exported)
    again = docker("create", "again", "x").out.strip()
    assert docker("export", again).stdout == exported
    with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
        names = {member.name for member in tar}
    assert {"d/f", "bin/busybox", "ld", "proc"} <= names
    assert not [name for name in names if name.startswith(("proc/", "sys/"))]
