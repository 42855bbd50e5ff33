"""Containers' network namespaces on the real kernel; needs root."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.errors import Failed
from daemon.networks import links, namespaces
from tests.runtime.networks.hosts import FreshHost, bridged, eventually, here, ip, reaches

pytestmark = pytest.mark.runtime


def test_a_new_namespace_has_a_loopback_that_works(host: FreshHost) -> None:
    sandbox = host.sandbox("one")
    assert [link["ifname"] for link in ip("link", sandbox)] == ["lo"]
    assert reaches(sandbox, sandbox, "127.0.0.1")
    assert reaches(sandbox, sandbox, "::1")


def test_making_a_namespace_again_keeps_it(host: FreshHost) -> None:
    sandbox = host.sandbox("one")
    first = sandbox.stat().st_ino
    namespaces.make(sandbox)
    assert sandbox.stat().st_ino == first


def test_a_file_that_a_crash_left_without_its_namespace_gets_one(host: FreshHost) -> None:
    path = host.directory / "half"
    path.touch()
    assert not namespaces.exists(path)
    namespaces.make(path)
    assert namespaces.exists(path)


def test_a_thread_is_inside_and_then_back_whatever_happens(host: FreshHost) -> None:
    sandbox, before = host.sandbox("one"), here()
    with namespaces.inside(sandbox):
        assert here() == sandbox.stat().st_ino != before
    assert here() == before
    with pytest.raises(ZeroDivisionError), namespaces.inside(sandbox):
        raise ZeroDivisionError
    assert here() == before


def test_there_is_no_way_into_what_is_no_namespace(host: FreshHost) -> None:
    plain = host.directory / "plain"
    plain.touch()
    for path in (plain, host.directory / "missing"):
        with pytest.raises(Failed, match=f"no network namespace at {path}"), namespaces.inside(path):
            pass


def test_removing_leaves_nothing_and_can_be_repeated(host: FreshHost) -> None:
    sandbox, half = host.sandbox("one"), host.directory / "half"
    half.touch()
    assert namespaces.below(host.directory) == (half, sandbox)
    for path in (sandbox, half, sandbox):
        namespaces.remove(path)
    assert namespaces.below(host.directory) == ()
    assert str(host.directory) not in Path("/proc/self/mountinfo").read_text()


def test_nothing_is_below_a_directory_that_is_not_there(tmp_path: Path) -> None:
    assert namespaces.below(tmp_path / "missing") == ()


def test_a_namespace_that_somebody_holds_is_silent_as_soon_as_it_is_removed(host: FreshHost) -> None:
    [(sandbox, plan)] = bridged(host, 2)
    links.plug(sandbox, plan)
    with namespaces.inside(sandbox):
        held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with held, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        held.bind(("10.9.0.2", 5555))
        namespaces.remove(sandbox)
        held.settimeout(0.2)
        asking.sendto(b"?", ("10.9.0.2", 5555))
        with pytest.raises(TimeoutError):
            held.recv(1)
    links.unplug(sandbox, plan)


def test_a_namespace_goes_though_another_mount_namespace_has_its_file_mounted(host: FreshHost) -> None:
    [(sandbox, plan)] = bridged(host, 2)
    links.plug(sandbox, plan)
    holding = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holding:
        assert holding.stdout is not None
        holding.stdout.readline()
        mounts = Path(f"/proc/{holding.pid}/mounts")
        assert str(sandbox) in mounts.read_text()
        namespaces.remove(sandbox)
        assert str(sandbox) not in mounts.read_text()
        assert eventually(lambda: host.links() == {"br0"})
        holding.communicate()


def test_a_container_that_is_started_again_and_again_leaves_nothing(host: FreshHost) -> None:
    for _ in range(20):
        [(sandbox, plan)] = bridged(host, 2)
        links.plug(sandbox, plan)  # its name on the host may be in use by the link that is about to go
        assert reaches(None, sandbox, "10.9.0.2")
        namespaces.remove(sandbox)
    assert eventually(lambda: host.links() == {"br0"})


LOSING = """
import os, sys
from pathlib import Path
from daemon.networks import namespaces
with namespaces.inside(Path(sys.argv[1])):
    os.seteuid(65534)
print("still there")
"""


def test_a_process_that_cannot_bring_a_thread_back_ends(host: FreshHost) -> None:
    sandbox = host.sandbox("one")
    done = subprocess.run(
        [sys.executable, "-c", LOSING, str(sandbox)], check=False, capture_output=True, env=os.environ
    )
    assert done.returncode == -signal.SIGABRT
    assert b"still there" not in done.stdout
