"""The image all engines run: Debian's static busybox and a file of lines to print."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Final

BUSYBOX: Final = Path("/bin/busybox")
COMMANDS: Final = ("sh", "cat", "dd", "echo", "sleep", "true")
LINE: Final = (
    b"0123456789 the quick brown fox jumps over the lazy dog; the quick brown fox jumps over it again.\n"
)
LINES_BYTES: Final = 8 << 20
"""Size of /lines, a whole number of lines short of this."""


def lines() -> bytes:
    """Return the content of /lines: lines of about 100 bytes."""
    return LINE * (LINES_BYTES // len(LINE))


def root_filesystem() -> bytes:
    """Return a tar archive of the image's root filesystem."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for directory in ("bin", "dev", "etc", "proc", "root", "sys", "tmp"):
            member = tarfile.TarInfo(directory)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        _add_file(tar, "bin/busybox", BUSYBOX.read_bytes(), 0o755)
        _add_file(tar, "lines", lines(), 0o644)
        for command in COMMANDS:
            member = tarfile.TarInfo(f"bin/{command}")
            member.type, member.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(member)
    return archive.getvalue()


def _add_file(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))
