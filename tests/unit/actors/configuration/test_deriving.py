"""The steps of a reload on a machine: its file, its programs, its directory of scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.actors.configuration.deriving import LinuxConfigurationHost
from daemon.configuration import InvalidSettings, Source
from daemon.runtimes.table import RuntimeTable
from daemon.settings import Settings

FEATURES = """#!/bin/sh
echo '{"ociVersionMin": "1.0.0"}'
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LinuxConfigurationHost:
    """A machine with nothing but a crun, which tells its features, and a file that adds a runtime."""
    binary = tmp_path / "bin" / "crun"
    binary.parent.mkdir()
    binary.write_text(FEATURES)
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", str(binary.parent))
    file = tmp_path / "daemon.json"
    file.write_text('{"runtimes": {"slow": {"path": "crun", "runtimeArgs": ["--debug", "a b"]}}}')
    flags = {"data-root": str(tmp_path / "data")}
    return LinuxConfigurationHost(Source(flags, file, required=True), tmp_path / "data" / "runtimes")


async def looked_up(host: LinuxConfigurationHost) -> RuntimeTable:
    return await host.look_up(await host.read())


async def test_looking_leaves_no_trace(host: LinuxConfigurationHost) -> None:
    table = await looked_up(host)
    assert ([*table.runtimes], table.default, table.generation) == (["crun", "slow"], "crun", 0)
    assert not host.directory.exists()


async def test_what_is_realized_can_be_executed_and_tells_its_features(host: LinuxConfigurationHost) -> None:
    looked = await looked_up(host)
    table = await host.realize(looked)
    assert [*host.directory.iterdir()] == [Path(table.runtimes["slow"].path)]
    assert {name: found.features for name, found in table.runtimes.items()} == {
        "crun": {"ociVersionMin": "1.0.0"},
        "slow": {"ociVersionMin": "1.0.0"},
    }
    assert table.runtimes["slow"].path == looked.runtimes["slow"].path
    assert (table.default, [*table.runtimes]) == (looked.default, [*looked.runtimes])


async def test_a_script_that_cannot_be_written_is_an_error(host: LinuxConfigurationHost) -> None:
    table = await looked_up(host)
    host.directory.parent.mkdir()
    host.directory.write_text("in the way")
    with pytest.raises(OSError, match="Not a directory"):
        await host.realize(table)


async def test_a_sweep_leaves_what_is_to_be_kept(host: LinuxConfigurationHost) -> None:
    table = await host.realize(await looked_up(host))
    (host.directory / "slow.0").write_text("of an earlier configuration")
    await host.sweep(table.wrappers)
    assert [*host.directory.iterdir()] == [Path(table.runtimes["slow"].path)]
    await host.sweep(())
    assert [*host.directory.iterdir()] == []


async def test_a_file_that_cannot_be_used_is_refused_with_everything_that_is_wrong(
    host: LinuxConfigurationHost,
) -> None:
    host.source.file.write_text('{"mtu": "x", "debug": 1}')
    with pytest.raises(InvalidSettings) as refused:
        await host.read()
    assert len(refused.value.problems) == 2
    host.source.file.write_text("{}")
    assert (await host.read()).runtimes == Settings().runtimes
