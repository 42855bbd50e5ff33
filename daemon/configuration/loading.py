"""Joins what flags and file say and makes the settings of it.

Everything is looked at as far as it can be: a key of the wrong type is one problem, and does not
keep the others from being checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from daemon.configuration import document
from daemon.configuration.checks import problems_in
from daemon.configuration.keys import keys
from daemon.configuration.problems import InvalidSettings
from daemon.settings import Settings
from daemon.shapes import Mismatch
from daemon.wire import parse_config

SIZE: Final = re.compile(r"([0-9]{1,18})\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
SIZES: Final = ("event-retention-bytes", "default-shm-size")
SIZE_SHIFTS: Final = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


def load(flags: Mapping[str, Any], file: bytes | None) -> Settings:
    """Make settings of the flags given, under their daemon.json keys, and of the file's content.

    Raises:
        InvalidSettings: with every problem that could be found.

    """
    in_file = {} if file is None else document.read(file)
    merged = _merge(flags, in_file)
    known = {key: value for key, value in merged.items() if key in keys()}
    mismatched = _mismatches(known)
    wellformed = {key: value for key, value in known.items() if key not in mismatched}
    settings = parse_config(wellformed, Settings)
    problems = [
        *_unknown(in_file),
        *_given_twice(flags, in_file),
        *document.unusable_texts(merged),
        *(text for texts in mismatched.values() for text in texts),
        *problems_in(settings, but=mismatched.keys()),
    ]
    if problems:
        raise InvalidSettings(*problems)
    return settings


def _mismatches(given: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what is wrong with the shape of each key's value, for those where something is."""
    mismatched: dict[str, list[str]] = {}
    for key, value in given.items():
        try:
            parse_config({key: value}, Settings)
        except Mismatch as error:
            mismatched[key] = error.texts
    return mismatched


def _unknown(in_file: Mapping[str, Any]) -> Iterator[str]:
    unknown = in_file.keys() - keys().keys()
    if unknown:
        yield f"the following directives don't match any configuration option: {', '.join(sorted(unknown))}"


def _given_twice(flags: Mapping[str, Any], in_file: Mapping[str, Any]) -> Iterator[str]:
    twice = sorted(flags.keys() & in_file.keys() - {"runtimes"})
    if twice:
        each = (
            f"{key}: (from flag: {_shown(flags[key])}, from file: {_shown(in_file[key])})" for key in twice
        )
        yield (
            "the following directives are specified both as a flag and in the configuration file: "
            + ", ".join(each)
        )


def _shown(value: Any) -> str:
    """Write a value as Go's %v does."""
    if isinstance(value, list | tuple):
        return f"[{' '.join(map(_shown, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _merge(flags: Mapping[str, Any], in_file: Mapping[str, Any]) -> dict[str, Any]:
    """Join what the file and the flags say; only runtimes can come from both, and the flags' are nearer."""
    merged = {**in_file, **flags}
    runtimes = in_file.get("runtimes", {})
    if isinstance(runtimes, dict):  # or else the check of types has something to say
        merged["runtimes"] = {**runtimes, **flags.get("runtimes", {})}
    for key in SIZES:  # a number or, as dockerd wants it, a text with a unit
        if (size := SIZE.fullmatch(str(merged.get(key, "")))) is not None:
            merged[key] = int(size[1]) << SIZE_SHIFTS[size[2].lower()]
    return merged
