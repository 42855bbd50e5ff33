from __future__ import annotations

from pathlib import Path

import pytest

from daemon.runtimes.host import read_host


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_host_is_read_from_its_files(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "etc/machine-id": "abc\n",
            "etc/os-release": "# a comment\nPRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION_ID='12'\n",
            "proc/meminfo": "MemTotal:        1024 kB\nMemFree: 1 kB\n",
            "proc/sys/net/ipv4/ip_forward": "1\n",
            "proc/sys/net/bridge/bridge-nf-call-iptables": "0\n",
            "proc/self/status": "Name:\tx\nSeccomp:\t0\n",
        },
    )
    host = read_host(tmp_path)
    assert (host.machine_id, host.operating_system, host.os_version) == ("abc", "Debian GNU/Linux 12", "12")
    assert host.memory_bytes == 1024 * 1024
    assert (host.forwards_ipv4, host.filters_bridges_ipv4, host.has_seccomp) == (True, False, True)


def test_controllers_of_cgroup_v1_are_directories(tmp_path: Path) -> None:
    write(
        tmp_path / "sys/fs/cgroup",
        {
            "cpu,cpuacct/x": "",
            "memory/memory.memsw.limit_in_bytes": "",
            "cpu/cpu.cfs_quota_us": "",
            "pids/x": "",
        },
    )
    host = read_host(tmp_path)
    assert host.controllers == {"cpu", "cpuacct", "memory", "pids"}
    assert (host.limits_swap, host.limits_cpu_time) == (True, True)


def test_controllers_of_cgroup_v2_are_listed(tmp_path: Path) -> None:
    write(
        tmp_path / "sys/fs/cgroup",
        {"cgroup.controllers": "cpu memory\n", "init.scope/cpu.max": "", "init.scope/memory.swap.max": ""},
    )
    host = read_host(tmp_path)
    assert host.controllers == {"cpu", "memory"}
    assert (host.limits_swap, host.limits_cpu_time) == (True, True)


def test_host_that_says_nothing_can_do_nothing(tmp_path: Path) -> None:
    host = read_host(tmp_path)
    assert (host.operating_system, host.memory_bytes, host.controllers) == ("Linux", 0, frozenset())
    assert {host.limits_swap, host.limits_cpu_time, host.forwards_ipv4, host.has_seccomp} == {False}


@pytest.mark.parametrize("line", ['PRETTY_NAME="open', "PRETTY_NAME", "PRETTY_NAME=\udcff"])
def test_damaged_os_release_is_read_as_far_as_it_goes(tmp_path: Path, line: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_bytes(line.encode(errors="surrogateescape"))
    assert isinstance(read_host(tmp_path).operating_system, str)


def test_this_host_can_be_read() -> None:
    assert read_host().memory_bytes > 0
