"""Crashes in the middle of a copy or a commit: the image or nothing, and nothing mounted, paused or left."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.clients.engine import until
from tests.clients.restarts.site import Site

MADE: Final = frozenset({"image-committed"})  # from here on the image is there


def crashes(site: Site, place: str) -> None:
    """Start an engine that dies at `place`."""
    site.engine.stop()
    site.start(LONGSHORE_FAILPOINT=place)


def is_mounted(container: str) -> bool:
    return f"{container}/merged" in Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize(
    "place",
    [
        "commit-paused",
        "commit-compared",
        "commit-written",
        "commit-unpaused",
        "image-spooled",
        "image-blob-written",
        "image-layer-unpacked",
        "image-synced",
        "image-committed",
    ],
)
def test_a_commit_leaves_the_image_or_nothing(site: Site, place: str) -> None:
    site.start()
    container = site.docker.sleeper()
    site.docker("exec", container, "sh", "-c", "echo kept >/kept")
    crashes(site, place)
    site.docker("commit", container, "made:1", ok=False)
    site.engine.process.wait()
    site.start()
    until(lambda: site.docker.inspect(container)["State"]["Status"] == "running", "it goes on")
    assert site.docker("exec", container, "cat", "/kept").out == "kept\n"
    made = site.docker("images", "-q", "made:1").lines
    assert bool(made) == (place in MADE)
    assert list((site.root / "data/spool").iterdir()) == []
    site.docker("commit", container, "made:1")
    assert site.docker.run("made:1", "cat", "/kept").out == "kept\n"


@pytest.mark.parametrize("created", [True, False])
def test_a_copy_leaves_nothing_mounted(site: Site, created: bool) -> None:
    site.start()
    if created:
        container = site.docker("create", "busybox", "true").out.strip()
    else:
        site.docker("run", "busybox", "true")
        container = site.docker.ids()[0]
    crashes(site, "copy-begun")
    site.docker("cp", f"{container}:/bin", "-", ok=False)
    site.engine.process.wait()
    assert is_mounted(container)
    site.start()
    until(lambda: not is_mounted(container), "it is unmounted")
    children = ["pgrep", "--full", f"daemon.copying.*{site.root}"]
    until(lambda: not subprocess.run(children, capture_output=True).stdout, "what copied has ended")
    assert site.docker("cp", f"{container}:/etc/passwd", "-").stdout


def test_an_engine_that_stops_ends_a_copy(site: Site) -> None:
    site.start()
    site.docker("run", "busybox", "dd", "if=/dev/zero", "of=/f", "bs=1M", "count=64")
    (container,) = site.docker.ids()
    with site.engine.connect() as connection:
        connection.sendall(
            f"GET /containers/{container}/archive?path=/f HTTP/1.1\r\nHost: d\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert is_mounted(container)
        site.engine.stop()
    assert not is_mounted(container)
    site.start()
