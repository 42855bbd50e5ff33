"""The process section: of a container's first process, and of exec sessions in it.

An exec session is a process of the same container, so it starts from the same configuration and the
same limits; only what ExecConfig can say differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from daemon.model import Config, ExecConfig, HostConfig
from daemon.runtimes.spec import capabilities
from daemon.runtimes.spec.inputs import HostFacts, SpecInputs
from daemon.runtimes.spec.limits import rlimits
from daemon.runtimes.spec.mounts import INIT_TARGET, wants_init
from daemon.runtimes.spec.security import UNCONFINED, security_options
from daemon.runtimes.users import ResolvedUser

DEFAULT_PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def container_process(inputs: SpecInputs) -> dict[str, Any]:
    """Return the section for the first process of a container.

    Raises:
        InvalidParameter: its capabilities or security options are malformed.

    """
    config, host_config = inputs.config, inputs.host_config
    granted = capabilities.granted(host_config, inputs.host.capabilities)
    return {
        **_common(host_config, inputs.host),
        **_terminal(config.tty, host_config.console_size),
        "user": _user(inputs.user),
        "args": [*([INIT_TARGET, "--"] if wants_init(host_config) else []), *command(config)],
        "env": environment(inputs.hostname, inputs.user.home, config.tty, config.env or ()),
        "cwd": config.working_dir or "/",
        "capabilities": capabilities.section(granted, inputs.user.uid),
    }


def build_process(
    inputs: SpecInputs, exec_config: ExecConfig, user: ResolvedUser | None = None
) -> dict[str, Any]:
    """Return the process document an OCI runtime's `exec --process` takes.

    Args:
        inputs: those of the container; of `inputs.user` its default.
        exec_config: what the session says differently.
        user: `exec_config.user` looked up in the container, None for the container's own.

    Raises:
        InvalidParameter: the container's capabilities or security options are malformed.

    """
    config, host_config, runs_as = inputs.config, inputs.host_config, user or inputs.user
    granted = capabilities.granted(host_config, inputs.host.capabilities)
    if exec_config.privileged:
        granted = inputs.host.capabilities
    env = (*(config.env or ()), *(exec_config.env or ()))
    return {
        **_common(host_config, inputs.host),
        **_terminal(exec_config.tty, exec_config.console_size or ()),
        "user": _user(runs_as),
        "args": list(exec_config.cmd or ()),
        "env": environment(inputs.hostname, runs_as.home, exec_config.tty, env),
        "cwd": exec_config.working_dir or config.working_dir or "/",
        "capabilities": capabilities.section(granted, runs_as.uid),
    }


def command(config: Config) -> list[str]:
    """Return what a container runs: its entrypoint and the arguments to it."""
    return [*(config.entrypoint or ()), *(config.cmd or ())]


def environment(hostname: str, home: str, tty: bool, configured: Iterable[str]) -> list[str]:
    """Return the environment: defaults, then `configured` over them.

    A later entry replaces an earlier one with its name; a name without "=" takes the variable away.
    """
    found = {"HOME": f"HOME={home}"}
    defaults = (DEFAULT_PATH, f"HOSTNAME={hostname}", *(["TERM=xterm"] if tty else []))
    for entry in (*defaults, *configured):
        name, separator, _ = entry.partition("=")
        if separator:
            found[name] = entry
        else:
            found.pop(name, None)
    return list(found.values())


def _common(host_config: HostConfig, host: HostFacts) -> dict[str, Any]:
    """Return what every process of a container has."""
    options = security_options(host_config.security_opt)
    confined = options.apparmor not in {"", UNCONFINED} and not host_config.privileged
    return {
        "noNewPrivileges": options.no_new_privileges,
        "oomScoreAdj": host_config.oom_score_adj,
        "rlimits": rlimits(host_config.ulimits, host),
        **({"apparmorProfile": options.apparmor} if confined else {}),
    }


def _terminal(tty: bool, size: Sequence[int]) -> dict[str, Any]:
    """Return the terminal; `size` is (height, width), zeros or nothing when the client did not say."""
    if not tty:
        return {"terminal": False}
    if len(size) == 2 and all(size):
        return {"terminal": True, "consoleSize": {"height": size[0], "width": size[1]}}
    return {"terminal": True}


def _user(user: ResolvedUser) -> dict[str, Any]:
    return {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)}
