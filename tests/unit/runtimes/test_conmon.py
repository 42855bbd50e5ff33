"""The monitor's command line, and what it leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from daemon.runtimes.base import Exit
from daemon.runtimes.conmon import Order
from daemon.runtimes.monitorfiles import MonitorFiles
from daemon.runtimes.oci import OciRuntime

ORDER = Order(
    id="c1",
    runtime=OciRuntime("/usr/bin/crun", Path("/run/x/runtime")),
    files=MonitorFiles(Path("/run/x/bundles/c1"), "c1"),
    log=Path("/var/x/output.log"),
    terminal=False,
    stdin=False,
)


def test_the_monitor_is_told_where_everything_is() -> None:
    assert set(ORDER.command()) >= {
        "--cid=c1",
        "--runtime=/usr/bin/crun",
        "--runtime-arg=--root=/run/x/runtime",
        "--bundle=/run/x/bundles/c1",
        "--exit-dir=/run/x/bundles/c1/exit",
        "--log-path=k8s-file:/var/x/output.log",
    }


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"terminal": True}, "--terminal"),
        ({"stdin": True}, "--stdin"),
        ({"leave_stdin_open": True}, "--leave-stdin-open"),
        ({"log": None}, "--log-path=off:"),
        ({"log_size_max_bytes": 10_000}, "--log-size-max=10000"),
        ({"exec_process": Path("/p.json")}, "--exec"),
        ({"exec_process": Path("/p.json")}, "--exec-process-spec=/p.json"),
    ],
)
def test_each_wish_is_a_flag_and_is_there_only_if_it_is_wished(changes: dict[str, Any], flag: str) -> None:
    assert flag not in ORDER.command()
    assert flag in attrs.evolve(ORDER, **changes).command()


@pytest.fixture
def files(tmp_path: Path) -> MonitorFiles:
    (tmp_path / "exit").mkdir()
    return MonitorFiles(tmp_path, "c1")


def test_an_exit_that_was_not_written_is_not_known(files: MonitorFiles) -> None:
    assert files.read_exit() is None


@pytest.mark.parametrize("written", [b"", b"x", b"1x", b"-1", b"256", b"\xff\xfe", b"9" * 5000])
def test_an_exit_that_is_damaged_is_not_known(files: MonitorFiles, written: bytes) -> None:
    (files.exits / "c1").write_bytes(written)
    assert files.read_exit() is None


def test_an_exit_that_is_no_file_is_not_known(files: MonitorFiles) -> None:
    (files.exits / "c1").mkdir()
    assert files.read_exit() is None


@pytest.mark.parametrize("out_of_memory", [False, True])
def test_an_exit_can_be_kept_when_the_rest_is_deleted(
    files: MonitorFiles, tmp_path: Path, out_of_memory: bool
) -> None:
    keeping = attrs.evolve(files, kept=tmp_path / "kept")
    keeping.keep_exit()  # there is none yet
    (files.exits / "c1").write_text("7")
    if out_of_memory:
        (files.directory / "oom").touch()
    before = keeping.read_exit()
    for _ in range(2):  # as after a crash
        keeping.keep_exit()
    assert files.read_exit() is None
    assert keeping.read_exit() == before == Exit(7, oom_killed=out_of_memory)


@pytest.mark.parametrize("out_of_memory", [False, True])
def test_an_exit_is_a_code_and_whether_memory_ran_out(files: MonitorFiles, out_of_memory: bool) -> None:
    (files.exits / "c1").write_text("137\n")
    if out_of_memory:
        (files.directory / "oom").touch()
    assert files.read_exit() == Exit(137, oom_killed=out_of_memory)


def test_a_terminals_socket_is_among_the_monitors_files_and_its_times_are_in_utc() -> None:
    assert (ORDER.environment()["TMPDIR"], ORDER.environment()["TZ"]) == (".", "UTC")
