"""A disk that is full: what cannot be written is refused and does not happen, and everything else goes on.

The data-root is a small file system of its own, mounted for the test, so that it is really full.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.clients.engine import until
from tests.clients.http_api import Answer
from tests.clients.restarts.site import Site

SIZE: Final = "48m"
PIECE: Final = bytes(1 << 20)
REFUSED: Final = "nothing was changed; free space on the disk of data-root"
FULL: Final = ("nothing was changed", "No space left on device")


@pytest.fixture
def site(site: Site) -> Iterator[Site]:
    """The usual place, on a disk of its own."""
    data = site.root / "data"
    kept = data.rename(site.root / "kept")
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "small", str(data)], check=True)
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", str(data)], check=True)
        yield site
        site.docker.remove_all()
        site.engine.stop()
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True)


class Disk:
    """The rest of a disk, that can be taken and given back."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._prober = site.docker.sleeper()
        self._hog = site.root / "data" / "hog"

    def fill(self) -> None:
        """Take all there is; and then have the journal use up what it has in reserve, with long commands."""
        self.take()
        size = len(PIECE) // 4
        while size:
            command = {"Cmd": ["x" * size]}
            if self._site.api("POST", f"/containers/{self._prober}/exec", command).status != 201:
                size //= 2

    def take(self) -> None:
        with contextlib.suppress(OSError), self._hog.open("ab", buffering=0) as hog:
            size = len(PIECE)
            while size:
                try:
                    hog.write(PIECE[:size])
                except OSError:
                    size //= 2
            hog.write(b"x")

    def free(self) -> None:
        self._hog.unlink()


def events(site: Site) -> list[dict[str, Any]]:
    now = site.api.get("/info")["SystemTime"]
    lines = site.api("GET", "/events", since=0, until=now).body.splitlines()
    return [json.loads(line) for line in lines]


def actions(site: Site, container: str) -> list[str]:
    return [event["Action"] for event in events(site) if event["Actor"]["ID"] == container]


def check_gapless(site: Site) -> None:
    numbers = [event["seq"] for event in events(site)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def check_refused(answer: Answer) -> None:
    assert answer.status == 500
    assert any(text in answer.message for text in FULL), answer.message


def shown(site: Site, container: str) -> tuple[str, str]:
    found = site.docker.inspect(container)
    return found["Name"], found["State"]["Status"]


@pytest.fixture
def disk(site: Site) -> Disk:
    site.start()
    return Disk(site)


def test_what_a_full_disk_refuses_does_not_happen_and_the_rest_does(site: Site, disk: Disk) -> None:
    stopped, killed, forced, kept = (site.docker.sleeper("--name", name) for name in NAMES)
    created = site.docker("create", "--name", "created", "busybox", "true").out.strip()
    archive = site.docker("save", "busybox").stdout
    disk.fill()
    before = site.docker.ids()

    check_refused(site.api("POST", "/containers/create", {"Image": "busybox"}, name="new"))
    check_refused(site.api("POST", f"/containers/{created}/start"))
    check_refused(site.api("POST", f"/containers/{created}/rename", name="other"))
    check_refused(site.api("POST", f"/containers/{kept}/exec", {"Cmd": ["true"]}))
    check_refused(site.api("POST", "/images/busybox/tag", repo="other"))
    check_refused(site.api("DELETE", f"/containers/{created}"))
    assert site.docker("load", stdin=archive + bytes(1 << 20), ok=False).code != 0
    assert site.docker("rmi", "busybox", ok=False).code != 0
    site.configure({"labels": ["a=b"]})
    check_refused(site.api("POST", "/reload"))

    assert site.docker.ids() == before
    assert shown(site, created) == ("/created", "created")
    assert shown(site, kept) == ("/kept", "running")
    assert site.docker("images", "-q").lines
    assert site.docker("logs", kept).code == 0
    site.docker("stop", stopped)
    site.docker("kill", killed)
    assert [site.docker.inspect(one)["State"]["ExitCode"] for one in (stopped, killed)] == [0, 137]
    assert site.docker("rm", "--force", forced, ok=False).code != 0  # it is killed, and cannot be forgotten
    until(lambda: shown(site, forced)[1] in {"dead", "exited"}, "it has ended")

    disk.free()
    check_works(site, created)
    site.docker("rm", stopped)
    site.docker("container", "prune", "--force")
    for container, wanted in (
        (stopped, ["kill", "die", "stop", "destroy"]),
        (killed, ["kill", "die", "destroy"]),
    ):
        assert actions(site, container)[2:] == wanted
    assert "die" in actions(site, forced)
    check_gapless(site)


NAMES = ("stopped", "killed", "forced", "kept")


def check_works(site: Site, created: str) -> None:
    """Make sure that all that was refused is carried out again."""
    site.docker("rename", created, "other")
    site.docker("start", "--attach", "other")
    site.docker("tag", "busybox", "second")
    site.docker("rmi", "second")
    site.docker("exec", "kept", "true")
    assert site.api("POST", "/reload").status == 200
    site.docker.run("busybox", "true")
    site.docker("rm", "other")


@pytest.mark.parametrize("end", [Site.restart, Site.crash])
def test_an_engine_starts_on_a_full_disk_and_gets_over_it(site: Site, disk: Disk, end: Any) -> None:
    stopped = site.docker.heeding("TERM", 9)
    kept = site.docker.sleeper("--name", "kept")
    created = site.docker("create", "--name", "created", "busybox", "true").out.strip()
    disk.fill()
    site.docker("stop", stopped)
    end(site)
    disk.take()
    assert shown(site, kept) == ("/kept", "running")
    until(lambda: shown(site, stopped)[1] == "exited", "its end is found out")
    assert (
        site.docker.inspect(stopped)["State"]["ExitCode"] == 9
    )  # as was answered, although it was not written
    site.docker("kill", kept)
    assert site.docker.inspect(kept)["State"]["ExitCode"] == 137
    disk.free()
    site.docker("start", "kept")
    check_works(site, created)
    check_gapless(site)
    end(site)
    assert site.docker.inspect(kept)["State"]["Status"] == "running"
    site.docker("rm", "--force", kept)
