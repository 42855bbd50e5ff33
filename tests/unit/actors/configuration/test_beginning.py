"""The number goes on from start to start, and scripts stay for as long as anything refers to them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from pathlib import Path

import attrs
import pytest

from daemon.actors.configuration.beginning import first_configuration
from daemon.actors.configuration.value import ID, KIND, Configuration, Published, fingerprint
from daemon.errors import Failed
from daemon.journal import Journal, open_journal
from daemon.runtimes.table import LockedRuntime, RuntimeTable
from daemon.runtimes.wrappers import Wrapper
from daemon.settings import Settings
from daemon.startup import MissingProgram
from daemon.wire import parse_record
from tests.unit.actors.configuration.samples import changed
from tests.unit.actors.configurations import FakeConfigurationHost
from tests.unit.runtimes.tables import RUNTIMES, a_runtime

SLOW = attrs.evolve(a_runtime("slow"), path="/data/runtimes/slow.0", arguments=("--debug",))
WRAPPED = RuntimeTable({**RUNTIMES.runtimes, "slow": SLOW}, "crun")


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncGenerator[Journal, None]:
    async with open_journal(tmp_path / "journal.db") as journal:
        yield journal


async def begun(
    journal: Journal,
    settings: Settings | None = None,
    host: FakeConfigurationHost | None = None,
    locked: Collection[LockedRuntime] = (),
    *,
    sweep: bool = True,
) -> Configuration:
    host = host or FakeConfigurationHost()
    return await first_configuration(settings or Settings(), host, journal, locked, sweep=sweep)


def recorded(journal: Journal) -> Published | None:
    record = journal.record(KIND, ID)
    return None if record is None else parse_record(record.body, Published)


async def test_the_first_configuration_there_ever_was_is_number_one(journal: Journal) -> None:
    configuration = await begun(journal)
    assert (configuration.generation, configuration.pending) == (1, ())
    assert configuration.settings == Settings()
    assert recorded(journal) == Published(1, fingerprint(configuration.settings, configuration.runtimes))


async def test_the_same_content_keeps_its_number_across_starts(journal: Journal) -> None:
    for _ in range(3):
        assert (await begun(journal)).generation == 1


async def test_another_content_is_the_next_number(journal: Journal) -> None:
    await begun(journal)
    assert (await begun(journal, changed("mtu"))).generation == 2
    moved = attrs.evolve(RUNTIMES, default="runc")
    assert (await begun(journal, changed("mtu"), FakeConfigurationHost(table=moved))).generation == 3
    assert (await begun(journal)).generation == 4  # not 1 again: what ran under 1 would look like its own


async def test_a_start_is_no_reload(journal: Journal) -> None:
    await begun(journal)
    assert journal.events.last_seq == 0


async def test_scripts_of_containers_and_of_the_configuration_stay(journal: Journal) -> None:
    host = FakeConfigurationHost(table=WRAPPED)
    old = LockedRuntime("old", "/data/runtimes/old.0", "/usr/bin/old", ("-x",), 1)
    bare = LockedRuntime("runc", "/usr/bin/runc", "/usr/bin/runc", (), 1)
    absent = LockedRuntime("absent", "absent", "absent", ("-x",), 1)  # tried in vain, so there is no script
    await begun(journal, host=host, locked=[old, bare, absent, old])
    assert host.swept == [
        frozenset({Wrapper("old", "/usr/bin/old", ("-x",)), Wrapper("slow", "/usr/bin/slow", ("--debug",))})
    ]
    assert host.steps == ["look_up", "sweep", "realize"]


async def test_where_nothing_may_be_cleared_up_all_scripts_stay(journal: Journal) -> None:
    host = FakeConfigurationHost(table=WRAPPED)
    await begun(journal, host=host, sweep=False)
    assert host.steps == ["look_up", "realize"]


async def test_an_engine_without_a_runtime_does_not_begin(journal: Journal) -> None:
    host = FakeConfigurationHost(faults={"look_up": MissingProgram("crun", "crun")})
    with pytest.raises(MissingProgram):
        await begun(journal, host=host)
    assert host.steps == ["look_up"]  # nothing has been swept away


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ("sweep", "the wrapper scripts of runtimes cannot be looked through: [Errno 5] I/O error"),
        ("realize", "a runtime's wrapper script cannot be written: [Errno 5] I/O error"),
    ],
)
async def test_a_disk_that_refuses_is_said_and_nothing_is_recorded(
    journal: Journal, step: str, text: str
) -> None:
    host = FakeConfigurationHost(faults={step: OSError(5, "I/O error")})
    with pytest.raises(Failed) as failed:
        await begun(journal, host=host)
    assert (str(failed.value), recorded(journal)) == (text, None)
