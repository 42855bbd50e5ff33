from __future__ import annotations

from pathlib import Path

from benchmarks.engine import ApiEngine
from benchmarks.measures.crowd import Content, all_arguments, document, log_level, nothing
from benchmarks.netspace import NetSpace
from daemon.configuration import Source
from daemon.runtimes.discovery import discover

NOWHERE = NetSpace(Path("/nowhere"))
OTHERS = {"crun": {"path": "/usr/bin/crun"}}


def scripts(content: Content, tmp_path: Path) -> set[str]:
    """Return the names of the scripts that Longshore would need."""
    engine = ApiEngine("longshore", "1", tmp_path, tmp_path, (), NOWHERE, {}, tmp_path / "daemon.json")
    engine.configure(document({}, content))
    settings = Source({}, tmp_path / "daemon.json", required=True).read()
    return {wrapper.file_name for wrapper in discover(settings, which=lambda name: f"/bin/{name}").wrappers}


def test_new_arguments_need_twenty_new_scripts_each_time(tmp_path: Path) -> None:
    first = Content()
    second = all_arguments(first)
    names = [scripts(content, tmp_path) for content in (first, second, all_arguments(second))]
    assert [len(found) for found in names] == [20, 20, 20]
    assert len(set.union(*names)) == 60


def test_another_log_level_needs_no_other_script(tmp_path: Path) -> None:
    first = Content()
    assert log_level(first) != first == log_level(log_level(first)) == nothing(first)
    assert scripts(log_level(first), tmp_path) == scripts(first, tmp_path)


def test_the_engines_own_runtimes_stay() -> None:
    content = document({"runtimes": OTHERS, "default-runtime": "crun"}, Content())
    assert content["default-runtime"] == "crun"
    assert content["runtimes"].items() >= OTHERS.items()
    assert len(content["runtimes"]) == 21


def test_what_is_configured_can_be_read_back(tmp_path: Path) -> None:
    engine = ApiEngine("dockerd", "1", tmp_path, tmp_path, (), NOWHERE, {}, tmp_path / "daemon.json")
    engine.configure({"debug": True})
    assert engine.configuration() == {"debug": True}
