"""Signals by name and number, and which one is sent on whose behalf."""

from __future__ import annotations

import contextlib
import signal
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.actors.container.names import NAME, check_name, invented_name
from daemon.actors.container.signals import parse_signal, stop_signal
from daemon.errors import InvalidParameter
from daemon.model import Config
from tests.unit.actors.world import refused


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("9", 9),
        ("KILL", 9),
        ("SIGKILL", 9),
        ("sigterm", 15),
        (" hup ", 1),
        ("RTMIN", signal.SIGRTMIN),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("rtmax-1", signal.SIGRTMAX - 1),
    ],
)
def test_a_signal_may_be_named_in_many_ways(text: str, number: int) -> None:
    assert parse_signal(text) == number


NO_SIGNALS: Final = "0 SIG42 SIG9 -9 +9 65 RTMIN+99 RTMAX+1 RTMIN-1 RTMIN+ TERM+1 9.0 ² _IGN BLOCK"


@pytest.mark.parametrize("text", ["", "9" * 5000, *NO_SIGNALS.split()])
def test_what_is_no_signal_is_refused(text: str) -> None:
    with refused(InvalidParameter, f"invalid signal: {text}"):
        parse_signal(text)


@given(st.text(max_size=20) | st.from_regex(r"(SIG)?(RTM(IN|AX))?[+-]?[0-9]*", fullmatch=True))
def test_any_text_is_a_signal_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidParameter):
        assert parse_signal(text) in signal.valid_signals()


@pytest.mark.parametrize(("configured", "number"), [("", 15), ("SIGUSR1", 10), ("3", 3)])
def test_the_stop_signal_is_the_configured_one_or_sigterm(configured: str, number: int) -> None:
    assert stop_signal(Config(stop_signal=configured)) == number


@given(st.text(max_size=8))
def test_a_name_is_accepted_exactly_if_it_has_the_form(name: str) -> None:
    try:
        check_name(name)
    except InvalidParameter:
        assert not NAME.fullmatch(name)
    else:
        assert name.isascii()
        assert len(name) > 1


def test_invented_names_are_names() -> None:
    for name in {invented_name() for _ in range(20)}:
        check_name(name)
