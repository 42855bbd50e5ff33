"""Specs as real runtimes carry them out: what a process finds inside its container."""

from __future__ import annotations

import os
import shutil
import subprocess  # sync on purpose: each test is one process and its output
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import orjson
import pytest
import trio

from daemon.actors.container.admission import Defaults, admit
from daemon.model import (
    BindOptions,
    Config,
    Device,
    ExecConfig,
    HostConfig,
    ImageConfig,
    Mount,
    NetworkingConfig,
    TmpfsOptions,
    Ulimit,
)
from daemon.runtimes.inroot import ensure_in_root
from daemon.runtimes.seccomp import SeccompProfiles
from daemon.runtimes.spec import (
    SpecInputs,
    build_process,
    build_spec,
    cgroups_path,
    find_devices,
    host_facts,
)
from daemon.runtimes.spec.sources import make_bind_sources
from daemon.runtimes.users import resolve_user
from tests.unit.runtimes.tables import a_table

pytestmark = pytest.mark.runtime

REAL_SECONDS: Final = 20
BUSYBOX: Final = Path("/bin/busybox")
FACTS: Final = host_facts()
APPLETS: Final = (
    "sh",
    "cat",
    "echo",
    "env",
    "grep",
    "id",
    "ls",
    "mount",
    "ps",
    "sleep",
    "true",
    "unshare",
    "hostname",
)


@attrs.frozen
class Bench:
    """One runtime with its own state, and a busybox to run in it."""

    binary: str
    under: Path
    profiles: SeccompProfiles

    @property
    def rootfs(self) -> Path:
        return self.under / "rootfs"

    @property
    def id(self) -> str:
        return f"longshore-spec-{os.getpid()}-{Path(self.binary).name}"

    def inputs(self, config: Config, host_config: HostConfig) -> SpecInputs:
        """Do what the engine does between create and the bundle."""
        image = ImageConfig("sha256:0", Config(), (), "amd64", "linux")
        name = Path(self.binary).name
        defaults = Defaults(FACTS, a_table(name), os.uname().nodename)
        found = admit(config, host_config, NetworkingConfig(), image, (1, 51), defaults)
        return trio.run(self._prepared, found.config, found.host_config)

    async def _prepared(self, config: Config, host_config: HostConfig) -> SpecInputs:
        await make_bind_sources(host_config)
        ensure_in_root(self.rootfs, config.working_dir)
        return SpecInputs(
            container_id=self.id,
            config=config,
            host_config=host_config,
            rootfs=self.rootfs,
            user=resolve_user(self.rootfs, config.user, host_config.group_add or ()),
            host=FACTS,
            cgroups_path=cgroups_path(self.id, host_config.cgroup_parent),
            seccomp=await self.profiles.resolve(host_config, accepts_bpf=Path(self.binary).name == "crun"),
            devices=await find_devices(host_config),
            hosts_path=self._file("hosts", "127.0.0.1\tlocalhost\n"),
        )

    def _file(self, name: str, text: str) -> Path:
        (self.under / name).write_text(text)
        return self.under / name

    def call(self, *args: str) -> subprocess.CompletedProcess[str]:
        command = [self.binary, "--root", str(self.under / "state"), *args]
        return subprocess.run(command, capture_output=True, text=True, timeout=REAL_SECONDS, check=False)

    def run(self, *cmd: str, config: Config | None = None, **host_config: Any) -> str:
        """Run `cmd` in a container and return what it wrote; both streams."""
        found = self.inputs(attrs.evolve(config or Config(), cmd=cmd), HostConfig(**host_config))
        (self.under / "config.json").write_bytes(orjson.dumps(build_spec(found)))
        done = self.call("run", "--bundle", str(self.under), self.id)
        return done.stdout + done.stderr

    def execute(self, config: Config, exec_config: ExecConfig) -> str:
        """Run an exec session in a container that sleeps, and return what it wrote."""
        found = self.inputs(attrs.evolve(config, cmd=("sleep", "60")), HostConfig())
        (self.under / "config.json").write_bytes(orjson.dumps(build_spec(found)))
        command = [self.binary, "--root", str(self.under / "state"), "run", "--detach"]
        subprocess.run(
            [*command, "--bundle", str(self.under), self.id],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=REAL_SECONDS, check=True,
        )  # fmt: skip
        document = self._file("process.json", orjson.dumps(build_process(found, exec_config)).decode())
        done = self.call("exec", "--process", str(document), self.id)
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def profiles() -> SeccompProfiles:
    """Return one cache for all tests: compiling takes longer than running."""
    return SeccompProfiles(FACTS)


@pytest.fixture(params=["crun", "runc"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, profiles: SeccompProfiles) -> Iterator[Bench]:
    binary = shutil.which(request.param)
    if binary is None:
        report = pytest.fail if "CI" in os.environ else pytest.skip
        report(f"{request.param} is not installed")
    found = Bench(str(binary), tmp_path, profiles)
    for directory in ("bin", "proc", "sys", "dev", "etc", "tmp", "sbin"):
        (found.rootfs / directory).mkdir(parents=True)
    shutil.copy(BUSYBOX, found.rootfs / "bin/busybox")
    for applet in APPLETS:
        (found.rootfs / "bin" / applet).symlink_to("busybox")
    (found.rootfs / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nu:x:1000:100::/home/u:/bin/sh\n")
    (found.rootfs / "etc/group").write_text("root:x:0:\nusers:x:100:\nvideo:x:44:u\n")
    try:
        yield found
    finally:
        found.call("delete", "--force", found.id)


def fields(text: str, *names: str) -> list[str]:
    """Return the values of lines `name: value`, as in /proc/self/status."""
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return [lines[name].strip() for name in names]


def test_a_container_runs_and_leaves_nothing_behind(bench: Bench) -> None:
    assert bench.run("true") == ""
    assert not list(Path("/sys/fs/cgroup").glob(f"*/docker/{bench.id}"))


def test_a_process_is_who_it_is_told_to_be(bench: Bench) -> None:
    assert bench.run("id", config=Config(user="u"), group_add=("7",)).split() == [
        "uid=1000(u)", "gid=100(users)", "groups=7,44(video),100(users)",
    ]  # fmt: skip


def test_the_environment_and_directory_are_the_containers(bench: Bench) -> None:
    config = Config(env=("A=1", "PATH=/bin"), working_dir="/made/for/it", hostname="web")
    output = bench.run("sh", "-c", "env; echo PWD is $PWD; hostname", config=config).splitlines()
    assert {"A=1", "PATH=/bin", "HOME=/root", "HOSTNAME=web", "PWD is /made/for/it", "web"} <= set(output)


def test_only_dockers_capabilities_are_there(bench: Bench) -> None:
    output = bench.run("cat", "/proc/self/status")
    assert fields(output, "CapBnd", "CapEff", "CapInh") == ["00000000a80425fb"] * 2 + ["0" * 16]


def test_capabilities_are_added_and_dropped(bench: Bench) -> None:
    output = bench.run("cat", "/proc/self/status", cap_drop=("ALL",), cap_add=("NET_ADMIN",))
    assert fields(output, "CapBnd") == ["0000000000001000"]


def test_the_seccomp_filter_is_active(bench: Bench) -> None:
    output = bench.run(
        "sh", "-c", "cat /proc/self/status; unshare -U true; mount -t tmpfs x /tmp; echo alive"
    )
    assert fields(output, "Seccomp", "NoNewPrivs") == ["2", "0"]
    assert "unshare: unshare(0x10000000): Operation not permitted" in output
    assert "mount: permission denied" in output
    assert "alive\n" in output


def test_without_a_filter_user_namespaces_can_be_made(bench: Bench) -> None:
    output = bench.run("sh", "-c", "unshare -U true && echo made", security_opt=("seccomp=unconfined",))
    assert output == "made\n"


def test_a_clients_profile_is_enforced(bench: Bench) -> None:
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}
    profile = orjson.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}).decode()
    output = bench.run("busybox", "mkdir", "/x", security_opt=(f"seccomp={profile}",))
    assert "Permission denied" in output


def test_no_new_privileges_is_set(bench: Bench) -> None:
    output = bench.run("cat", "/proc/self/status", security_opt=("no-new-privileges",))
    assert fields(output, "NoNewPrivs") == ["1"]


def test_a_bind_is_writable_unless_said(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert bench.run("sh", "-c", "echo hi > /data/x", binds=(f"{tmp_path}/data:/data",)) == ""
    assert (tmp_path / "data/x").read_text() == "hi\n"
    assert "Read-only" in bench.run("sh", "-c", "echo no > /data/x", binds=(f"{tmp_path}/data:/data:ro",))


def test_a_read_only_bind_covers_the_mounts_below_it(bench: Bench, tmp_path: Path) -> None:
    below = tmp_path / "data/below"
    below.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "longshore-test", below], check=True)
    try:
        mounts = (Mount("bind", str(tmp_path / "data"), "/data", read_only=True),)
        assert "Read-only" in bench.run("sh", "-c", "echo no > /data/below/x", mounts=mounts)
        loose = attrs.evolve(mounts[0], bind_options=BindOptions(read_only_non_recursive=True))
        assert bench.run("sh", "-c", "echo yes > /data/below/x", mounts=(loose,)) == ""
    finally:
        subprocess.run(["umount", below], check=True)


def test_a_missing_source_in_the_old_notation_is_made(bench: Bench, tmp_path: Path) -> None:
    assert bench.run("ls", "/data", binds=(f"{tmp_path}/new/dir:/data",)) == ""
    assert (tmp_path / "new/dir").is_dir()


def test_a_tmpfs_has_the_options_asked_for(bench: Bench) -> None:
    options = TmpfsOptions(1 << 20, 0o1770)
    output = bench.run(
        "mount", tmpfs={"/run": "size=2m,exec"}, mounts=(Mount("tmpfs", "", "/cache", tmpfs_options=options),)
    )
    lines = {line.split()[2]: line for line in output.splitlines()}
    assert "size=2048k" in lines["/run"]
    assert "noexec" not in lines["/run"]
    assert {"size=1024k", "mode=1770"} <= set(lines["/cache"].partition("(")[2].rstrip(")").split(","))


def test_a_read_only_root_cannot_be_written(bench: Bench) -> None:
    output = bench.run("sh", "-c", "echo x > /x; echo y > /dev/shm/y && echo shm", readonly_rootfs=True)
    assert "Read-only file system" in output
    assert "shm\n" in output


def test_what_docker_hides_is_hidden(bench: Bench) -> None:
    output = bench.run("sh", "-c", "cat /proc/keys; ls /sys/firmware; echo x > /proc/sys/kernel/domainname")
    assert output == "sh: can't create /proc/sys/kernel/domainname: Read-only file system\n"


def test_a_device_can_be_given_and_others_cannot_be_opened(bench: Bench) -> None:
    kmsg = Device("/dev/kmsg", "/dev/kmsg-copy", "rw")
    read = "cat /dev/kmsg-copy >/dev/null & sleep 0.1; ls -l /dev/kmsg-copy; kill %1"
    given = bench.run("sh", "-c", read, devices=(kmsg,), cap_add=("SYSLOG",))
    assert "Operation not permitted" not in given
    assert "1,  11" in given
    assert "Operation not permitted" in bench.run(
        "sh", "-c", "busybox mknod /dev/k c 1 11; cat /dev/k", cap_add=("SYSLOG",)
    )


def test_limits_reach_the_cgroup(bench: Bench) -> None:
    if FACTS.cgroup_version != 1:
        pytest.skip("reads files of cgroup v1")
    memory, cpu = "memory/memory.limit_in_bytes", ("cpu/cpu.cfs_quota_us", "cpu/cpu.shares")
    files = (memory, *cpu, "pids/pids.max", "cpuset/cpuset.cpus")
    paths = " ".join(f"/sys/fs/cgroup/{file}" for file in files)
    output = bench.run(
        "sh", "-c", f"cat {paths}", cgroupns_mode="private",
        memory=64 << 20, nano_cpus=500_000_000, cpu_shares=512, pids_limit=42, cpuset_cpus="0",
    )  # fmt: skip
    assert output.split() == [str(64 << 20), "50000", "512", "42", "0"]


def test_limits_of_the_process_are_set(bench: Bench) -> None:
    output = bench.run("sh", "-c", "ulimit -n; ulimit -Hn", ulimits=(Ulimit("nofile", 100, 200),))
    assert output.split() == ["100", "200"]


def test_an_absurd_ulimit_is_clamped_not_fatal(bench: Bench) -> None:
    output = bench.run("sh", "-c", "ulimit -Hn", ulimits=(Ulimit("nofile", 100, 2**40),))
    assert int(output) <= FACTS.hard_limits["RLIMIT_NOFILE"]


def test_an_init_is_process_one(bench: Bench) -> None:
    output = bench.run("sh", "-c", "cat /proc/1/cmdline", init=True)
    assert output.replace("\0", " ").startswith("/sbin/docker-init -- sh")


def test_namespaces_are_shared_only_when_asked(bench: Bench) -> None:
    own = namespaces(bench)
    of_host = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in own}
    assert [kind for kind in own if own[kind] == of_host[kind]] == ["cgroup", "user"]
    shared = namespaces(bench, pid_mode="host", ipc_mode="host", uts_mode="host", network_mode="host")
    assert [kind for kind in shared if shared[kind] != of_host[kind]] == ["mnt"]


def namespaces(bench: Bench, **modes: Any) -> dict[str, str]:
    """Return each namespace of a container's process."""
    script = "for n in cgroup ipc mnt net pid user uts; do echo $n $(busybox readlink /proc/self/ns/$n); done"
    lines = bench.run("sh", "-c", script, cgroupns_mode="host", **modes).splitlines()
    return {kind: link for kind, _, link in (line.partition(" ") for line in lines)}


def test_a_privileged_container_may_do_all_the_engine_may(bench: Bench) -> None:
    script = "cat /proc/self/status; mount -t tmpfs x /tmp && echo mounted; ls /dev"
    output = bench.run("sh", "-c", script, privileged=True)
    assert fields(output, "CapBnd") == fields(Path("/proc/self/status").read_text(), "CapBnd")
    assert fields(output, "Seccomp") == ["0"]
    assert "mounted" in output
    assert "kmsg" in output


def test_sysctls_of_its_namespaces_are_set(bench: Bench) -> None:
    output = bench.run(
        "cat", "/proc/sys/kernel/msgmax", "/proc/sys/net/ipv4/ip_unprivileged_port_start",
        sysctls={"kernel.msgmax": "4096"},
    )  # fmt: skip
    assert output.split() == ["4096", "0"]


def test_an_exec_session_is_confined_like_its_container(bench: Bench) -> None:
    exec_config = ExecConfig(
        cmd=("sh", "-c", "cat /proc/self/status; env; echo PWD is $PWD; unshare -U true"),
        env=("B=2",),
        working_dir="/tmp",
    )
    output = bench.execute(Config(env=("A=1",)), exec_config)
    assert fields(output, "Seccomp", "CapEff") == ["2", "00000000a80425fb"]
    assert {"A=1", "B=2", "PWD is /tmp"} <= set(output.splitlines())
    assert "unshare(0x10000000): Operation not permitted" in output


def test_an_exec_session_can_be_privileged(bench: Bench) -> None:
    output = bench.execute(Config(), ExecConfig(cmd=("cat", "/proc/self/status"), privileged=True))
    assert fields(output, "CapEff") == fields(Path("/proc/self/status").read_text(), "CapBnd")
