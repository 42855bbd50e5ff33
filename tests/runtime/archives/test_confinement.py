"""What somebody could do who has taken over a child: next to nothing, although it is root."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from daemon.archives.children import as_file, limits
from daemon.archives.confinement import FILTER
from daemon.archives.errors import HOST_AT_FAULT
from daemon.archives.places import place
from daemon.syscalls import INERT

pytestmark = pytest.mark.runtime
PRELUDE = """
import _thread, ctypes, errno, fcntl, json, mmap, os, resource, signal, socket, stat, sys, _posixsubprocess
from daemon.archives.confinement import confine
call = ctypes.CDLL(None, use_errno=True).syscall

def system_call(number, *arguments):
    if call(ctypes.c_long(number), *arguments) < 0:
        raise OSError(ctypes.get_errno(), "no")

def node(kind, device):
    os.mknod("node", kind | 0o600, device)
    os.close(os.open("node", os.O_RDWR))

confine(sys.argv[1])
found = {}
for name, attempt in json.loads(sys.argv[2]).items():
    try:
        exec(attempt)
        found[name] = 0
    except OSError as error:
        found[name] = error.errno
os.write(1, json.dumps(found).encode())
os._exit(0)
"""
REFUSED = {  # numbers are those of x86-64
    "execute": "os.execv('program', ['program'])",
    "fork": "os.fork()",
    "connect": "socket.socket(socket.AF_INET)",
    "talk to the engine": "socket.socket(socket.AF_UNIX)",
    "another root": "os.chroot('.')",
    "mount": "system_call(165, b'x', b'/', b'tmpfs', 0, 0)",
    "mount anew": "system_call(428, -100, b'/', 1)",
    "a namespace": "system_call(272, 0x20000)",
    "somebody's namespace": "system_call(308, 0, 0)",
    "trace": "system_call(101, 16, os.getppid(), 0, 0)",
    "another's memory": "system_call(311, os.getppid(), 0, 0, 0, 0, 0)",
    "signal": "os.kill(os.getppid(), 0)",
    "file handles": "system_call(304, 1, b'x' * 64, 0)",
    "io_uring": "system_call(425, 1, 0)",
    "bpf": "system_call(321, 0, 0, 0)",
    "memory that is code": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)",
    "freeze the disk": "fcntl.ioctl(os.open('/', os.O_RDONLY), 0xC0045877, 0)",
    "others' limits": "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)",
    "another identity": "os.setuid(1)",
}
DEVICES = {
    "a character device": "node(stat.S_IFCHR, os.makedev(1, 3))",
    "a disk": "node(stat.S_IFBLK, os.makedev(7, 0))",
}
CHANGES = {
    "a new file": "os.open('new', os.O_WRONLY | os.O_CREAT)",
    "an old one": "os.open('program', os.O_RDWR)",
    "emptying": "os.open('program', os.O_RDONLY | os.O_TRUNC)",
    "deleting": "os.unlink('program')",
    "a directory": "os.mkdir('new')",
    "a node": "os.mknod('new', 0o600)",
    "a mode": "os.chmod('program', 0o600)",
}
ALLOWED = {
    "look": "os.listdir('/'); os.close(os.open('program', os.O_RDONLY)); os.stat('program')",
    "a thread": "_thread.start_new_thread(os.getpid, ())",
    "memory": "mmap.mmap(-1, 1 << 20)",
    "more time": "resource.setrlimit(resource.RLIMIT_CPU, (1000, resource.RLIM_INFINITY))",
}


async def attempted(child: str, directory: Path, attempts: dict[str, str]) -> dict[str, int]:
    """Return the error number of each attempt, made where `child` would be; 0 where there was none."""
    (directory / "program").write_text("#!/bin/sh\n")
    (directory / "program").chmod(0o755)
    async with limits(child) as (environment, limit), place(directory, INERT) as (called, mount):
        done = await trio.run_process(
            [sys.executable, "-P", "-s", "-S", "-c", PRELUDE, called, json.dumps(attempts)],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=environment,
            pass_fds=(limit, mount),
        )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("child", ["extract", "pack"])
async def test_the_kernel_has_nothing_for_a_child_beyond_its_work(child: str, tmp_path: Path) -> None:
    found = await attempted(child, tmp_path, REFUSED)
    assert found == dict.fromkeys(REFUSED, errno.ENOSYS)


@pytest.mark.parametrize("child", ["extract", "pack"])
async def test_the_work_goes_on(child: str, tmp_path: Path) -> None:
    assert await attempted(child, tmp_path, ALLOWED) == dict.fromkeys(ALLOWED, 0)


async def test_devices_can_be_made_and_not_opened(tmp_path: Path) -> None:
    for name, attempt in DEVICES.items():
        assert await attempted("extract", tmp_path, {name: attempt}) == {name: errno.EACCES}
        (tmp_path / "node").unlink()


async def test_who_reads_changes_nothing(tmp_path: Path) -> None:
    assert await attempted("pack", tmp_path, CHANGES) == dict.fromkeys(CHANGES, errno.ENOSYS)
    assert [one.name for one in tmp_path.iterdir()] == ["program"]


async def test_a_root_is_gone_with_its_child(tmp_path: Path) -> None:
    own = "/".join(tmp_path.parts[-3:])  # by its directory: others mount things meanwhile
    async with place(tmp_path, INERT) as (called, mount):
        assert os.path.samestat(os.stat(called), tmp_path.stat())
        assert os.fstat(mount).st_ino == tmp_path.stat().st_ino
        assert own not in Path("/proc/self/mountinfo").read_text()


def test_a_host_that_cannot_confine_is_at_fault_and_not_the_archive(tmp_path: Path) -> None:
    code = "from daemon.archives.errors import run; from daemon.archives.digest import main; run(main)"
    with as_file(b"no filter") as file, as_file(b"") as stdin:
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), "", ""],
            stdin=stdin,
            capture_output=True,
            check=False,
            env={FILTER: str(file)},
            pass_fds=(file,),
        )
    assert done.returncode == HOST_AT_FAULT
    assert b"cannot be confined" in done.stderr
    assert done.stdout == b""


def test_without_its_filter_a_child_does_nothing() -> None:
    code = "from daemon.archives.confinement import confine; confine('/')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env={})
    assert done.returncode != 0
    assert b"LONGSHORE_FILTER" in done.stderr
