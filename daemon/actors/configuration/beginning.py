"""The first configuration of an engine that starts: its number, and the scripts that may stay.

The number goes on from the journal's, so that of two generations the higher is always the later one.
"""

from __future__ import annotations

from collections.abc import Collection

import attrs
import structlog

from daemon.actors.configuration.actor import as_record, realized
from daemon.actors.configuration.deriving import ConfigurationHost
from daemon.actors.configuration.value import ID, KIND, Configuration, Published, fingerprint
from daemon.errors import Failed
from daemon.journal import Journal, Transaction
from daemon.runtimes.table import LockedRuntime
from daemon.runtimes.wrappers import Wrapper
from daemon.settings import Settings
from daemon.wire import parse_record

LOG = structlog.get_logger(__name__)


async def first_configuration(
    settings: Settings,
    host: ConfigurationHost,
    journal: Journal,
    locked: Collection[LockedRuntime],
    *,
    sweep: bool,
) -> Configuration:
    """Return the configuration to begin with.

    Args:
        settings: what the user wants.
        host: where it is to apply.
        journal: what knows the number of the last one.
        locked: the runtimes that containers are tied to: their scripts are kept, and mended if need be.
        sweep: whether all other scripts are removed.

    Raises:
        MissingProgram: there is no runtime that could be the default.
        Failed: the disk refuses.

    """
    table = await host.look_up(settings)
    if sweep:
        await _sweep(
            host, {wrapper for runtime in locked if (wrapper := runtime.wrapper)} | {*table.wrappers}
        )
    last = _last(journal, locked)
    content = fingerprint(settings, table)
    generation = last.generation + (last.fingerprint != content)
    configuration = await realized(host, Configuration(settings, attrs.evolve(table, generation=generation)))
    if generation != last.generation:
        await journal.commit(Transaction(put=(as_record(configuration),)))
    return configuration


async def _sweep(host: ConfigurationHost, keep: Collection[Wrapper]) -> None:
    try:
        await host.sweep(keep)
    except OSError as error:
        raise Failed(f"the wrapper scripts of runtimes cannot be looked through: {error}") from error


def _last(journal: Journal, locked: Collection[LockedRuntime]) -> Published:
    """Return what was published last; where the journal has lost it, what containers know of it."""
    record = journal.record(KIND, ID)
    try:
        if record is not None:
            return parse_record(record.body, Published)
    except Failed as error:
        LOG.error("the number of the last configuration is lost", reason=str(error))
    return Published(max((runtime.generation for runtime in locked), default=0), "")
