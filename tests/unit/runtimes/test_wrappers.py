"""Wrapper scripts: they call what they were made for, they are whole or not there, and a start tidies up."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from daemon.runtimes import wrappers
from daemon.runtimes.wrappers import Wrapper, sweep

PRINTS_ARGUMENTS = ("/usr/bin/printf", "%s\\0")
WRAPPER = Wrapper("kata", "/usr/bin/kata", ("--log", "/a b"))
OTHER = Wrapper("kata", "/usr/bin/kata", ("--log", "/c"))

# Whatever can be an argument: no NUL, and no surrogate but those that stand for a byte that is not UTF-8.
words = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    | st.sampled_from("'\"$`\\ \n*~-#!\udcff")
)
own_arguments = st.lists(words, min_size=1, max_size=5)
callers_arguments = st.lists(words, max_size=5)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data" / "runtimes"


def write(directory: Path, wrapper: Wrapper) -> Path:
    """Write one script and return its path."""
    wrappers.write(directory, [wrapper])
    return directory / wrapper.file_name


def output(script: Path, *arguments: str) -> list[str]:
    """Run a script with a binary that prints its arguments, and return these."""
    ended = subprocess.run([script, *arguments], stdout=subprocess.PIPE, check=True)
    return [os.fsdecode(argument) for argument in ended.stdout.split(b"\0")[:-1]]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


@given(own_arguments, callers_arguments)
@example(["$(touch x)", "`id`", "a'b", 'a"b', "\n", "", "-n", "--", "\\"], ["$1", '"', "", "\n\n", " "])
def test_the_runtime_gets_its_own_arguments_and_then_the_callers(own: list[str], callers: list[str]) -> None:
    binary, template = PRINTS_ARGUMENTS
    with tempfile.TemporaryDirectory() as directory:
        script = write(Path(directory), Wrapper("any", binary, (template, *own)))
        assert output(script, *callers) == [*own, *callers]


def test_the_binary_may_have_any_path(tmp_path: Path) -> None:
    binary = tmp_path / 'it\'s "my" $runtime \udcff'
    binary.symlink_to(PRINTS_ARGUMENTS[0])
    script = write(tmp_path, Wrapper("odd", str(binary), (PRINTS_ARGUMENTS[1],)))
    assert output(script, "run") == ["run"]


def test_the_runtime_takes_the_place_of_the_shell(directory: Path) -> None:
    script = write(directory, Wrapper("sh", "/bin/sh", ("-c", "echo $$; read _; kill -TERM $$")))
    with subprocess.Popen([script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        said, _ = process.communicate(b"\n")
    assert (int(said), process.returncode) == (process.pid, -signal.SIGTERM)


def test_a_script_is_named_after_its_text_and_is_for_its_owner_alone(directory: Path) -> None:
    script = write(directory, WRAPPER)
    assert script.name == f"kata.{hashlib.sha256(script.read_bytes()).hexdigest()}"
    assert names(directory) == [script.name]
    assert (mode(directory), mode(script)) == (0o700, 0o700)


def test_the_same_content_is_the_same_file_which_is_not_touched(directory: Path) -> None:
    first = write(directory, WRAPPER)
    before = first.stat()
    with capture_logs() as logs:
        assert write(directory, Wrapper("kata", "/usr/bin/kata", ("--log", "/a b"))) == first
    assert (first.stat(), logs) == (before, [])


@pytest.mark.parametrize(
    "other",
    [
        OTHER,
        Wrapper("kata", "/usr/bin/kata", ("--log", "/a", "b")),
        Wrapper("kata", "/usr/local/bin/kata", WRAPPER.arguments),
        Wrapper("kata2", WRAPPER.binary, WRAPPER.arguments),
    ],
)
def test_other_content_is_another_file_and_the_old_one_stays(directory: Path, other: Wrapper) -> None:
    scripts = {write(directory, WRAPPER), write(directory, other)}
    assert len(scripts) == 2
    assert all(script.exists() for script in scripts)


def test_writers_at_the_same_time_do_each_other_no_harm(directory: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        scripts = set(pool.map(lambda _: write(directory, WRAPPER), range(64)))
    (script,) = scripts
    assert script.read_bytes() == WRAPPER.text
    assert names(directory) == [script.name]


def test_what_cannot_be_written_is_an_os_error_and_leaves_nothing(directory: Path) -> None:
    (directory / WRAPPER.file_name).mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        write(directory, WRAPPER)
    assert names(directory) == [WRAPPER.file_name]


def test_if_one_cannot_be_written_none_is_left_half_done(directory: Path) -> None:
    (directory / OTHER.file_name).mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        wrappers.write(directory, [WRAPPER, OTHER])
    assert names(directory) == sorted([WRAPPER.file_name, OTHER.file_name])
    assert (directory / WRAPPER.file_name).read_bytes() == WRAPPER.text


def test_a_crash_between_two_scripts_leaves_each_whole_or_not_there(directory: Path) -> None:
    program = f"""
from pathlib import Path
from daemon.runtimes.wrappers import Wrapper, write
write(Path({str(directory)!r}), [{WRAPPER!r}, {OTHER!r}])
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], env={"LONGSHORE_FAILPOINT": "wrapper-written"}, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert (directory / WRAPPER.file_name).read_bytes() == WRAPPER.text
    assert not (directory / OTHER.file_name).exists()


def cut_short(script: Path) -> None:
    script.write_bytes(WRAPPER.text[:20])


def emptied(script: Path) -> None:
    script.write_bytes(b"")


def added_to(script: Path) -> None:
    script.write_bytes(WRAPPER.text + b"rm -rf /\n")


def opened_to_others(script: Path) -> None:
    script.chmod(0o722)


def not_executable(script: Path) -> None:
    script.chmod(0o600)


def a_link(script: Path) -> None:
    elsewhere = script.parent.parent / "elsewhere"
    elsewhere.write_bytes(WRAPPER.text)
    elsewhere.chmod(0o700)
    script.unlink()
    script.symlink_to(elsewhere)


def a_fifo(script: Path) -> None:
    script.unlink()
    os.mkfifo(script, 0o700)


def a_socket(script: Path) -> None:
    script.unlink()
    with socket.socket(socket.AF_UNIX) as bound:
        directory = os.open(script.parent, os.O_PATH)
        bound.bind(f"/proc/self/fd/{directory}/{script.name}")  # the path itself may be too long
        os.close(directory)


DAMAGES = [cut_short, emptied, added_to, opened_to_others, not_executable, a_link, a_fifo, a_socket]
Damage = Callable[[Path], None]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_script_is_replaced_by_what_its_name_promises(directory: Path, damage: Damage) -> None:
    script = write(directory, WRAPPER)
    damage(script)
    with capture_logs() as logs:
        assert write(directory, WRAPPER) == script
    assert (script.read_bytes(), mode(script), script.is_symlink()) == (WRAPPER.text, 0o700, False)
    assert [(line["log_level"], line["path"]) for line in logs] == [("error", str(script))]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_start_restores_a_damaged_script(directory: Path, damage: Damage) -> None:
    script = write(directory, WRAPPER)
    damage(script)
    sweep(directory, [WRAPPER])
    assert (script.read_bytes(), mode(script), script.is_symlink()) == (WRAPPER.text, 0o700, False)


@pytest.mark.parametrize("keep", [[], [WRAPPER], [WRAPPER, OTHER], [WRAPPER, WRAPPER]])
def test_a_start_leaves_what_is_referred_to_and_nothing_else(
    directory: Path, keep: Collection[Wrapper]
) -> None:
    write(directory, WRAPPER)
    write(directory, Wrapper("gone", "/usr/bin/gone", ("--yes",)))
    outside = directory.parent / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (directory / "link").symlink_to(outside)
    (directory / "tmpabcdef").write_bytes(WRAPPER.text[:10])
    (directory / ".hidden").touch()
    (directory / "sub").mkdir()
    (directory / "sub" / "file").touch()
    sweep(directory, keep)
    assert names(directory) == sorted({wrapper.file_name for wrapper in keep})
    assert (outside / "file").exists()


def test_a_start_replaces_a_directory_that_has_a_scripts_name(directory: Path) -> None:
    (directory / WRAPPER.file_name / "sub").mkdir(parents=True)
    sweep(directory, [WRAPPER])
    assert (directory / WRAPPER.file_name).read_bytes() == WRAPPER.text


def test_a_start_closes_a_directory_that_was_open_to_others(directory: Path) -> None:
    directory.mkdir(parents=True)
    directory.chmod(0o777)
    sweep(directory, [])
    assert mode(directory) == 0o700


def test_a_first_start_makes_the_directory(directory: Path) -> None:
    sweep(directory, [])
    assert (names(directory), mode(directory)) == ([], 0o700)


@pytest.mark.parametrize(
    ("failpoint", "left"),
    [("wrapper-half-written", []), ("wrapper-written", [WRAPPER.file_name])],
)
def test_a_crash_leaves_the_whole_script_or_none_and_the_next_start_is_clean(
    directory: Path, failpoint: str, left: list[str]
) -> None:
    program = f"""
from pathlib import Path
from daemon.runtimes.wrappers import Wrapper, write
write(Path({str(directory)!r}), [{WRAPPER!r}])
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], env={"LONGSHORE_FAILPOINT": failpoint}, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    there = names(directory)
    assert len(there) == 1  # the temporary file is what the next start has to clear away
    assert [name for name in there if name == WRAPPER.file_name] == left
    sweep(directory, [])
    assert names(directory) == []
