"""What the engine says while it runs: one line per event, for people (text) or for programs (json).

Every line has `ts`, `level` and `event`, and where there is one the `container` and the `op` (operation)
it is about: bind them once, as context variables, where the operation begins (`about`), and every
line below carries them.  Whatever libraries say through the standard library's logging comes out
the same way, so that there is one stream to read.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

FIRST_KEYS: Final = ("ts", "level", "event", "container", "op")
LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}
# At debug it tells each chunk of a download, and the headers of each answer: signed URLs, cookies, tokens.
INDISCREET: Final = "httpcore"
SHARED: Final[Sequence[Processor]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
)


def configure(level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Send all logging to `stream` (standard error), from `level` upwards.

    Args:
        level: one of `LEVELS`, dockerd's names.
        log_format: `text` or `json`.
        stream: where the lines go.

    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, RENDERERS[log_format]],
        )
    )
    logging.basicConfig(handlers=[handler], level=LEVELS[level], force=True)
    logging.getLogger(INDISCREET).setLevel(max(LEVELS[level], logging.INFO))


def about(**context: str) -> AbstractContextManager[None]:
    """Put `container=` or `op=` on every line that is logged within, tasks started there included."""
    return structlog.contextvars.bound_contextvars(**context)


def _in_order(event: EventDict) -> dict[str, Any]:
    return {key: event[key] for key in FIRST_KEYS if key in event} | dict(event)


def _json(_: WrappedLogger, __: str, event: EventDict) -> str:
    return json.dumps(_in_order(event), default=str)  # not orjson: file names may not be UTF-8


def _text(_: WrappedLogger, __: str, event: EventDict) -> str:
    """Write logfmt with the time, the level and the event bare in front."""
    ordered = _in_order(event)
    trace = ordered.pop("exception", None)
    head = f"{ordered.pop('ts')} {ordered.pop('level'):<7} {_one_line(ordered.pop('event'))}"
    line = " ".join([head, *(f"{key}={_word(value)}" for key, value in ordered.items())])
    return line if trace is None else f"{line} exception={_word(trace)}"


def _one_line(value: object) -> str:
    return str(value).replace("\n", "\\n")


def _word(value: object) -> str:
    text = str(value)
    plain = text.isprintable() and not set(text) & {" ", '"', "="}
    return text if text and plain else json.dumps(text)


RENDERERS: Final = {"json": _json, "text": _text}
