"""What the kernel still does for a child once it is confined: an allow list for each kind of child.

A changed root is no wall for code of an archive's maker that runs as root (it would come in through a
hole in a C decoder), so after `confine` a child can do nothing but what its work takes.  What is missing here
is refused as if the kernel did not have it, which is what the C library knows how to live with: nothing can
be executed, mounted or traced, no socket, namespace, key or module can be had, memory does not become code,
a thread is all that can be started.  Children that only read cannot make or change a file either.

Source: seccomp(2), capabilities(7); the OCI runtime specification's seccomp section is the form.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from daemon.seccomp_bpf import compile_section

_ALLOW: Final = "SCMP_ACT_ALLOW"
_CLONE_THREAD: Final = 0x00010000
_PROT_EXEC: Final = 0x4
_TCGETS: Final = 0x5401
_CHANGES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_RUNNING: Final = (
    *("brk", "madvise", "mremap", "munmap", "membarrier"),
    *("futex", "futex_time64", "gettid", "getpid", "restart_syscall", "rseq", "sched_getaffinity"),
    *("sched_yield", "set_robust_list", "set_tid_address", "exit", "exit_group"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "getrandom"),
    *("clock_gettime", "clock_getres", "clock_nanosleep", "gettimeofday", "nanosleep", "time"),
    *("getuid", "geteuid", "getgid", "getegid", "uname", "getrusage", "times", "getrlimit", "setrlimit"),
)
_READING: Final = (
    *("close", "read", "readv", "pread64", "preadv", "lseek", "_llseek"),
    *("write", "writev", "pwrite64", "dup", "fcntl", "fcntl64", "poll", "ppoll", "select", "pselect6"),
    *("stat", "fstat", "lstat", "stat64", "fstat64", "lstat64", "newfstatat", "fstatat64", "statx"),
    *("statfs", "fstatfs", "statfs64", "fstatfs64", "access", "faccessat", "faccessat2"),
    *("readlink", "readlinkat", "getdents", "getdents64", "getcwd", "chdir", "fchdir"),
    *("getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr", "fadvise64"),
    *("sendfile", "sendfile64", "splice", "copy_file_range"),
)
_MAKING: Final = (
    *("mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat", "link", "linkat"),
    *("unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2"),
    *("chmod", "fchmod", "fchmodat", "chown", "lchown", "fchown", "fchownat", "umask"),
    *("utime", "utimes", "futimesat", "utimensat", "utimensat_time64"),
    *("setxattr", "lsetxattr", "fsetxattr", "ftruncate", "ftruncate64", "fallocate", "fsync", "fdatasync"),
)


def _rule(*names: str, **condition: int | str) -> Mapping[str, Any]:
    return {"names": names, "action": _ALLOW, **({"args": [condition]} if condition else {})}


def _has(index: int, bits: int, value: int) -> dict[str, Any]:
    """Return the condition that of an argument's `bits` exactly those of `value` are set."""
    return {"index": index, "value": bits, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}


_CONDITIONAL: Final = (
    _rule("clone", **_has(0, _CLONE_THREAD, _CLONE_THREAD)),
    _rule("mmap", "mmap2", "mprotect", **_has(2, _PROT_EXEC, 0)),
    _rule("ioctl", index=1, value=_TCGETS, op="SCMP_CMP_EQ"),  # Python asks whether a file is a terminal
    _rule("prlimit64", index=0, value=0, op="SCMP_CMP_EQ"),  # its own limits
)
_OPENING_TO_READ: Final = (_rule("open", **_has(1, _CHANGES, 0)), _rule("openat", **_has(2, _CHANGES, 0)))
_OPENING: Final = (_rule("open", "openat"),)
MAKERS: Final = frozenset({"extract", "split", "write"})


def program_for(child: str) -> bytes:
    """Return the compiled filter of a child; some milliseconds the first time, so call it in a thread.

    Raises:
        Failed: libseccomp is missing.

    """
    return _makers() if child in MAKERS else _readers()


@cache
def _makers() -> bytes:
    return _compiled(_rule(*_RUNNING, *_READING, *_MAKING), *_OPENING, *_CONDITIONAL)


@cache
def _readers() -> bytes:
    return _compiled(_rule(*_RUNNING, *_READING), *_OPENING_TO_READ, *_CONDITIONAL)


def _compiled(*rules: Mapping[str, Any]) -> bytes:
    return compile_section(
        {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": errno.ENOSYS, "syscalls": rules}
    )
