"""Logging options: what they mean, and the texts of those that are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import EngineError, InvalidParameter, NotImplementedHere
from daemon.logoptions import LARGEST_BYTES, MOST_FILES, check, max_files, max_size_bytes, problems

JSON_FILE = "json-file"


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("1", 1), ("10m", 10_000_000), ("10M", 10_000_000), ("10MB", 10_000_000), ("10MiB", 10_000_000),
        ("10 mb", 10_000_000), ("1.5k", 1500), ("2.k", 2000), (".5g", 500_000_000), ("7b", 7), ("1t", 10**12),
        ("1p", 10**15),
    ],
)  # fmt: skip
def test_a_size_is_decimal_as_json_files_is(text: str, size_bytes: int) -> None:
    assert max_size_bytes({"max-size": text}) == size_bytes
    assert problems(JSON_FILE, {"max-size": text}) == ()


def test_without_a_size_there_is_no_limit() -> None:
    assert max_size_bytes({"max-file": "1"}) is None


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max-file": "1"},
        {"max-size": "1m", "max-file": "+1"},
        {"max-file": "3"},
        {"compress": "false"},
        {"mode": "blocking"},
        {"mode": ""},
        {"labels": "a,b", "env": "HOME"},
    ],
)
def test_what_is_so_anyway_may_be_asked_for(options: dict[str, str]) -> None:
    check(JSON_FILE, options)


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ({}, 1),
        ({"max-size": "1m"}, 1),
        ({"max-size": "1m", "max-file": "3"}, 3),
        ({"max-size": "1m", "max-file": "+010"}, 10),
        ({"max-size": "1m", "max-file": str(MOST_FILES)}, MOST_FILES),
        ({"max-file": "3"}, 1),
    ],
)
def test_a_log_without_a_size_is_one_file_whatever_its_number(options: dict[str, str], files: int) -> None:
    check(JSON_FILE, options)
    assert max_files(options) == files


REFUSED: list[tuple[str, dict[str, str], type[EngineError], str]] = [
    (JSON_FILE, {"x": "1"}, InvalidParameter, "unknown log opt 'x' for json-file log driver"),
    (JSON_FILE, {"max-size": "10x"}, InvalidParameter, "log opt 'max-size': invalid size: '10x'"),
    (JSON_FILE, {"max-size": ""}, InvalidParameter, "log opt 'max-size': invalid size: ''"),
    (JSON_FILE, {"max-size": "-1"}, InvalidParameter, "log opt 'max-size': invalid size: '-1'"),
    (JSON_FILE, {"max-size": "10m\n"}, InvalidParameter, "log opt 'max-size': invalid size: '10m\n'"),
    (JSON_FILE, {"max-size": "9999999p"}, InvalidParameter, "log opt 'max-size': invalid size: '9999999p'"),
    (JSON_FILE, {"max-size": "0"}, InvalidParameter, "max-size must be a positive number"),
    (JSON_FILE, {"max-size": "0.5"}, InvalidParameter, "max-size must be a positive number"),
    (JSON_FILE, {"max-file": "0"}, InvalidParameter, "max-file cannot be less than 1"),
    (JSON_FILE, {"max-file": "-1"}, InvalidParameter, "max-file cannot be less than 1"),
    (JSON_FILE, {"max-file": "x"}, InvalidParameter, "log opt 'max-file': invalid number: 'x'"),
    (
        JSON_FILE, {"max-size": "1m", "max-file": "1001"}, NotImplementedHere,
        "log opt 'max-file': '1001' is not supported: 1000 is the most",
    ),
    *(
        (JSON_FILE, {"compress": "true", **files}, InvalidParameter,
        "compress cannot be true when max-file is less than 2 or max-size is not set")
        for files in ({}, {"max-size": "1m"}, {"max-file": "3"}, {"max-size": "1m", "max-file": "01"})
    ),
    (
        JSON_FILE, {"compress": "1", "max-size": "1m", "max-file": "2"}, NotImplementedHere,
        "log opt 'compress': 'true' is not supported yet: old files are kept as they are",
    ),
    (JSON_FILE, {"compress": "yes"}, InvalidParameter, "log opt 'compress': invalid boolean: 'yes'"),
    (
        JSON_FILE, {"mode": "non-blocking"}, NotImplementedHere,
        "log opt 'mode': 'non-blocking' is not supported yet: use 'blocking'",
    ),
    (JSON_FILE, {"mode": "x"}, InvalidParameter, "logger: logging mode not supported: x"),
    (JSON_FILE, {"tag": "x"}, NotImplementedHere, "log opt 'tag' is not supported yet"),
    (JSON_FILE, {"labels-regex": "x"}, NotImplementedHere, "log opt 'labels-regex' is not supported yet"),
    (
        "syslog", {"x": "1"}, NotImplementedHere,
        'logging driver "syslog" is not supported yet: use json-file or none',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("driver", "options", "error", "text"), REFUSED, ids=[row[3] for row in REFUSED])
def test_what_is_refused_says_why(
    driver: str, options: dict[str, str], error: type[EngineError], text: str
) -> None:
    with pytest.raises(error) as caught:
        check(driver, options)
    assert str(caught.value) == text
    assert problems(driver, options) == (text,)


def test_every_problem_is_listed() -> None:
    options = {"x": "", "max-size": "?", "max-file": "0", "labels": "ok"}
    assert problems(JSON_FILE, options) == (
        "max-file cannot be less than 1",
        "log opt 'max-size': invalid size: '?'",
        "unknown log opt 'x' for json-file log driver",
    )


def test_no_logging_takes_any_option_as_with_dockerd() -> None:
    assert problems("none", {"x": "1", "max-size": "?"}) == ()


@given(st.dictionaries(st.sampled_from(["max-size", "max-file", "compress", "mode"]), st.text(max_size=400)))
def test_whatever_is_written_there_is_understood_or_refused(options: dict[str, str]) -> None:
    if not problems(JSON_FILE, options):
        size_bytes = max_size_bytes(options)
        assert size_bytes is None or 1 <= size_bytes <= LARGEST_BYTES
        assert 1 <= max_files(options) <= MOST_FILES


@given(st.from_regex(r"\A[0-9]{1,400}\.?[0-9]{0,400} ?[kmgtp]?i?b?\Z"))
def test_a_number_of_any_length_is_a_size_or_refused(text: str) -> None:
    if not problems(JSON_FILE, {"max-size": text}):
        assert 1 <= (max_size_bytes({"max-size": text}) or 0) <= LARGEST_BYTES
