"""`docker run`: options that show inside, and exit codes that show outside, on both runtimes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.clients.cli import Docker

MIB = 1 << 20
CGROUP_FILES = {
    "memory": ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"),
    "pids": ("/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max"),
}


@pytest.fixture(params=["crun", "runc"])
def runtime(request: pytest.FixtureRequest) -> str:
    return f"--runtime={request.param}"


def test_output_and_errors_come_out_apart(docker: Docker, runtime: str) -> None:
    result = docker.run(runtime, "busybox", "sh", "-c", "echo out; echo err >&2")
    assert (result.out, result.err) == ("out\n", "err\n")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 9"], 9),
        (["sh", "-c", "exit 255"], 255),
        (["no-such-program"], 127),
        (["/etc/passwd"], 126),
        (["/etc"], 126),
    ],
)
def test_the_exit_code_is_the_containers(docker: Docker, runtime: str, command: list[str], code: int) -> None:
    assert docker.run(runtime, "busybox", *command, ok=False).code == code


@pytest.mark.parametrize(("signal", "code"), [("KILL", 137), ("TERM", 143)])
def test_who_is_killed_has_128_and_the_signal(docker: Docker, runtime: str, signal: str, code: int) -> None:
    # With an init, since a process 1 without a handler of its own is only killed by SIGKILL.
    container = docker.detached("--init", runtime, "busybox", "sleep", "1000")
    docker.until_it_has_children(container)
    waiting = docker.start("wait", container)
    docker("kill", "--signal", signal, container)
    out, _ = waiting.communicate(timeout=60)
    assert int(out) == code


def test_what_the_engine_refuses_is_125(docker: Docker) -> None:
    result = docker.run("--cap-add=NO_SUCH_THING", "busybox", "true", ok=False)
    assert result.code == 125
    assert "Error response from daemon" in result.err


def test_ten_megabytes_go_through_byte_for_byte(docker: Docker, runtime: str) -> None:
    sent = os.urandom(10 * MIB)
    received = docker.run("-i", runtime, "busybox", "cat", stdin=sent).stdout
    assert (len(received), hashlib.sha256(received).digest()) == (len(sent), hashlib.sha256(sent).digest())


def test_the_end_of_stdin_is_seen_inside(docker: Docker) -> None:
    assert docker.run("-i", "busybox", "sh", "-c", "cat; echo end", stdin=b"text\n").out == "text\nend\n"


def test_without_i_there_is_no_stdin(docker: Docker) -> None:
    assert docker.run("busybox", "cat", stdin=b"not for you").out == ""


def test_a_detached_container_prints_its_id(docker: Docker) -> None:
    container = docker.detached("busybox", "true")
    assert docker.inspect(container)["Id"] == container
    assert len(container) == 64


def test_rm_leaves_no_container(docker: Docker) -> None:
    docker.run("--name", "gone", "busybox", "true")
    assert docker.ids() == []


def test_a_container_that_could_not_start_is_removed_too(docker: Docker) -> None:
    docker.run("busybox", "no-such-program", ok=False)
    assert docker.ids() == []


def test_the_environment_is_as_given(docker: Docker) -> None:
    result = docker.run(
        "-e", "A=one two", "-e", "EMPTY=", "busybox", "sh", "-c", 'echo "$A|$EMPTY|$PATH|$HOME"'
    )
    assert result.out == "one two||/bin|/root\n"


def test_the_working_directory_is_made_and_entered(docker: Docker) -> None:
    assert docker.run("-w", "/made/here", "busybox", "pwd").out == "/made/here\n"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("guest", "1000:1000:1000 2000"),
        ("1000", "1000:1000:1000 2000"),
        ("guest:daemon", "1000:1:1"),
        ("4242:4343", "4242:4343:4343"),
    ],
)
def test_the_user_is_looked_up_in_the_image(docker: Docker, user: str, expected: str) -> None:
    result = docker.run("-u", user, "busybox", "sh", "-c", 'echo "$(id -u):$(id -g):$(id -G)"')
    assert result.out.strip() == expected


def test_an_unknown_user_is_named(docker: Docker) -> None:
    result = docker.run("-u", "nobody-here", "busybox", "true", ok=False)
    assert "unable to find user nobody-here: no matching entries in passwd file" in result.err
    assert result.code in {125, 126}


def test_a_bind_mount_is_shared_with_the_host(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("from the host")
    script = "cat /data/given; echo -n answer > /data/written"
    assert docker.run("-v", f"{tmp_path}:/data", "busybox", "sh", "-c", script).out == "from the host"
    assert (tmp_path / "written").read_text() == "answer"


def test_a_read_only_bind_mount_cannot_be_written(docker: Docker, tmp_path: Path) -> None:
    result = docker.run("-v", f"{tmp_path}:/data:ro", "busybox", "touch", "/data/x", ok=False)
    assert result.code == 1
    assert "Read-only file system" in result.err


def test_a_read_only_root_cannot_be_written_but_a_tmpfs_can(docker: Docker) -> None:
    script = "touch /x; touch /scratch/x && stat -f -c %T /scratch"
    result = docker.run("--read-only", "--tmpfs", "/scratch", "busybox", "sh", "-c", script)
    assert "Read-only file system" in result.err
    assert result.out == "tmpfs\n"


@pytest.mark.parametrize(
    ("option", "kind", "value"),
    [("--memory=64m", "memory", str(64 * MIB)), ("--pids-limit=17", "pids", "17")],
)
def test_limits_are_seen_inside(docker: Docker, runtime: str, option: str, kind: str, value: str) -> None:
    v1, v2 = CGROUP_FILES[kind]
    assert (
        docker.run(runtime, option, "busybox", "sh", "-c", f"cat {v1} {v2} 2>/dev/null", ok=False).out.strip()
        == value
    )


def test_cpus_become_a_quota(docker: Docker, runtime: str) -> None:
    script = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null"
    assert (
        docker.run(runtime, "--cpus=0.5", "busybox", "sh", "-c", script, ok=False).out.split()[0] == "50000"
    )


def test_too_much_memory_is_137_and_told(docker: Docker, runtime: str) -> None:
    hog = "x=0123456789abcdef; while :; do x=$x$x; done"
    container = docker(
        "create", runtime, "--memory=16m", "--memory-swap=16m", "busybox", "sh", "-c", hog
    ).out.strip()
    docker("start", "-a", container, ok=False)
    state = docker.inspect(container)["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (137, True)


def test_the_entrypoint_can_be_replaced(docker: Docker) -> None:
    assert docker.run("--entrypoint", "echo", "busybox", "a", "b").out == "a b\n"


def test_host_name_and_files_are_the_containers_own(docker: Docker) -> None:
    script = (
        "hostname; cat /etc/hostname; grep -c myhost /etc/hosts; test -s /etc/resolv.conf && echo resolves"
    )
    result = docker.run("--hostname", "myhost", "busybox", "sh", "-c", script)
    assert result.lines[:3] == ["myhost", "myhost", "1"]


def test_programs_find_out_that_they_are_in_a_container(docker: Docker, runtime: str) -> None:
    container = docker.detached(runtime, "busybox", "test", "-f", "/.dockerenv")
    assert docker("wait", container).out == "0\n"
    assert docker("diff", container).out == ""


def test_programs_that_look_for_a_table_of_mounts_find_it(docker: Docker, runtime: str) -> None:
    container = docker.detached(runtime, "busybox", "grep", "-q", " / overlay ", "/etc/mtab")
    assert docker("wait", container).out == "0\n"
    assert docker("diff", container).out == ""


def test_network_none_has_only_loopback(docker: Docker) -> None:
    assert docker.run("--network", "none", "busybox", "ls", "/sys/class/net").out.split() == ["lo"]


def test_network_host_is_the_hosts(docker: Docker) -> None:
    inside = docker.run("--network", "host", "busybox", "readlink", "/proc/self/ns/net").out.strip()
    assert inside == os.readlink("/proc/self/ns/net")


def test_the_default_capabilities_are_dockers(docker: Docker) -> None:
    status = docker.run("busybox", "grep", "CapEff", "/proc/self/status").out
    assert status.split()[1] == "00000000a80425fb"


def test_seccomp_filters_unless_privileged(docker: Docker) -> None:
    command = ("busybox", "grep", "Seccomp:", "/proc/self/status")
    assert docker.run(*command).out.split()[1] == "2"
    assert docker.run("--privileged", *command).out.split()[1] == "0"
