"""A kill at any moment: what was acknowledged is there, and whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from daemon.journal import Event, open_journal

COMMITTER = """
import sys, trio
from pathlib import Path
from daemon.journal import EventDraft, Name, Record, Transaction, open_journal

async def commit(journal, worker):
    for number in range(100_000):
        object_id = f"{worker}-{number}"
        await journal.commit(Transaction(
            put=(Record("container", object_id, b'{"size": "' + b"x" * 2000 + b'"}'),),
            names=(Name("container", f"name-{object_id}", object_id),),
            events=(EventDraft("container", "create", object_id),),
        ))
        print(object_id, flush=True)

async def main():
    async with open_journal(Path(sys.argv[1])) as journal, trio.open_nursery() as nursery:
        for worker in range(4):
            nursery.start_soon(commit, journal, worker)

trio.run(main)
"""


@pytest.mark.parametrize("acknowledged", [1, 150, 700])
async def test_what_was_acknowledged_survives_a_kill(acknowledged: int, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    command = [sys.executable, "-c", COMMITTER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as committer:  # noqa: ASYNC220 - alone
        assert committer.stdout is not None
        told = [committer.stdout.readline().strip() for _ in range(acknowledged)]
        committer.kill()
        told += committer.stdout.read().split("\n")[:-1]
    async with open_journal(path) as journal:
        assert journal.set_aside is None
        records = {record.id: record for record in journal.records("container")}
        events: list[Event] = []
        while journal.events.last_seq > len(events):
            events += await journal.events.read(len(events), 500)
        names = journal.names("container")
    assert set(told) <= set(records)
    assert all(orjson.loads(record.body) for record in records.values())
    # One transaction is all or nothing: for each record its name and its event, and no others.
    assert set(names.values()) == set(records)
    assert sorted(event.actor_id for event in events) == sorted(records)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
