"""The configuration in force: what the user wants and everything that was derived from it, as one value.

There is one reference to it (`LiveConfiguration.current`).  Whoever needs any of it takes the whole once and
keeps that for the operation: nothing here ever changes, so no reader needs a lock and none can see half
of a reload.  What only a start of the engine can change keeps the value it was started with, and is listed
as pending, so that what is shown here is what really applies.

A generation is one content: a reload that changes nothing keeps its number, and so does a restart.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import attrs
import orjson

from daemon.configuration import keys, takes_effect, warnings
from daemon.runtimes.table import RuntimeTable
from daemon.settings import Settings, TakesEffect
from daemon.wire import to_config

KIND: Final = "configuration"
ID: Final = "current"


@attrs.frozen
class Change:
    """A key of daemon.json with another value, JSON-ready, and what it takes for that to apply."""

    key: str
    before: Any
    after: Any
    takes_effect: TakesEffect


@attrs.frozen
class Configuration:
    """Everything that is configured; `pending` is what the file says and only a restart will bring."""

    settings: Settings
    runtimes: RuntimeTable
    pending: tuple[Change, ...] = ()

    @property
    def generation(self) -> int:
        """The number of this content, counted since the engine's first start on this data-root."""
        return self.runtimes.generation

    @property
    def warnings(self) -> tuple[str, ...]:
        """What its user should know of it."""
        waiting = (
            f"{change.key}: the new value takes effect after a restart of the engine"
            for change in self.pending
        )
        return (*warnings(self.settings), *waiting)


@attrs.frozen
class Published:
    """The journal's record of the configuration in force: which number its content has."""

    generation: int
    fingerprint: str


def changes(before: Settings, after: Settings) -> tuple[Change, ...]:
    """Return every key whose value differs, in the order of the settings."""
    pairs = ((key, getattr(before, field.name), getattr(after, field.name)) for key, field in keys().items())
    return tuple(
        Change(key, to_config(old), to_config(new), takes_effect(key))
        for key, old, new in pairs
        if old != new
    )


def in_force(wanted: Settings, now: Settings) -> Settings:
    """Return `wanted`, but with what takes a restart as it is `now`."""
    fixed = {
        field.name: getattr(now, field.name)
        for key, field in keys().items()
        if takes_effect(key) is TakesEffect.RESTART
    }
    return attrs.evolve(wanted, **fixed)


def fingerprint(settings: Settings, runtimes: RuntimeTable) -> str:
    """Return a digest of everything that makes a difference to containers and clients."""
    # Not of the features: they are the runtimes' own, and not known before they have been asked.
    resolved = {name: [found.path, found.binary] for name, found in runtimes.runtimes.items()}
    content = {"settings": to_config(settings), "runtimes": resolved, "default": runtimes.default}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
