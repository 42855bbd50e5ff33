"""Runtimes as daemon.json has them: a program with arguments, or a shim that means one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from daemon.configuration import InvalidSettings, load, oci_runtime
from daemon.settings import ConfiguredRuntime

SHIMS = "io.containerd.runc.v1, io.containerd.runc.v2, io.containerd.crun.v1, io.containerd.crun.v2"


def problems(file: object) -> tuple[str, ...]:
    try:
        load({}, orjson.dumps(file))
    except InvalidSettings as error:
        return error.problems
    return ()


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({}, "either a runtimeType or a path must be configured"),
        (
            {"path": "/x", "runtimeType": "io.containerd.runc.v2"},
            "cannot configure both path and runtimeType for the same runtime",
        ),
        ({"path": "/x", "options": {"a": 1}}, "options cannot be used with a path runtime"),
        (
            {"runtimeType": "io.containerd.runc.v2", "runtimeArgs": ["a"]},
            "args cannot be used with a runtimeType runtime",
        ),
        (
            {
                "runtimeType": "io.containerd.runsc.v1",
                "options": {"TypeUrl": "io.containerd.runsc.v1.options"},
            },
            "runtimeType 'io.containerd.runsc.v1' is not supported, only those of runc and crun are "
            f"({SHIMS}): configure the OCI runtime's program as path",
        ),
        (
            {"runtimeType": "io.containerd.runc.v2", "options": {"SystemdCgroup": True}},
            "options.SystemdCgroup is not supported: only BinaryName is",
        ),
        (
            {"runtimeType": "io.containerd.runc.v2", "options": {"TypeUrl": "another"}},
            "options.TypeUrl is not supported: only BinaryName is",
        ),
        (
            {"runtimeType": "io.containerd.runc.v2", "options": {"BinaryName": 1}},
            "options.BinaryName: expected string",
        ),
        (
            {"runtimeType": "io.containerd.runc.v2", "options": {"BinaryName": "./runc"}},
            "options.BinaryName: must be an absolute path or a name on PATH, got './runc'",
        ),
        ({"path": "bin/runc"}, "path: must be an absolute path or a name on PATH, got 'bin/runc'"),
    ],
)
def test_an_entry_that_does_not_say_which_program_is_refused(entry: dict[str, Any], problem: str) -> None:
    assert problems({"runtimes": {"x": entry}}) == (f"runtimes: runtime x: {problem}",)


def test_everything_that_is_wrong_with_an_entry_is_told() -> None:
    entry = {"path": "a/b", "runtimeType": "y", "options": {"z": 1}, "runtimeArgs": ["\0"]}
    assert len(problems({"runtimes": {"runc": entry}, "default-runtime": "gone"})) == 6


@pytest.mark.parametrize("name", ["runc", "io.containerd.runc.v2"])
def test_the_stock_runtime_cannot_be_replaced(name: str) -> None:
    assert problems({"runtimes": {name: {"path": "/x"}}}) == (f"runtimes: runtime name '{name}' is reserved",)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/usr/bin/runc", "../runc"])
def test_a_name_that_could_be_a_path_is_refused(name: str) -> None:
    (problem,) = problems({"runtimes": {name: {"path": "/x"}}})
    assert problem == f"runtimes: unknown or invalid runtime name: {name}"


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "\x7f", "a\u2028b"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    assert any(
        "unknown or invalid runtime name" in text for text in problems({"runtimes": {name: {"path": "/x"}}})
    )


def test_a_name_must_leave_room_for_the_digest_in_a_file_name() -> None:
    assert problems({"runtimes": {"a" * 190: {"path": "/x"}}}) == ()
    (problem,) = problems({"runtimes": {"\u00e9" * 96: {"path": "/x"}}})
    assert problem.endswith("is longer than 190 bytes")


def test_an_unknown_member_of_an_entry_is_refused() -> None:
    assert problems({"runtimes": {"x": {"paht": "/x"}}}) == ("runtimes.x.paht: unknown key",)


def test_arguments_are_text_without_nul() -> None:
    assert problems({"runtimes": {"x": {"path": "/x", "runtimeArgs": ["a", "b\0"]}}}) == (
        "runtimes.x.runtimeArgs[1]: must not contain a NUL character",
    )


@pytest.mark.parametrize("name", ["", "runc", "crun", "io.containerd.runc.v2", "mine"])
def test_the_default_is_built_in_or_configured(name: str) -> None:
    assert problems({"runtimes": {"mine": {"path": "/x"}}, "default-runtime": name}) == ()


def test_a_default_that_does_not_exist_is_refused() -> None:
    assert problems({"default-runtime": "x"}) == (
        "default-runtime: specified default runtime 'x' does not exist",
    )


@pytest.mark.parametrize(
    ("entry", "program"),
    [
        ({"path": "/x"}, ("/x", ())),
        ({"path": "crun", "runtimeArgs": ["--a b", "$c"]}, ("crun", ("--a b", "$c"))),
        ({"path": "/x", "options": {}}, ("/x", ())),
        ({"runtimeType": "io.containerd.runc.v1"}, ("runc", ())),
        ({"runtimeType": "io.containerd.crun.v2", "options": {}}, ("crun", ())),
        (
            {
                "runtimeType": "io.containerd.runc.v2",
                "options": {"TypeUrl": "containerd.runc.v1.Options", "BinaryName": "/opt/runc"},
            },
            ("/opt/runc", ()),
        ),
        ({"runtimeType": "io.containerd.runc.v2", "options": {"BinaryName": ""}}, ("runc", ())),
    ],
)
def test_an_entry_means_a_program_and_its_arguments(
    entry: dict[str, Any], program: tuple[str, tuple[str, ...]]
) -> None:
    configured = load({}, orjson.dumps({"runtimes": {"x": entry}})).runtimes["x"]
    assert isinstance(configured, ConfiguredRuntime)
    assert oci_runtime(configured) == program
