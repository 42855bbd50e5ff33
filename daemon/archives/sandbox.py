"""Running the confined children that read untrusted archives.

The engine itself never parses a tar: a hostile one can cost a child its life, nothing more.  Data goes from
the archive's file straight to the child's stdin and from there to disk; the engine moves no bytes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from daemon.errors import InvalidParameter

_PACKAGE_ROOT: Final = Path(__file__).resolve().parents[2]
_ERROR_LIMIT_CHARACTERS: Final = 2000


@attrs.frozen
class Extracted:
    """What a layer turned out to be; `size_bytes` is that of all its files, unpacked."""

    diff_id: str
    size_bytes: int


@attrs.frozen
class Member:
    """A file of an archive, now lying at `path`."""

    path: Path
    size_bytes: int
    digest: str


@attrs.frozen
class Archive:
    """The files of an archive by name; a link to a file is one more name for it."""

    members: Mapping[str, Member]


async def extract(blob: Path, directory: Path) -> Extracted:
    """Unpack the layer in `blob`, compressed or not, into the empty `directory`.

    Raises:
        InvalidParameter: it is not a layer that could be unpacked; the text says why.

    """
    return Extracted(**await _child("daemon.archives.extract", blob, directory))


async def split(archive: Path, directory: Path) -> Archive:
    """Take an image archive apart into the empty `directory`.

    Raises:
        InvalidParameter: it is not a tar, or a broken one.

    """
    answer = await _child("daemon.archives.split", archive, directory)
    files = {
        name: Member(directory / found["number"], found["size_bytes"], found["digest"])
        for name, found in answer["files"].items()
    }
    linked = {
        name: files[target]
        for name, target in answer["links"].items()
        if target in files and name not in files
    }
    return Archive(files | linked)


async def _child(module: str, source: Path, directory: Path) -> Any:
    command = [sys.executable, "-P", "-s", "-m", module, str(directory)]
    descriptor = await trio.to_thread.run_sync(os.open, source, os.O_RDONLY)
    try:
        done = await trio.run_process(
            command,
            stdin=descriptor,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env={"PYTHONPATH": str(_PACKAGE_ROOT), "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,  # a Ctrl-C in the engine's terminal is the engine's business
            deliver_cancel=_kill,
        )
    finally:
        os.close(descriptor)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[:_ERROR_LIMIT_CHARACTERS]
        raise InvalidParameter(f"invalid archive: {said or f'the reader ended with {done.returncode}'}")
    return json.loads(done.stdout)  # not orjson, which refuses names that are not UTF-8


async def _kill(process: trio.Process) -> None:  # ruff: ignore[unused-async]  trio awaits it
    """A child owns nothing but a directory its parent throws away, so there is nothing to let it finish."""
    process.kill()
