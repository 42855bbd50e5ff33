"""What becomes of a request to create a container."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from daemon.actors.container.admission import Admitted, Defaults, admit
from daemon.errors import InvalidParameter, NotImplementedHere
from daemon.model import (
    BindOptions,
    Config,
    Device,
    EndpointConfig,
    Healthcheck,
    HostConfig,
    ImageConfig,
    LogConfig,
    Mount,
    NetworkingConfig,
    RestartPolicy,
    TmpfsOptions,
    Ulimit,
)
from daemon.runtimes.spec.security import MASKED_PATHS, READONLY_PATHS
from tests.unit.runtimes.spec.inputs import HOST
from tests.unit.runtimes.tables import a_table

NEWEST = (1, 51)
DEFAULTS = Defaults(HOST, a_table("crun", "runc"), "the-host")
IMAGE = ImageConfig(
    id="sha256:" + "a" * 64,
    config=Config(
        env=("PATH=/bin", "LANG=C"),
        cmd=("serve",),
        entrypoint=("/entry",),
        labels={"from": "image", "who": "image"},
        working_dir="/srv",
        user="www",
        stop_signal="SIGQUIT",
        exposed_ports={"80/tcp": {}},
    ),
    diff_ids=(),
    architecture="amd64",
    os="linux",
)
BARE = attrs.evolve(IMAGE, config=Config())


def admitted(
    config: Config | None = None,
    host_config: HostConfig | None = None,
    *,
    image: ImageConfig = IMAGE,
    version: tuple[int, int] = NEWEST,
    networking: NetworkingConfig | None = None,
    defaults: Defaults = DEFAULTS,
) -> Admitted:
    return admit(
        config or Config(),
        host_config or HostConfig(),
        networking or NetworkingConfig(),
        image,
        version,
        defaults,
    )


def host_config_of(version: tuple[int, int] = NEWEST, **changes: Any) -> HostConfig:
    return admitted(host_config=HostConfig(**changes), version=version).host_config


# --- the image's configuration


def test_what_the_client_leaves_open_is_the_images() -> None:
    config = admitted().config
    assert (config.entrypoint, config.cmd, config.user) == (("/entry",), ("serve",), "www")
    assert (config.working_dir, config.stop_signal) == ("/srv", "SIGQUIT")


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "expected"),
    [
        (None, None, (("/entry",), ("serve",))),
        (None, ("x",), (("/entry",), ("x",))),
        (("sh",), None, (("sh",), None)),
        (("sh",), ("x",), (("sh",), ("x",))),
        (("",), ("x",), (None, ("x",))),
    ],
)
def test_an_entrypoint_takes_the_images_command_away(
    entrypoint: tuple[str, ...] | None, cmd: tuple[str, ...] | None, expected: tuple[Any, Any]
) -> None:
    config = admitted(Config(entrypoint=entrypoint, cmd=cmd)).config
    assert (config.entrypoint, config.cmd) == expected


def test_environment_labels_and_ports_are_united_by_name() -> None:
    config = admitted(
        Config(env=("LANG=de", "A=1"), labels={"who": "me"}, exposed_ports={"53/udp": {}})
    ).config
    assert set(config.env or ()) == {"PATH=/bin", "LANG=de", "A=1"}
    assert config.labels == {"from": "image", "who": "me"}
    assert set(config.exposed_ports or ()) == {"80/tcp", "53/udp"}


def test_labels_are_never_null() -> None:
    assert admitted(Config(cmd=("x",)), image=BARE).config.labels == {}


def test_volumes_of_the_image_are_allowed_with_a_warning() -> None:
    image = attrs.evolve(IMAGE, config=attrs.evolve(IMAGE.config, volumes={"/data": {}}))
    found = admitted(image=image)
    assert found.config.volumes == {"/data": {}}
    assert found.warnings == (
        "Volumes of the image are plain directories of the container in this version: /data",
    )


# --- defaults


def test_every_default_is_written_down() -> None:
    found = host_config_of()
    assert (found.network_mode, found.ipc_mode, found.cgroupns_mode, found.runtime) == (
        "bridge", "private", "host", "crun",
    )  # fmt: skip
    assert found.log_config == LogConfig("json-file", {})
    assert (found.shm_size, found.restart_policy) == (64 << 20, RestartPolicy("no"))
    assert (found.masked_paths, found.readonly_paths) == (MASKED_PATHS, READONLY_PATHS)


def test_what_the_docker_cli_sends_for_nothing_is_admitted_without_a_warning() -> None:
    sent = HostConfig(
        network_mode="default", restart_policy=RestartPolicy("no"), console_size=(24, 80),
        log_config=LogConfig("", {}), port_bindings={}, memory_swappiness=-1, oom_kill_disable=False,
        pids_limit=0, dns=(), ulimits=(), devices=(),
        blkio_weight_device=(), blkio_device_read_bps=(), blkio_device_write_iops=(),
    )  # fmt: skip
    networking = NetworkingConfig({"default": EndpointConfig()})
    found = admitted(Config(cmd=("x",)), sent, networking=networking)
    assert found.warnings == ()
    assert (found.host_config.memory_swappiness, found.host_config.pids_limit) == (None, None)


def test_swap_is_twice_the_memory_unless_said() -> None:
    assert host_config_of(memory=8 << 20).memory_swap == 16 << 20
    assert host_config_of(memory=8 << 20, memory_swap=-1).memory_swap == -1


def test_a_list_of_hidden_paths_that_is_empty_stays_empty() -> None:
    assert host_config_of(masked_paths=()).masked_paths == ()
    assert host_config_of(privileged=True).masked_paths is None


def test_the_cgroup_namespace_is_private_on_cgroup_v2() -> None:
    defaults = attrs.evolve(DEFAULTS, host=attrs.evolve(HOST, cgroup_version=2))
    assert admitted(defaults=defaults).host_config.cgroupns_mode == "private"


def test_the_engines_ulimits_are_for_those_the_client_does_not_set() -> None:
    defaults = attrs.evolve(DEFAULTS, ulimits=(Ulimit("nofile", 1, 1), Ulimit("core", 2, 2)))
    found = admitted(host_config=HostConfig(ulimits=(Ulimit("core", 3, 3),)), defaults=defaults)
    assert set(found.host_config.ulimits or ()) == {Ulimit("core", 3, 3), Ulimit("nofile", 1, 1)}


def test_a_ulimit_above_the_engines_own_is_warned_of() -> None:
    found = admitted(host_config=HostConfig(ulimits=(Ulimit("nofile", 1, 65536),)))
    assert found.warnings == ("ulimit nofile=65536 is above the engine's own limit 20000, which applies",)


def test_a_container_on_the_hosts_network_is_called_what_the_host_is() -> None:
    assert admitted(host_config=HostConfig(network_mode="host")).config.hostname == "the-host"
    assert not admitted().config.hostname


def test_published_ports_without_a_network_are_discarded_with_a_warning() -> None:
    found = admitted(host_config=HostConfig(network_mode="host", port_bindings={"80/tcp": [{}]}))
    assert found.warnings == ("Published ports are discarded when using host network mode",)


def test_who_has_no_memory_limit_and_no_oom_killer_is_warned() -> None:
    (warning,) = admitted(host_config=HostConfig(oom_kill_disable=True)).warnings
    assert warning.startswith("OOM killer is disabled for the container, but no memory limit is set")
    assert not admitted(host_config=HostConfig(oom_kill_disable=True, memory=64 << 20)).warnings


def test_a_working_directory_is_written_in_its_shortest_form() -> None:
    assert admitted(Config(working_dir="/a/../b/")).config.working_dir == "/b"


# --- versions of the API


def test_before_1_40_ipc_was_shareable() -> None:
    assert host_config_of((1, 39)).ipc_mode == "shareable"
    assert host_config_of((1, 40)).ipc_mode == "private"


def test_before_1_40_binds_were_recursive() -> None:
    mounts = (Mount("bind", "/a", "/b", bind_options=BindOptions(non_recursive=True)),)
    assert not _bind(host_config_of((1, 39), mounts=mounts)).non_recursive
    assert _bind(host_config_of((1, 40), mounts=mounts)).non_recursive


def test_before_1_42_no_mountpoint_was_created() -> None:
    mounts = (Mount("bind", "/a", "/b", bind_options=BindOptions(create_mountpoint=True)),)
    assert not _bind(host_config_of((1, 41), mounts=mounts)).create_mountpoint
    assert _bind(host_config_of((1, 42), mounts=mounts)).create_mountpoint


def test_before_1_42_options_of_another_type_were_overlooked() -> None:
    mounts = (Mount("bind", "/a", "/b", tmpfs_options=TmpfsOptions(7)),)
    assert (host_config_of((1, 41), mounts=mounts).mounts or ())[0].tmpfs_options is None
    with pytest.raises(InvalidParameter, match="TmpfsOptions"):
        host_config_of((1, 42), mounts=mounts)


def test_before_1_43_annotations_were_dropped() -> None:
    assert host_config_of((1, 42), annotations={"a": "b"}).annotations is None
    assert host_config_of((1, 43), annotations={"a": "b"}).annotations == {"a": "b"}


def test_before_1_44_read_only_was_not_recursive() -> None:
    mounts = (Mount("bind", "/a", "/b", read_only=True),)
    assert _bind(host_config_of((1, 43), mounts=mounts)).read_only_non_recursive
    assert (host_config_of((1, 44), mounts=mounts).mounts or ())[0].bind_options is None


def test_before_1_44_there_could_be_one_endpoint() -> None:
    networking = NetworkingConfig({"a": None, "none": None})
    with pytest.raises(InvalidParameter, match="multiple network endpoints: a, none"):
        admitted(networking=networking, version=(1, 43))


def test_before_1_46_there_were_no_tmpfs_options() -> None:
    mounts = (Mount("tmpfs", "", "/b", tmpfs_options=TmpfsOptions(options=(("exec",),))),)
    with pytest.raises(InvalidParameter, match=r"1\.46"):
        host_config_of((1, 45), mounts=mounts)
    assert host_config_of((1, 46), mounts=mounts).mounts == mounts


def _bind(host_config: HostConfig) -> BindOptions:
    options = (host_config.mounts or ())[0].bind_options
    assert options is not None
    return options


# --- refusals

MALFORMED: list[tuple[Config, HostConfig, str]] = [
    (Config(entrypoint=("",)), HostConfig(), "no command specified"),
    (Config(env=("=x",)), HostConfig(), "invalid environment variable: =x"),
    (Config(env=("",)), HostConfig(), "invalid environment variable: "),
    (Config(cmd=("a\0b",)), HostConfig(), "NUL"),
    (
        Config(working_dir="rel"),
        HostConfig(),
        "the working directory 'rel' is invalid, it needs to be an absolute path",
    ),
    (Config(hostname="a b"), HostConfig(), "invalid hostname format: a b"),
    (Config(hostname="a" * 65), HostConfig(), "invalid hostname format"),
    (Config(hostname="x"), HostConfig(uts_mode="host"), "conflicting options: hostname and the UTS mode"),
    (
        Config(hostname="x"),
        HostConfig(network_mode="container:y"),
        "conflicting options: hostname and the network mode",
    ),
    (
        Config(),
        HostConfig(network_mode="container:y", dns=("1.1.1.1",)),
        "conflicting options: dns and the network",
    ),
    (Config(stop_signal="NOPE"), HostConfig(), "invalid signal: NOPE"),
    (Config(exposed_ports={"x": {}}), HostConfig(), 'invalid port specification: "x"'),
    (
        Config(mac_address="02:42:ac:11:00:02"),
        HostConfig(network_mode="container:x"),
        "conflicting options: mac-address and the network mode",
    ),
    (
        Config(healthcheck=Healthcheck(interval=1)),
        HostConfig(),
        "Interval in Healthcheck cannot be less than 1ms",
    ),
    (
        Config(healthcheck=Healthcheck(start_period=-1)),
        HostConfig(),
        "StartPeriod in Healthcheck cannot be less",
    ),
    (Config(healthcheck=Healthcheck(retries=-1)), HostConfig(), "Retries in Healthcheck cannot be negative"),
    (Config(), HostConfig(memory=1), "Minimum memory limit allowed is 6MB"),
    (Config(), HostConfig(memory=-1), "Minimum memory limit allowed is 6MB"),
    (Config(), HostConfig(memory=8 << 20, memory_swap=7 << 20), "Minimum memoryswap limit should be larger"),
    (
        Config(),
        HostConfig(memory_swap=7 << 20),
        "You should always set the Memory limit when using Memoryswap",
    ),
    (Config(), HostConfig(memory_swap=-2), "invalid memory swap limit"),
    (Config(), HostConfig(memory_swappiness=101), "valid memory swappiness range is 0-100"),
    (Config(), HostConfig(memory_reservation=1), "Minimum memory reservation allowed is 6MB"),
    (
        Config(),
        HostConfig(memory=7 << 20, memory_reservation=8 << 20),
        "can not be less than memory reservation",
    ),
    (Config(), HostConfig(nano_cpus=1, cpu_period=1000), "Nano CPUs and CPU Period cannot both be set"),
    (Config(), HostConfig(nano_cpus=1, cpu_quota=1000), "Nano CPUs and CPU Quota cannot both be set"),
    (
        Config(),
        HostConfig(nano_cpus=3 * 10**9),
        "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs",
    ),
    (Config(), HostConfig(nano_cpus=1), "range of CPUs is from 0.01"),
    (Config(), HostConfig(cpu_shares=-1), "invalid CPU shares (-1): value must be a positive integer"),
    (Config(), HostConfig(cpu_period=1), "CPU cfs period can not be less than 1ms"),
    (Config(), HostConfig(cpu_quota=1), "CPU cfs quota can not be less than 1ms"),
    (Config(), HostConfig(cpuset_cpus="a"), "Invalid value a for cpuset cpus"),
    (Config(), HostConfig(cpuset_mems="0-"), "Invalid value 0- for cpuset mems"),
    (Config(), HostConfig(cpuset_cpus="1-0"), "Invalid value 1-0 for cpuset cpus"),
    (Config(), HostConfig(cpuset_mems="0,1-0"), "Invalid value 0,1-0 for cpuset mems"),
    (Config(), HostConfig(cpuset_cpus="0-2"), "Requested CPUs are not available - requested 0-2"),
    (Config(), HostConfig(blkio_weight=5), "Range of blkio weight is from 10 to 1000"),
    (Config(), HostConfig(oom_score_adj=1001), "range for oom score adj is [-1000, 1000]"),
    (Config(), HostConfig(pids_limit=-2), "invalid PIDs limit"),
    (Config(), HostConfig(shm_size=-1), "SHM size can not be less than 0"),
    (Config(), HostConfig(network_mode="container:"), "invalid network mode: invalid container format"),
    (Config(), HostConfig(ipc_mode="invalid"), "invalid IPC mode: invalid"),
    (Config(), HostConfig(ipc_mode="container:"), "invalid IPC mode: container:"),
    (Config(), HostConfig(pid_mode="invalid"), "invalid PID mode: invalid"),
    (Config(), HostConfig(uts_mode="invalid"), "invalid UTS mode: invalid"),
    (Config(), HostConfig(cgroupns_mode="invalid"), "invalid cgroup namespace mode: invalid"),
    (Config(), HostConfig(userns_mode="invalid"), "invalid USER mode: invalid"),
    (Config(), HostConfig(isolation="hyperv"), 'invalid isolation "hyperv" on linux'),
    (Config(), HostConfig(restart_policy=RestartPolicy("x")), "invalid restart policy: unknown policy 'x'"),
    (
        Config(),
        HostConfig(restart_policy=RestartPolicy("on-failure", -1)),
        "maximum retry count cannot be negative",
    ),
    (Config(), HostConfig(restart_policy=RestartPolicy("always", 1)), "can only be used with 'on-failure'"),
    (Config(), HostConfig(annotations={"": "x"}), "the empty string is not permitted as an annotation key"),
    (Config(), HostConfig(cgroup_parent="/a/../.."), "invalid cgroup parent"),
    (Config(), HostConfig(runtime="nope"), "unknown or invalid runtime name: nope"),
    (Config(), HostConfig(cap_add=("x",)), 'invalid CapAdd: unknown capability: "CAP_X"'),
    (Config(), HostConfig(ulimits=(Ulimit("x", 1, 1),)), "invalid ulimit type: x"),
    (Config(), HostConfig(ulimits=(Ulimit("core", 2, 1),)), "ulimit soft limit must be less than or equal"),
    (
        Config(),
        HostConfig(sysctls={"vm.swappiness": "1"}),
        'sysctl "vm.swappiness" is not in a separate kernel',
    ),
    (
        Config(),
        HostConfig(network_mode="host", sysctls={"net.x": "1"}),
        'sysctl "net.x" is not allowed in the hosts',
    ),
    (
        Config(),
        HostConfig(ipc_mode="host", sysctls={"kernel.sem": "1"}),
        'sysctl "kernel.sem" is not allowed',
    ),
    (Config(), HostConfig(dns=("x",)), "x is not an ip address"),
    (Config(), HostConfig(extra_hosts=("x",)), 'bad format for add-host: "x"'),
    (Config(), HostConfig(device_cgroup_rules=("x",)), "invalid device cgroup rule format: 'x'"),
    (Config(), HostConfig(security_opt=("x",)), 'invalid --security-opt 2: "x"'),
    (Config(), HostConfig(security_opt=("no-new-privileges:maybe",)), "invalid --security-opt 2"),
    (Config(), HostConfig(security_opt=("seccomp={",)), "Decoding seccomp profile failed"),
    (Config(), HostConfig(binds=("/a:b",)), "mount path must be absolute"),
    (Config(), HostConfig(tmpfs={"rel": ""}), "mount path must be absolute"),
]


@pytest.mark.parametrize(("config", "host_config", "text"), MALFORMED, ids=[row[2][:40] for row in MALFORMED])
def test_what_makes_no_sense_is_refused(config: Config, host_config: HostConfig, text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        admitted(config, host_config)
    assert text in str(caught.value)


ABSENT: list[tuple[Config, HostConfig, str]] = [
    (Config(volumes={"/data": {}}), HostConfig(), "Volumes"),
    (Config(), HostConfig(binds=("data:/data",)), "named volumes"),
    (Config(), HostConfig(mounts=(Mount("volume", "v", "/v"),)), 'mounts of type "volume"'),
    (Config(), HostConfig(volumes_from=("x",)), "VolumesFrom"),
    (Config(), HostConfig(volume_driver="nfs"), "nfs"),
    (Config(), HostConfig(device_requests=({"Count": -1},)), "DeviceRequests"),
    (Config(), HostConfig(storage_opt={"size": "1"}), "StorageOpt"),
    (Config(), HostConfig(cgroup="container:x"), "Cgroup"),
    (Config(), HostConfig(cpu_realtime_runtime=1), "CpuRealtimeRuntime"),
    (Config(), HostConfig(cpu_count=1), "Windows"),
    (Config(), HostConfig(ipc_mode="container:x"), "IPC namespace"),
    (Config(), HostConfig(log_config=LogConfig("syslog")), "syslog"),
    (Config(), HostConfig(log_config=LogConfig("json-file", {"tag": "x"})), "'tag'"),
    (Config(), HostConfig(security_opt=("label=type:x",)), "SELinux"),
    (Config(), HostConfig(security_opt=("apparmor=x",)), "AppArmor"),
]


@pytest.mark.parametrize(("config", "host_config", "text"), ABSENT, ids=[row[2] for row in ABSENT])
def test_what_is_not_there_yet_is_named_never_ignored(
    config: Config, host_config: HostConfig, text: str
) -> None:
    with pytest.raises(NotImplementedHere) as caught:
        admitted(config, host_config)
    assert text in str(caught.value)


def test_auto_remove_excludes_a_restart_policy() -> None:
    host_config = HostConfig(auto_remove=True, restart_policy=RestartPolicy("always"))
    with pytest.raises(InvalidParameter, match="can't create 'AutoRemove' container with restart policy"):
        admitted(host_config=host_config)


def test_every_other_host_option_is_admitted() -> None:
    host_config = HostConfig(
        binds=("/tmp:/x:ro",), cap_add=("NET_ADMIN",), devices=(Device("/dev/null", "/dev/n", "r"),),
        init=True, privileged=True, readonly_rootfs=True, tmpfs={"/run": "size=1m"}, network_mode="host",
        security_opt=("seccomp=unconfined",), pid_mode="host", sysctls={"kernel.msgmax": "1"},
        oom_score_adj=-1, group_add=("1",),
    )  # fmt: skip
    assert admitted(host_config=host_config).warnings == ()
