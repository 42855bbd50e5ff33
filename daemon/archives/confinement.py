"""What every child does before it looks at anything that others have made.

Source: chroot(2), getrlimit(2); seccomp(2) and kernel Documentation/userspace-api/no_new_privs.rst.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import resource

from daemon.archives.errors import Unconfined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

MEMORY_LIMIT_BYTES: Final = 2 << 30
CPU_LIMIT_SECONDS: Final = 600
CPU_BYTES_PER_SECOND: Final = 1 << 18
FILTER: Final = "LONGSHORE_FILTER"  # names the file with its filter to a child
_PROGRAM_LIMIT_BYTES: Final = 1 << 16
_INSTRUCTION_BYTES: Final = 8
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_UNSIGNED: Final = ctypes.c_ulong
_PRCTL: Final = ctypes.CDLL(None, use_errno=True).prctl


class _Program(ctypes.Structure):
    _fields_ = (("instructions", ctypes.c_ushort), ("first", ctypes.c_void_p))


def confine(root: str) -> None:
    """Leave the host's tree for ever: from here on `/` is `root`, and resources and system calls are limited.

    All that is needed must have been imported: behind this there is no standard library left to load.  There
    must be one thread only; those that it starts are as confined as it is.

    Raises:
        Unconfined: the kernel refused.

    """
    try:
        _confine(root, _program())
    except OSError as error:
        raise Unconfined(f"a child cannot be confined: {error}") from error


def _confine(root: str, program: bytes) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_SECONDS, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chroot(root)
    os.chdir("/")
    os.umask(0)  # what a file is to have is said where it is made
    _filter(program)


def _program() -> bytes:
    """Return the filter that `daemon.archives.filters` has for this child."""
    descriptor = int(os.environ[FILTER])
    program = os.pread(descriptor, _PROGRAM_LIMIT_BYTES, 0)
    os.close(descriptor)
    return program


def _filter(program: bytes) -> None:
    assert _thread._count() == 0  # the others would stay as they are
    instructions = ctypes.create_string_buffer(program, len(program))
    described = _Program(len(program) // _INSTRUCTION_BYTES, ctypes.addressof(instructions))
    for arguments in (
        (_PR_SET_NO_NEW_PRIVS, _UNSIGNED(1), _UNSIGNED(0)),
        (_PR_SET_SECCOMP, _UNSIGNED(_SECCOMP_MODE_FILTER), ctypes.byref(described)),
    ):
        if _PRCTL(*arguments, _UNSIGNED(0), _UNSIGNED(0)) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"{os.strerror(code)} (seccomp)")


def grant_cpu(work_bytes: int) -> None:
    """Allow more time for more work, so that only what does not get on is ever stopped."""
    seconds = CPU_LIMIT_SECONDS + work_bytes // CPU_BYTES_PER_SECOND
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
