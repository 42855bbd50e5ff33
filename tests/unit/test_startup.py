"""What keeps an engine from starting is explained, with its cure."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.startup import CannotStart, MissingProgram, explained, only_engine_of, pidfile

DIES_WHILE_FORKING = """
import os, signal, sys, time
from pathlib import Path
from daemon.startup import only_engine_of
with only_engine_of(Path(sys.argv[1])):
    if os.fork() == 0:
        os.close(1), os.close(2)
        time.sleep(0.5)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_second_engine_of_the_same_directory_is_refused(tmp_path: Path) -> None:
    refused = pytest.raises(CannotStart, match="another engine is using")
    with only_engine_of(tmp_path), refused, only_engine_of(tmp_path):
        pass


def test_a_directory_is_free_again_when_its_engine_has_ended(tmp_path: Path) -> None:
    for _ in range(2):
        with only_engine_of(tmp_path / "made" / "deep"):
            assert (tmp_path / "made" / "deep").is_dir()


def test_a_child_of_a_dead_engine_is_waited_for(tmp_path: Path) -> None:
    """It has the lock until it has become another program; here that takes half a second."""
    engine = subprocess.run(
        [sys.executable, "-c", DIES_WHILE_FORKING, str(tmp_path)], capture_output=True, check=False
    )
    assert engine.returncode == -signal.SIGKILL, engine.stderr
    with only_engine_of(tmp_path):
        assert (tmp_path / "engine.lock").read_text() == f"{os.getpid()}\n"


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = pytest.raises(CannotStart, match="file/root: Not a directory")
    with refused, only_engine_of(tmp_path / "file" / "root"):
        pass


def test_an_address_in_use_comes_with_a_question() -> None:
    line = r"^unix:///x: Address already in use: is another engine running there\?$"
    with pytest.raises(CannotStart, match=line), explained("unix:///x"):
        raise OSError(errno.EADDRINUSE, "whatever")


def test_the_pidfile_holds_our_pid_and_goes(tmp_path: Path) -> None:
    with pidfile(tmp_path / "pid"):
        assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"
    assert not (tmp_path / "pid").exists()


def test_the_pidfile_of_an_engine_that_lives_is_respected(tmp_path: Path) -> None:
    with pidfile(tmp_path / "pid"):
        refused = pytest.raises(CannotStart, match=f"PID {os.getpid()} is still running")
        with refused, pidfile(tmp_path / "pid"):
            pass
        assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("left", ["", "garbage", "999999999\n", f"{os.getppid()}\n"])
def test_a_pidfile_that_was_left_behind_is_replaced(left: str, tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(left)
    with pidfile(tmp_path / "pid"):
        assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("crun", "crun not found: apt install crun"),
        ("mine", "mine not found: correct its path in the configuration"),
    ],
)
def test_a_missing_program_names_its_debian_package(name: str, line: str) -> None:
    assert str(MissingProgram(name, name)) == line
