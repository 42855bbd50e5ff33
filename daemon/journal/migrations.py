"""What an older engine's journal needs to be this one's: one step of SQL for each version.

The journal itself does not know what is in a record; these steps do, as it was when they were written,
and are never changed afterwards.  All steps of an opening are one transaction: a journal is of the old
version or of the new one, whenever the power goes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

RUNTIME_OF_A_RUN: Final = """
    UPDATE records SET body = CAST(json_remove(json_set(
        CAST(body AS TEXT), '$.record.runtime', json_object(
            'name', CAST(body AS TEXT) ->> '$.record.host_config.runtime',
            'path', CAST(body AS TEXT) ->> '$.record.runtime_path',
            'binary', CAST(body AS TEXT) ->> '$.record.runtime_path',
            'arguments', json('[]'),
            'generation', 0
        )
    ), '$.record.runtime_path') AS BLOB)
    WHERE kind = 'container' AND json_valid(CAST(body AS TEXT))
"""

NETWORKS_OF_A_CONTAINER: Final = """
    UPDATE records SET body = CAST(json_set(CAST(body AS TEXT), '$.record.networks', CASE
        WHEN CAST(body AS TEXT) ->> '$.record.host_config.network_mode' LIKE 'container:%' THEN json('{}')
        ELSE json_object(CAST(body AS TEXT) ->> '$.record.host_config.network_mode', json('{}'))
    END) AS BLOB)
    WHERE kind = 'container' AND json_valid(CAST(body AS TEXT))
"""

STEPS: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {
        1: (RUNTIME_OF_A_RUN,),
        2: (NETWORKS_OF_A_CONTAINER,),
        3: (),  # layers say what they are packed: what an older engine could not read it would discard
        4: (
            "ALTER TABLE events ADD COLUMN set_back_ns INTEGER NOT NULL DEFAULT 0",
            "CREATE INDEX events_set_back ON events (seq) WHERE set_back_ns > 0",
        ),
    }
)
"""The statements that lead from a version to the one after it."""

VERSION: Final = max(STEPS) + 1


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a journal from an earlier `version` to this engine's.

    Raises:
        sqlite3.Error: the disk refuses; then nothing has changed.

    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in range(version, VERSION):
            for statement in STEPS[step]:
                connection.execute(statement)
        connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (str(VERSION),))
        connection.execute("COMMIT")
    except sqlite3.Error:
        connection.execute("ROLLBACK")
        raise
