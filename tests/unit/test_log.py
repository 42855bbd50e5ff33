"""One line per event, the same keys whoever speaks."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from daemon.log import about, configure


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def logger() -> structlog.stdlib.BoundLogger:
    fresh: structlog.stdlib.BoundLogger = structlog.get_logger("test")
    return fresh


def configured(level: str = "info", log_format: str = "json") -> io.StringIO:
    stream = io.StringIO()
    configure(level, log_format, stream)
    return stream


def test_a_json_line_begins_with_the_promised_keys() -> None:
    stream = configured()
    with about(container="c1", op="o1"):
        logger().info("started", took_ms=3)
    assert list(json.loads(stream.getvalue())) == ["ts", "level", "event", "container", "op", "took_ms"]


def test_a_text_line_has_time_level_event_and_pairs() -> None:
    stream = configured(log_format="text")
    with about(container="c1"):
        logger().warning("cannot do", path="/a b", empty="", quoted='"')
    time, rest = stream.getvalue().split(" ", 1)
    assert time.endswith("Z")
    assert rest == 'warning cannot do container=c1 path="/a b" empty="" quoted="\\""\n'


def test_context_ends_with_its_block() -> None:
    stream = configured()
    with about(container="c1"):
        pass
    logger().info("later")
    assert "container" not in json.loads(stream.getvalue())


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_whatever_is_said_stays_on_one_line(log_format: str) -> None:
    stream = configured(log_format=log_format)
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logger().exception("two\nlines", value="two\nlines", name="\udcff", thing=object())
    assert stream.getvalue().count("\n") == 1
    assert "ValueError" in stream.getvalue()


def test_libraries_logging_comes_out_the_same_way() -> None:
    stream = configured()
    with about(op="o1"):
        logging.getLogger("hypercorn.error").error("broken %s", "pipe")
    line = json.loads(stream.getvalue())
    assert (line["level"], line["event"], line["op"]) == ("error", "broken pipe", "o1")


@pytest.mark.parametrize(("level", "lines"), [("debug", 3), ("info", 2), ("error", 1), ("fatal", 0)])
def test_less_than_the_level_is_not_said(level: str, lines: int) -> None:
    stream = configured(level)
    logger().debug("d")
    logger().info("i")
    logger().error("e")
    assert stream.getvalue().count("\n") == lines


def test_headers_of_answers_are_not_told_even_at_debug() -> None:
    stream = configured("debug")
    logging.getLogger("httpcore.http11").debug("receive_response_headers.complete: Location: secret")
    logging.getLogger("httpcore").warning("told")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["told"]
