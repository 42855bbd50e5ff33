"""The whole document, and what its parts say about a container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import orjson
import pytest

from daemon.model import Config, ExecConfig, HostConfig, Mount, Ulimit
from daemon.runtimes.spec import BpfSeccomp, DeviceNode, OciSeccomp, build_process, build_spec, cgroups_path
from daemon.runtimes.spec.build import BPF_ANNOTATION
from daemon.runtimes.spec.inputs import UNLIMITED
from daemon.runtimes.users import ResolvedUser
from tests.unit.runtimes.spec.inputs import HOST, ID, inputs

PLAIN = HostConfig(network_mode="none", ipc_mode="private", shm_size=1024, cgroupns_mode="host")


def spec_of(**changes: Any) -> dict[str, Any]:
    return build_spec(inputs(host_config=attrs.evolve(PLAIN, **changes)))


def kinds(spec: dict[str, Any]) -> set[str]:
    return {entry["type"] for entry in spec["linux"]["namespaces"]}


def mount_at(spec: dict[str, Any], destination: str) -> dict[str, Any]:
    found = [entry for entry in spec["mounts"] if entry["destination"] == destination]
    assert len(found) == 1
    return dict(found[0])


def test_the_document_is_json_and_the_same_each_time() -> None:
    assert orjson.dumps(build_spec(inputs())) == orjson.dumps(build_spec(inputs()))


def test_an_entrypoint_comes_before_the_command() -> None:
    process = build_spec(inputs(Config(entrypoint=("sh", "-c"), cmd=("true",))))["process"]
    assert process["args"] == ["sh", "-c", "true"]


def test_a_container_has_namespaces_of_its_own_for_all_it_does_not_share() -> None:
    assert kinds(spec_of()) == {"mount", "pid", "ipc", "uts", "network"}
    assert kinds(spec_of(cgroupns_mode="private")) == {"mount", "pid", "ipc", "uts", "network", "cgroup"}
    assert kinds(spec_of(pid_mode="host", ipc_mode="host", uts_mode="host", network_mode="host")) == {"mount"}


def test_a_joined_namespace_is_named_by_its_file() -> None:
    host_config = attrs.evolve(PLAIN, network_mode="container:x")
    spec = build_spec(inputs(host_config=host_config, joined={"network": Path("/proc/7/ns/net")}))
    assert {"type": "network", "path": "/proc/7/ns/net"} in spec["linux"]["namespaces"]


def test_the_hosts_name_is_never_set() -> None:
    assert spec_of()["hostname"] == ID[:12]
    assert "hostname" not in spec_of(uts_mode="host")


def test_a_domain_name_makes_the_host_name_full() -> None:
    spec = build_spec(inputs(Config(hostname="web", domainname="example.org")))
    assert spec["hostname"] == "web.example.org"
    assert spec["linux"]["sysctl"]["kernel.domainname"] == "example.org"


def test_sysctls_of_the_network_are_left_alone_on_the_hosts() -> None:
    assert "net.ipv4.ping_group_range" in spec_of()["linux"]["sysctl"]
    assert "sysctl" not in spec_of(network_mode="host")["linux"]


def test_shared_memory_follows_the_ipc_mode() -> None:
    assert "size=1024" in mount_at(spec_of(), "/dev/shm")["options"]
    assert mount_at(spec_of(ipc_mode="host"), "/dev/shm")["source"] == "/dev/shm"
    assert not [m for m in spec_of(ipc_mode="none")["mounts"] if m["destination"] == "/dev/shm"]


def test_a_client_mount_takes_the_place_of_a_default_one() -> None:
    spec = spec_of(binds=("/data:/dev/shm",))
    assert mount_at(spec, "/dev/shm")["source"] == "/data"


def test_a_mount_over_dev_takes_away_all_that_is_below() -> None:
    destinations = [entry["destination"] for entry in spec_of(binds=("/dev:/dev",))["mounts"]]
    assert [d for d in destinations if d.startswith("/dev")] == ["/dev"]


def test_the_engines_files_are_mounted_read_only_with_the_root() -> None:
    hosts = Path("/c/hosts")
    assert "rw" in mount_at(build_spec(inputs(hosts_path=hosts)), "/etc/hosts")["options"]
    locked = build_spec(inputs(host_config=attrs.evolve(PLAIN, readonly_rootfs=True), hosts_path=hosts))
    assert "ro" in mount_at(locked, "/etc/hosts")["options"]
    assert locked["root"]["readonly"] is True


def test_a_read_only_bind_is_read_only_all_the_way_down_where_the_kernel_can() -> None:
    host_config = attrs.evolve(PLAIN, binds=("/data:/data:ro",))
    assert {"ro", "rro"} <= set(mount_at(build_spec(inputs(host_config=host_config)), "/data")["options"])
    old = attrs.evolve(HOST, kernel=(5, 10))
    assert "rro" not in mount_at(build_spec(inputs(host_config=host_config, host=old)), "/data")["options"]


def test_a_shared_bind_makes_the_root_shared() -> None:
    assert spec_of(binds=("/data:/data:rshared",))["linux"]["rootfsPropagation"] == "rshared"
    assert spec_of(binds=("/data:/data:slave",))["linux"]["rootfsPropagation"] == "rslave"
    assert "rootfsPropagation" not in spec_of(binds=("/data:/data",))["linux"]


def test_an_init_is_mounted_and_gets_the_command() -> None:
    spec = spec_of(init=True)
    assert spec["process"]["args"] == ["/sbin/docker-init", "--", "true"]
    assert mount_at(spec, "/sbin/docker-init")["source"] == "/usr/bin/catatonit"
    assert spec_of(init=True, pid_mode="host")["process"]["args"] == ["true"]


def test_a_privileged_container_sees_everything_and_may_use_it() -> None:
    spec = spec_of(privileged=True, masked_paths=("/proc/kcore",), readonly_paths=("/proc/sys",))
    assert not {"maskedPaths", "readonlyPaths"} & set(spec["linux"])
    assert spec["linux"]["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert set(spec["process"]["capabilities"]["effective"]) == HOST.capabilities
    assert "rw" in mount_at(spec, "/sys")["options"]


def test_a_compiled_filter_goes_in_alone() -> None:
    compiled = build_spec(inputs(seccomp=BpfSeccomp("QUJD")))
    assert compiled["annotations"] == {BPF_ANNOTATION: "QUJD"}
    assert "seccomp" not in compiled["linux"]
    section = build_spec(inputs(seccomp=OciSeccomp({"defaultAction": "x"})))
    assert section["linux"]["seccomp"] == {"defaultAction": "x"}


def test_a_client_cannot_replace_the_filter_by_an_annotation() -> None:
    host_config = attrs.evolve(PLAIN, annotations={BPF_ANNOTATION: "evil", "a": "b"})
    spec = build_spec(inputs(host_config=host_config, seccomp=BpfSeccomp("QUJD")))
    assert spec["annotations"] == {BPF_ANNOTATION: "QUJD", "a": "b"}


def test_a_device_is_made_and_allowed() -> None:
    node = DeviceNode("/dev/fuse", "c", 10, 229, 0o666, access="rw")
    linux = build_spec(inputs(devices=(node,)))["linux"]
    assert linux["devices"][0] | {"path": "/dev/fuse", "major": 10} == linux["devices"][0]
    assert linux["resources"]["devices"] == [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"},
    ]


def test_limits_are_written_only_when_they_say_something() -> None:
    assert set(spec_of()["linux"]["resources"]) == {"devices"}


def test_every_limit_arrives_in_its_field() -> None:
    memory = {"memory": 8, "memory_swap": 16, "memory_reservation": 4, "memory_swappiness": 0}
    cpu = {"cpu_shares": 5, "cpu_quota": 6, "cpu_period": 7, "cpuset_cpus": "0", "cpuset_mems": "0"}
    spec = spec_of(**memory, **cpu, oom_kill_disable=True, pids_limit=9, blkio_weight=10)
    found = spec["linux"]["resources"]
    assert found["memory"] == {
        "limit": 8, "swap": 16, "reservation": 4, "swappiness": 0, "disableOOMKiller": True
    }  # fmt: skip
    assert found["cpu"] == {"shares": 5, "quota": 6, "period": 7, "cpus": "0", "mems": "0"}
    assert found["pids"] == {"limit": 9}
    assert found["blockIO"] == {"weight": 10}


def test_nano_cpus_become_quota_and_period() -> None:
    assert spec_of(nano_cpus=1_500_000_000)["linux"]["resources"]["cpu"] == {
        "quota": 150_000,
        "period": 100_000,
    }


def test_no_limit_of_processes_is_minus_one() -> None:
    assert spec_of(pids_limit=-1)["linux"]["resources"]["pids"] == {"limit": -1}


def test_limits_of_the_process_are_clamped_to_the_engines_own() -> None:
    limits = {entry["type"]: entry for entry in spec_of()["process"]["rlimits"]}
    assert limits["RLIMIT_NOFILE"] == {"type": "RLIMIT_NOFILE", "soft": 20000, "hard": 20000}
    assert limits["RLIMIT_CORE"]["hard"] == UNLIMITED


def test_a_ulimit_replaces_the_default() -> None:
    found = spec_of(ulimits=(Ulimit("nofile", 10, -1),))["process"]["rlimits"]
    assert {"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20000} in found


def test_a_tmpfs_mount_has_its_size_and_mode() -> None:
    spec = spec_of(tmpfs={"/run": "size=1m,exec"})
    assert mount_at(spec, "/run")["options"] == ["exec", "nosuid", "nodev", "size=1m"]


def test_mount_points_come_after_those_around_them() -> None:
    spec = spec_of(mounts=(Mount("bind", "/a", "/x/y/z"), Mount("tmpfs", "", "/x")))
    assert [entry["destination"] for entry in spec["mounts"]][-2:] == ["/x", "/x/y/z"]


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ((), {"HOME=/root", "HOSTNAME=" + ID[:12]}),
        (("HOME=/a",), {"HOME=/a"}),
        (("A=1", "A=2"), {"A=2"}),
        (("EMPTY=",), {"EMPTY="}),
    ],
)
def test_a_later_variable_wins(env: tuple[str, ...], expected: set[str]) -> None:
    found = build_spec(inputs(Config(cmd=("x",), env=env)))["process"]["env"]
    assert expected <= set(found)
    assert len({entry.partition("=")[0] for entry in found}) == len(found)


def test_a_name_alone_takes_the_variable_away() -> None:
    found = build_spec(inputs(Config(cmd=("x",), env=("PATH",))))["process"]["env"]
    assert not [entry for entry in found if entry.startswith("PATH")]


def test_a_terminal_brings_its_type_and_size() -> None:
    host_config = attrs.evolve(PLAIN, console_size=(24, 80))
    process = build_spec(inputs(Config(cmd=("x",), tty=True), host_config))["process"]
    assert process["terminal"] is True
    assert process["consoleSize"] == {"height": 24, "width": 80}
    assert "TERM=xterm" in process["env"]


def test_an_ordinary_user_starts_with_no_effective_capabilities() -> None:
    process = build_spec(inputs(user=ResolvedUser(1000, 1000, (1000, 27), "/home/u")))["process"]
    assert set(process["capabilities"]) == {"bounding"}
    assert process["user"] == {"uid": 1000, "gid": 1000, "additionalGids": [1000, 27]}
    assert "HOME=/home/u" in process["env"]


def test_an_exec_session_differs_only_in_what_it_says() -> None:
    container = inputs(Config(cmd=("x",), env=("A=1", "B=1"), working_dir="/w", tty=True))
    process = build_process(container, ExecConfig(cmd=("id",), env=("B=2",)))
    assert process["args"] == ["id"]
    assert {"A=1", "B=2"} <= set(process["env"])
    assert process["cwd"] == "/w"
    assert process["terminal"] is False
    assert "TERM=xterm" not in process["env"]
    assert process["rlimits"] == build_spec(container)["process"]["rlimits"]


def test_a_privileged_exec_session_has_all_capabilities() -> None:
    process = build_process(inputs(), ExecConfig(cmd=("id",), privileged=True, working_dir="/x"))
    assert set(process["capabilities"]["bounding"]) == HOST.capabilities
    assert process["cwd"] == "/x"


def test_an_exec_session_of_another_user_has_that_users_home() -> None:
    process = build_process(inputs(), ExecConfig(cmd=("id",), user="u"), ResolvedUser(5, 6, (6,), "/home/u"))
    assert process["user"]["uid"] == 5
    assert "HOME=/home/u" in process["env"]


def test_an_apparmor_profile_and_no_new_privileges_reach_the_process() -> None:
    process = spec_of(security_opt=("apparmor=mine", "no-new-privileges"))["process"]
    assert process["apparmorProfile"] == "mine"
    assert process["noNewPrivileges"] is True


def test_a_cgroup_is_below_docker_or_the_parent_asked_for() -> None:
    assert cgroups_path("id", "") == "/docker/id"
    assert cgroups_path("id", "ci/jobs/") == "/ci/jobs/id"
