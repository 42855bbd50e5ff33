"""Settings that reach no module of their own: that they are honoured at all."""

from __future__ import annotations

import pytest

from daemon.actors.creation import stop_timeout_seconds
from daemon.journal.retention import Retention
from daemon.model import Config
from daemon.settings import Settings
from daemon.supervisor import grace_seconds


@pytest.mark.parametrize(
    ("asked", "configured", "kept"), [(None, 10, None), (None, 3, 3), (7, 3, 7), (0, 3, 0)]
)
def test_a_container_that_says_nothing_gets_the_configured_stop_timeout(
    asked: int | None, configured: int, kept: int | None
) -> None:
    settings = Settings(default_stop_timeout_seconds=configured)
    assert stop_timeout_seconds(Config(stop_timeout=asked), settings) == kept


def test_clients_get_no_more_time_than_the_engine_has_to_stop() -> None:
    assert grace_seconds(Settings()) == 3
    assert grace_seconds(Settings(shutdown_timeout_seconds=1)) == 1


def test_events_are_kept_as_configured() -> None:
    assert Retention.of(Settings()) == Retention(100_000, 90 * 24 * 3600, 128 << 20)
    settings = Settings(event_retention_days=1, event_retention_count=7, event_retention_bytes=5)
    assert Retention.of(settings) == Retention(7, 24 * 3600, 5)
