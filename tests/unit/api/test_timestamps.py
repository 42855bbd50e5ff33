from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.api.timestamps import LATEST_NS, parse_duration, parse_timestamp, rfc3339
from daemon.errors import InvalidParameter

NOW = 1_700_000_000 * 10**9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("0001-01-01T00:00:00Z", None),
        ("0", 0),
        ("1136073845", 1_136_073_845 * 10**9),
        ("1136073845.000000001", 1_136_073_845 * 10**9 + 1),
        ("1795357522.870626", 1_795_357_522_870_626_000),
        ("1136073845.1234567899", 1_136_073_845_123_456_789),
        ("1136073845.", 1_136_073_845 * 10**9),
        ("-1.5", -1_500_000_000),
        ("1700000000000", LATEST_NS),
        ("2006-01-02T15:04:05Z", 1_136_214_245 * 10**9),
        ("2006-01-02T15:04:05.999999999+07:00", 1_136_189_045_999_999_999),
        ("2006-01-02T15:04:05-00:30", 1_136_216_045 * 10**9),
        ("2006-01-02T15:04", 1_136_214_240 * 10**9),
        ("2006-01-02T15Z", 1_136_214_000 * 10**9),
        ("2006-01-02", 1_136_160_000 * 10**9),
        ("10m", NOW - 600 * 10**9),
        ("1h30m", NOW - 5400 * 10**9),
        ("1.5h", NOW - 5400 * 10**9),
        ("-10s", NOW + 10 * 10**9),
        ("300ms", NOW - 300_000_000),
        ("5\u00b5s", NOW - 5000),
    ],
)
def test_time_is_read(text: str, expected: int | None) -> None:
    assert parse_timestamp(text, NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "1e9",
        "nan",
        "inf",
        "--1",
        "1 ",
        "m",
        "2006-13-02",
        "2006-01-02T25",
        "2006-01-02T15:04:05+25:00",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid timestamp"):
        parse_timestamp(text, NOW)


@given(st.text() | st.from_regex(r"[-+0-9.TZ:hmsn]*", fullmatch=True))
@example("9" * 5000)
@example("9" * 60 + "h")
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        found = parse_timestamp(text, NOW)
    except InvalidParameter:
        return
    assert found is None or abs(found) <= LATEST_NS


@given(st.integers(0, LATEST_NS))
def test_what_we_write_is_read_back(time_ns: int) -> None:
    assert parse_timestamp(rfc3339(time_ns), NOW) == time_ns


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (-62_135_596_800 * 10**9, "0001-01-01T00:00:00Z"),
    ],
)
def test_time_is_written_as_go_does(time_ns: int, text: str) -> None:
    assert rfc3339(time_ns) == text


@given(st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=0)))
def test_seconds_agree_with_the_standard_library(moment: datetime) -> None:
    text = moment.strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)
    expected = int(moment.timestamp()) * 10**9
    assert parse_timestamp(text, NOW) in {max(-LATEST_NS, min(expected, LATEST_NS)), None}


@given(st.text())
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidParameter):
        assert isinstance(parse_duration(text), int)
