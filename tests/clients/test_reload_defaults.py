"""Settings that are defaults for containers: a reload reaches new containers, never those that exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tests.clients.cli import Docker
from tests.clients.engine import Engine, configure, until
from tests.clients.http_api import Api

NEW: Final = {
    "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 123, "Hard": 456}},
    "default-shm-size": "8M",
    "default-ipc-mode": "shareable",
    "default-stop-timeout": 3,
    "dns": ["192.0.2.53"],
    "dns-search": ["example.org"],
    "log-driver": "none",
}
# The hard limit: what runc 1.1 executes has now and then the soft one raised to it, as Go does at a start.
SHOW: Final = "ulimit -Hn; df -k /dev/shm | tail -n 1 | awk '{print $2}'; cat /etc/resolv.conf"


def made_with(docker: Docker, container: str) -> dict[str, Any]:
    """Return what of a container comes from defaults."""
    host = docker.inspect(container)["HostConfig"]
    same = {key: host[key] for key in ("ShmSize", "IpcMode", "Ulimits", "Dns", "DnsSearch", "Runtime")}
    return {**same, "Log": host["LogConfig"]["Type"]}


def test_new_containers_get_the_new_defaults_and_old_ones_keep_theirs(
    engine: Engine, api: Api, docker: Docker
) -> None:
    old = docker.sleeper()
    before, shown = made_with(docker, old), docker("exec", old, "sh", "-c", SHOW).out
    other = {"crun": "runc", "runc": "crun"}[before["Runtime"]]
    configure(engine.root, NEW | {"default-runtime": other})
    changed = {one["Key"] for one in api.reload()["Changes"]}
    assert changed == {*NEW, "default-runtime"}

    new = docker.sleeper()
    assert made_with(docker, new) == {
        "ShmSize": 8 << 20,
        "IpcMode": "shareable",
        "Ulimits": [{"Name": "nofile", "Soft": 123, "Hard": 456}],
        "Dns": ["192.0.2.53"],
        "DnsSearch": ["example.org"],
        "Log": "none",
        "Runtime": other,
    }
    limit, kib, *resolver = docker("exec", new, "sh", "-c", SHOW).lines
    assert (limit, kib) == ("456", "8192")
    assert {"nameserver 192.0.2.53", "search example.org"} <= set(resolver)

    docker("restart", old)
    assert made_with(docker, old) == before
    assert docker("exec", old, "sh", "-c", SHOW).out == shown


def test_the_stop_timeout_of_new_containers_changes(engine: Engine, api: Api, docker: Docker) -> None:
    old = docker("create", "busybox").out.strip()
    configure(engine.root, NEW)
    api.reload()
    new = docker("create", "busybox").out.strip()
    timeouts = [docker.inspect(container)["Config"].get("StopTimeout") for container in (old, new)]
    assert timeouts == [None, 3]


def test_labels_and_registries_change_at_once(engine: Engine, api: Api) -> None:
    document = {
        "labels": ["a=b"],
        "registry-mirrors": ["https://mirror.example.org"],
        "insecure-registries": ["registry.example.org:5000"],
    }
    configure(engine.root, document)
    api.reload()
    info = api.get("/info")
    assert info["Labels"] == ["a=b"]
    assert info["RegistryConfig"]["Mirrors"] == ["https://mirror.example.org/"]
    assert info["RegistryConfig"]["IndexConfigs"]["registry.example.org:5000"]["Secure"] is False


def test_a_runtime_that_is_not_there_is_an_error_of_who_starts_it(
    engine: Engine, api: Api, docker: Docker, tmp_path: Path
) -> None:
    binary = tmp_path / "later"
    configure(engine.root, {"runtimes": {"later": {"path": str(binary)}, "other": {"path": "no-such-name"}}})
    api.reload()
    container = docker("create", "--runtime", "later", "busybox", "echo", "at last").out.strip()
    refused = docker("start", container, ok=False)
    assert "error while looking up the specified runtime path" in refused.err
    assert f"stat {binary}: no such file or directory" in refused.err
    state = docker.inspect(container)["State"]
    assert (state["Status"], state["ExitCode"]) == ("created", 127)
    assert "executable file not found in $PATH" in docker.run("--runtime", "other", "busybox", ok=False).err
    binary.symlink_to("/usr/sbin/runc")
    assert docker("start", "--attach", container).out == "at last\n"


def test_the_log_changes_its_format_at_once(engine: Engine, api: Api) -> None:
    configure(engine.root, {"log-format": "json"})
    api.reload()
    written = len(engine.log)
    configure(engine.root, {"labels": ["a=b"], "log-format": "json"})
    api.reload()
    until(lambda: "configuration reloaded" in engine.log[written:], "the line in the log")
    lines = [json.loads(line) for line in engine.log[written:].splitlines()]
    assert any(line["changed"] == ["labels"] for line in lines if "changed" in line)
