"""Compiles a seccomp section to the program the kernel runs, with libseccomp.

A runtime does this at every create (20 ms and more); the result depends on nothing but the section, so the
engine does it once.  Bound with ctypes to the eight functions needed: pyseccomp, the package for it, starts
`ldconfig` when imported, has no types and does not know the optimisation attribute.

Source: seccomp_init(3), seccomp_rule_add(3), seccomp_attr_set(3), seccomp_export_bpf(3).
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from daemon.errors import Failed, InvalidParameter

_LIBRARY: Final = "libseccomp.so.2"
_BINARY_TREE: Final = 2  # value of the attribute below: look syscalls up by halving, not one by one
_ATTRIBUTE_OPTIMIZE: Final = 8
_NATIVE_ARCHITECTURE: Final = 0
_UNKNOWN_SYSCALL: Final = -1

ACTIONS: Final[Mapping[str, int]] = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_CARRIES_VALUE: Final = frozenset({"SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"})
_COMPARISONS: Final = {
    f"SCMP_CMP_{name}": number
    for number, name in enumerate(("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"), 1)
}


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def compile_section(section: Mapping[str, Any]) -> bytes:
    """Return the BPF program of an OCI seccomp section; takes some 30 ms, so call it in a thread.

    Raises:
        InvalidParameter: the section names an action, comparison or architecture libseccomp does not know.
        Failed: libseccomp is missing or refuses the section.

    """
    library = _library()
    default = _action(section["defaultAction"], section.get("defaultErrnoRet"))
    with _filter(library, default) as context:
        _check(library.seccomp_attr_set(context, _ATTRIBUTE_OPTIMIZE, _BINARY_TREE), "optimise")
        _set_architectures(library, context, section.get("architectures") or ())
        for rule in section["syscalls"]:
            _add_rule(library, context, rule, default)
        return _export(library, context)


@contextmanager
def _filter(library: ctypes.CDLL, default: int) -> Generator[ctypes.c_void_p, None, None]:
    context = library.seccomp_init(default)
    if not context:
        raise Failed("libseccomp cannot make a filter")
    try:
        yield ctypes.c_void_p(context)
    finally:
        library.seccomp_release(ctypes.c_void_p(context))


def _set_architectures(library: ctypes.CDLL, context: ctypes.c_void_p, names: Iterable[str]) -> None:
    """Make the filter serve exactly `names`; for others the kernel kills, which is libseccomp's default."""
    tokens = {name: library.seccomp_arch_resolve_name(_short(name)) for name in names}
    for name, token in tokens.items():
        if not token:
            raise InvalidParameter(f"Decoding seccomp profile failed: unknown architecture {name}")
        _check(library.seccomp_arch_add(context, token), f"add {name}", errno.EEXIST)
    if tokens and library.seccomp_arch_native() not in tokens.values():
        _check(library.seccomp_arch_remove(context, _NATIVE_ARCHITECTURE), "remove the native architecture")


def _short(architecture: str) -> bytes:
    return architecture.removeprefix("SCMP_ARCH_").lower().encode("ascii", "replace")


def _add_rule(library: ctypes.CDLL, context: ctypes.c_void_p, rule: Mapping[str, Any], default: int) -> None:
    action = _action(rule["action"], rule.get("errnoRet"))
    if action == default:  # libseccomp refuses what changes nothing
        return
    comparisons = [_comparison(argument) for argument in rule.get("args") or ()]
    array = (_Comparison * len(comparisons))(*comparisons)
    for name in rule["names"]:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number != _UNKNOWN_SYSCALL:  # newer than this libseccomp: the default action has it
            added = library.seccomp_rule_add_array(context, action, number, len(comparisons), array)
            _check(added, f"add a rule for {name}", errno.EEXIST)


def _action(name: str, value: int | None) -> int:
    if name not in ACTIONS:
        raise InvalidParameter(f"Decoding seccomp profile failed: unsupported action {name}")
    carried = errno.EPERM if value is None else value
    return ACTIONS[name] | (carried & 0xFFFF if name in _CARRIES_VALUE else 0)


def _comparison(argument: Mapping[str, Any]) -> _Comparison:
    if argument.get("op") not in _COMPARISONS:
        raise InvalidParameter(f"Decoding seccomp profile failed: unknown comparison {argument.get('op')}")
    operator = _COMPARISONS[argument["op"]]
    return _Comparison(argument["index"], operator, argument["value"], argument.get("valueTwo", 0))


def _export(library: ctypes.CDLL, context: ctypes.c_void_p) -> bytes:
    with os.fdopen(os.memfd_create("seccomp"), "rb") as file:
        _check(library.seccomp_export_bpf(context, file.fileno()), "export")
        file.seek(0)
        return file.read()


def _check(result: int, doing: str, *harmless: int) -> None:
    if result < 0 and -result not in harmless:
        raise Failed(f"libseccomp cannot {doing}: {os.strerror(-result)}")


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise Failed(f"{_LIBRARY} is missing (Debian package libseccomp2): {error}") from None
    context, token = ctypes.c_void_p, ctypes.c_uint32
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [token]
    library.seccomp_release.argtypes = [context]
    library.seccomp_attr_set.argtypes = [context, ctypes.c_int, token]
    library.seccomp_arch_resolve_name.restype = token
    library.seccomp_arch_native.restype = token
    library.seccomp_arch_add.argtypes = [context, token]
    library.seccomp_arch_remove.argtypes = [context, token]
    library.seccomp_rule_add_array.argtypes = [context, token, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
    library.seccomp_export_bpf.argtypes = [context, ctypes.c_int]
    return library
