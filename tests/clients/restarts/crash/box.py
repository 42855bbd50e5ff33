"""What one container runs, and the directory through which it is told what to do without the engine.

The program numbers its runs and its lines and writes down what it has printed, so the directory knows,
whoever was killed meanwhile, what the log must have.  All of it is shell built-ins, which cost nothing.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, Final

import attrs

PROGRAM: Final = """
run=1
while read -r _; do run=$((run + 1)); done < /box/runs
echo $run >> /box/runs
exec 3<> /box/orders
trap 'exit 43' TERM
printed=0
echo "run $run"
while :; do
    read -r order value <&3 || continue
    case $order in
    exit) exit $value ;;
    print)
        while [ $value -gt 0 ]; do
            value=$((value - 1)); printed=$((printed + 1)); echo "line $run $printed"
        done
        echo $printed > /box/printed.$run ;;
    esac
done
"""
TERMINATED: Final = 43  # what it exits with when it is told to stop
SESSION: Final = "exec 3<> /box/session.{key}; echo up; read -r code <&3; exit $code"


class Unheard(Exception):
    """The process is not there, or not yet, or not any more."""


@attrs.frozen
class Box:
    """A directory that is mounted at /box."""

    directory: Path

    @classmethod
    def made(cls, directory: Path) -> Box:
        """Make the directory and what is always in it."""
        directory.mkdir()
        (directory / "runs").touch()
        os.mkfifo(directory / "orders")
        return cls(directory)

    def wish(self, **more: Any) -> dict[str, Any]:
        """Return the body of a create for a container that runs the program."""
        host_config = {"Binds": [f"{self.directory}:/box"], **more.pop("HostConfig", {})}
        return {"Image": "busybox", "Cmd": ["sh", "-c", PROGRAM], "HostConfig": host_config, **more}

    def tell(self, order: str, *, fifo: str = "orders") -> None:
        """Give the process an order.

        Raises:
            Unheard: there is no process to hear it.

        """
        try:
            descriptor = os.open(self.directory / fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in {errno.ENXIO, errno.ENOENT}:
                raise Unheard from None
            raise
        try:
            os.write(descriptor, f"{order}\n".encode())
        finally:
            os.close(descriptor)

    def session_command(self, key: str) -> list[str]:
        """Return the command of an exec session that ends with the code it is told."""
        os.mkfifo(self.directory / f"session.{key}")
        return ["sh", "-c", SESSION.format(key=key)]

    def runs(self) -> int:
        """Return how many runs have begun."""
        return len((self.directory / "runs").read_text().splitlines())

    def printed(self) -> dict[int, int]:
        """Return, for each run that has said so, how many lines it has printed at least."""
        found = {}
        for file in self.directory.glob("printed.*"):
            if text := file.read_text().strip():  # between the opening and the writing there is none
                found[int(file.suffix[1:])] = int(text)
        return found

    def problems_of(self, log: list[str]) -> list[str]:
        """Return what is wrong with a log: each line must be there once, in order, and none be missing."""
        last: dict[int, int] = {}
        run = 0
        for line in log:
            kind, *numbers = line.split()
            if kind == "run" and int(numbers[0]) > run:
                run = int(numbers[0])
                last[run] = 0
            elif kind == "line" and [int(number) for number in numbers] == [run, last.get(run, -1) + 1]:
                last[run] += 1
            else:
                return [f"log of {self.directory.name}: {line!r} after line {last.get(run)} of run {run}"]
        return [
            f"log of {self.directory.name}: ends at line {last.get(run, 'none')} of run {run}, not {printed}"
            for run, printed in self.printed().items()
            if last.get(run, 0) < printed
        ]
