"""What a runtime entry of daemon.json may be, and which program with which arguments it means.

An entry names a program (`path`, `runtimeArgs`) or one of containerd's shims (`runtimeType`,
`options`).  There is no containerd here; the shims for runc and crun do nothing that this engine does not
do itself, so such an entry means their program.  Other shims bring a runtime of their own inside, and
are refused, with what to write instead.

The texts are dockerd's (`moby:daemon/runtime_unix.go`) where it has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from daemon.settings import ConfiguredRuntime, Settings

SHIMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "io.containerd.runc.v1": "runc",
        "io.containerd.runc.v2": "runc",
        "io.containerd.crun.v1": "crun",
        "io.containerd.crun.v2": "crun",
    }
)
RESERVED: Final = ("runc", "io.containerd.runc.v2")
BUILT_IN_RUNTIMES: Final = (*RESERVED, "crun")
OPTIONS_TYPE: Final = ("TypeUrl", "containerd.runc.v1.Options")  # said by whoever copies it from containerd
FILE_NAME_BYTES: Final = 255
SCRIPT_SUFFIX_BYTES: Final = len(".") + 64  # of a wrapper script: a SHA-256 in hexadecimal digits


def oci_runtime(configured: ConfiguredRuntime) -> tuple[str, tuple[str, ...]]:
    """Return the program of a checked entry, a path or a name to look up on PATH, and its arguments."""
    if configured.path:
        return configured.path, configured.runtime_args
    options = configured.options or {}
    return options.get("BinaryName") or SHIMS[configured.runtime_type], ()


def check_runtimes(settings: Settings) -> Iterator[str]:
    """Name what is wrong with the runtimes and the choice among them."""
    for name, runtime in settings.runtimes.items():
        yield from (f"runtimes: {problem}" for problem in _name_problems(name))
        yield from (f"runtimes: runtime {name}: {problem}" for problem in _entry_problems(runtime))
    known = {"", *BUILT_IN_RUNTIMES, *settings.runtimes}
    if settings.default_runtime not in known:
        yield f"default-runtime: specified default runtime '{settings.default_runtime}' does not exist"


def _name_problems(name: str) -> Iterator[str]:
    if name in RESERVED:
        yield f"runtime name '{name}' is reserved"
    if name in {"", ".", ".."} or "/" in name or not name.isprintable():
        yield f"unknown or invalid runtime name: {name}"
    if len(name.encode(errors="replace")) > FILE_NAME_BYTES - SCRIPT_SUFFIX_BYTES:
        yield f"runtime name '{name}' is longer than {FILE_NAME_BYTES - SCRIPT_SUFFIX_BYTES} bytes"


def _entry_problems(runtime: ConfiguredRuntime) -> Iterator[str]:
    if runtime.path:
        yield from _path_entry_problems(runtime)
    elif not runtime.runtime_type:
        yield "either a runtimeType or a path must be configured"
    else:
        yield from _shim_entry_problems(runtime, runtime.options or {})


def _path_entry_problems(runtime: ConfiguredRuntime) -> Iterator[str]:
    if runtime.runtime_type:
        yield "cannot configure both path and runtimeType for the same runtime"
    if runtime.options:
        yield "options cannot be used with a path runtime"
    yield from _program_problems("path", runtime.path)


def _shim_entry_problems(runtime: ConfiguredRuntime, options: Mapping[str, Any]) -> Iterator[str]:
    if runtime.runtime_args:
        yield "args cannot be used with a runtimeType runtime"
    if runtime.runtime_type not in SHIMS:
        yield (
            f"runtimeType {runtime.runtime_type!r} is not supported, only those of runc and crun are "
            f"({', '.join(SHIMS)}): configure the OCI runtime's program as path"
        )
        return  # its options mean nothing here
    for option, value in options.items():
        if option == "BinaryName" and isinstance(value, str):
            yield from _program_problems("options.BinaryName", value)
        elif option == "BinaryName":
            yield "options.BinaryName: expected string"
        elif (option, value) != OPTIONS_TYPE:
            yield f"options.{option} is not supported: only BinaryName is"


def _program_problems(place: str, program: str) -> Iterator[str]:
    """Refuse what depends on the directory that somebody is in."""
    if "/" in program and not program.startswith("/"):
        yield f"{place}: must be an absolute path or a name on PATH, got {program!r}"
