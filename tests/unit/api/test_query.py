from __future__ import annotations

import contextlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api import query
from daemon.api.app import Application
from daemon.api.query import filter_flag, filter_time, parse_boolean, parse_filters, parse_integer
from daemon.errors import InvalidParameter

ALLOWED = frozenset({"label", "status", "dangling", "until"})


@pytest.mark.parametrize("value", ["", "0", "no", "false", "none", " False ", "NONE"])
def test_word_for_false_is_false(value: str) -> None:
    assert not parse_boolean(value)


@pytest.mark.parametrize("value", ["1", "True", "yes", "foo", "-1", "00"])
def test_anything_else_is_true(value: str) -> None:
    assert parse_boolean(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", {}),
        ("null", {}),
        ("{}", {}),
        ('{"label":{"a=b":true,"c":false}}', {"label": ("a=b", "c")}),
        ('{"label":["a=b","c","c"]}', {"label": ("a=b", "c")}),
        ('{"label":{"a":true},"status":["running"]}', {"label": ("a",), "status": ("running",)}),
        ('{"label":null}', {"label": ()}),
    ],
)
def test_filters_come_in_two_forms(value: str, expected: query.Filters) -> None:
    assert parse_filters(value, ALLOWED) == expected


@pytest.mark.parametrize(
    "value", ["x", "[]", "1", '{"label":"a"}', '{"label":[1]}', '{"a"', "{} {}", "\ud800"]
)
def test_what_is_no_filter_is_refused(value: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^invalid filter$"):
        parse_filters(value, ALLOWED)


def test_filter_that_does_not_exist_is_named() -> None:
    with pytest.raises(InvalidParameter, match=r"^invalid filter 'foo'$"):
        parse_filters('{"foo":["x"]}', ALLOWED)


@pytest.mark.parametrize(
    ("values", "expected"),
    [((), True), (("1",), True), (("true", "1"), True), (("0",), False), (("false",), False)],
)
def test_filter_may_be_a_flag(values: tuple[str, ...], expected: bool) -> None:
    assert filter_flag({"dangling": values}, "dangling", default=True) is expected


@pytest.mark.parametrize(("values", "shown"), [(("x",), "x"), (("true", "false"), "true false")])
def test_filter_that_is_no_flag_is_shown(values: tuple[str, ...], shown: str) -> None:
    with pytest.raises(InvalidParameter) as refusal:
        filter_flag({"dangling": values}, "dangling", default=True)
    assert str(refusal.value) == f"invalid filter 'dangling=[{shown}]'"


def test_filter_may_be_a_time() -> None:
    now_ns = 100 * 10**9
    assert filter_time({}, "until", now_ns) is None
    assert filter_time({"until": ("10s",)}, "until", now_ns) == 90 * 10**9
    with pytest.raises(InvalidParameter, match="more than one value"):
        filter_time({"until": ("10s", "20s")}, "until", now_ns)


@pytest.mark.parametrize("value", ["", "x", "1.5", "1e3", "9" * 30, "\u0661", "0x1", "1_0"])
def test_what_is_no_integer_is_refused(value: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid value for limit"):
        parse_integer("limit", value)


async def test_request_is_read() -> None:
    async with Application(__name__).test_request_context("/?all=&limit=-1&t=a&t=b&since=1.5&x"):
        assert not query.flag("all", default=True)
        assert query.flag("absent", default=True)
        assert query.integer("limit") == -1
        assert query.integer("absent", 7) == 7
        assert query.texts("t") == ("a", "b")
        assert query.text("t") == "a"
        assert query.text("absent", "none") == "none"
        assert query.timestamp("since") == 1_500_000_000
        assert query.timestamp("absent") is None
        assert query.filters(ALLOWED) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")) | st.just("label"), inner)
    ),
)


@given(st.text() | JSON.map(lambda document: orjson.dumps(document).decode()))
def test_any_text_is_filters_or_refused(value: str) -> None:
    with contextlib.suppress(InvalidParameter):
        found = parse_filters(value, ALLOWED)
        assert set(found) <= ALLOWED
        assert all(isinstance(text, str) for texts in found.values() for text in texts)
        filter_flag(found, "dangling", default=False)


@given(st.text())
def test_any_text_is_an_integer_or_refused(value: str) -> None:
    with contextlib.suppress(InvalidParameter):
        assert abs(parse_integer("limit", value)) < 2**63
