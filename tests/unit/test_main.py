"""The command line: what it prints and with which status it ends."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

import daemon.__main__ as command
from daemon import __version__
from daemon.configuration import Source
from daemon.errors import Failed
from daemon.settings import ConfiguredRuntime, Settings
from daemon.startup import CannotStart, MissingProgram

Engine = Callable[[Source, Settings], None]


@pytest.fixture(autouse=True)
def _no_configuration_on_this_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "CONFIG_FILE", tmp_path / "absent.json")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Engine], None]:
    """Have something else run in the supervisor's place."""

    def replace(run: Engine) -> None:
        async def fake(source: Source, settings: Settings) -> None:
            run(source, settings)

        supervisor = types.ModuleType("daemon.supervisor")
        supervisor.run = fake  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "daemon.supervisor", supervisor)

    return replace


def roots(tmp_path: Path) -> list[str]:
    return ["--data-root", str(tmp_path / "data"), "--exec-root", str(tmp_path / "exec")]


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        command.main(["--version"])
    assert capsys.readouterr().out == f"longshored {__version__}\n"


@pytest.mark.parametrize("arguments", [["--foo"], ["--data-root"], ["extra"], ["--data", "/x"]])
def test_a_bad_flag_is_one_line_and_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(arguments)
    line = capsys.readouterr().err
    assert line.startswith("longshored: ")
    assert line.count("\n") == 1


def test_a_good_configuration_validates(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    file.write_text('{"debug": true}')
    assert command.main(["--validate", "--config-file", str(file)]) == 0
    assert capsys.readouterr().out == "configuration OK\n"


def test_validation_lists_every_problem(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    file.write_text('{"debug": 1, "labels": [2]}')
    assert command.main(["--validate", "--config-file", str(file)]) == 1
    assert capsys.readouterr().err == (
        "debug: expected bool, got int\nlabels[0]: expected string, got int\n"
    )  # fmt: skip


def test_an_invalid_configuration_is_one_line_and_status_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "daemon.json"
    file.write_text('{"debug": 1, "labels": [2]}')
    assert command.main(["--config-file", str(file)]) == 1
    assert capsys.readouterr().err == (
        f"longshored: invalid configuration ({file} and flags): "
        "debug: expected bool, got int; labels[0]: expected string, got int\n"
    )


def test_a_named_configuration_that_cannot_be_read_is_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--config-file", "/no/such/file"]) == 1
    assert capsys.readouterr().err == (
        "longshored: invalid configuration (/no/such/file and flags): "
        "cannot read the configuration file /no/such/file: No such file or directory\n"
    )


@pytest.mark.parametrize("given", ["x", "=path", "x="])
def test_a_runtime_without_name_or_path_is_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--add-runtime", given]) == 1
    assert f"add-runtime: expected NAME=PATH, got {given!r}" in capsys.readouterr().err


def test_flags_reach_the_engine(
    engine: Callable[[Engine], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given: list[Settings] = []
    engine(lambda _, settings: given.append(settings))
    arguments = [
        "-H",
        "unix:///a",
        "--host",
        "tcp://127.0.0.1:1",
        "--data-root",
        "data",
        "--exec-root",
        "exec",
    ]
    more = ["--add-runtime", "slow=/bin/slow", "--default-runtime", "slow", "-D", "--log-format", "json"]
    assert command.main([*arguments, *more]) == 0
    (settings,) = given
    assert settings == Settings(
        hosts=("unix:///a", "tcp://127.0.0.1:1"),
        data_root=tmp_path / "data",
        exec_root=tmp_path / "exec",
        runtimes={"slow": ConfiguredRuntime("/bin/slow")},
        default_runtime="slow",
        debug=True,
        log_format="json",
    )


def test_what_is_read_again_is_the_same_file_wherever_the_engine_has_gone(
    engine: Callable[[Engine], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("daemon.json")
    file.write_text('{"labels": ["a=b"]}')
    again: list[Settings] = []

    def reload(source: Source, settings: Settings) -> None:
        assert settings.labels == ("a=b",)
        file.write_text('{"labels": ["c=d"]}')
        monkeypatch.chdir("/")
        again.append(source.read())

    engine(reload)
    assert command.main(["--config-file", "daemon.json", "--data-root", "data", "--exec-root", "exec"]) == 0
    assert again == [Settings(labels=("c=d",), data_root=tmp_path / "data", exec_root=tmp_path / "exec")]


def test_the_pidfile_is_there_while_the_engine_runs(engine: Callable[[Engine], None], tmp_path: Path) -> None:
    seen: list[bool] = []
    pidfile = tmp_path / "pid"
    engine(lambda *_: seen.append(pidfile.exists()))
    assert command.main([*roots(tmp_path), "--pidfile", str(pidfile)]) == 0
    assert (seen, pidfile.exists()) == ([True], False)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MissingProgram("conmon", "conmon"), "conmon not found: apt install conmon"),
        (CannotStart("unix:///x: Address already in use"), "unix:///x: Address already in use"),
        (ExceptionGroup("", [ExceptionGroup("", [CannotStart("inside")])]), "inside"),
        (Failed("the disk is full"), "the disk is full"),
    ],
)
def test_what_keeps_the_engine_from_starting_is_one_line_and_status_1(
    error: Exception,
    line: str,
    engine: Callable[[Engine], None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise error

    engine(fail)
    assert command.main(roots(tmp_path)) == 1
    assert capsys.readouterr().err == f"longshored: {line}\n"


def test_a_bug_is_not_disguised(engine: Callable[[Engine], None], tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    engine(fail)
    with pytest.raises(ZeroDivisionError):
        command.main(roots(tmp_path))


def test_who_is_not_root_is_told(
    engine: Callable[[Engine], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    engine(lambda *_: None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert command.main(roots(tmp_path)) == 1
    assert "must run as root" in capsys.readouterr().err
