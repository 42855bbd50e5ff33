"""A container's health as Docker's API shows it (api-contract section 3.12)."""

from __future__ import annotations

from typing import Any

from daemon.actors.container.health import Health, HealthStatus
from daemon.api.timestamps import rfc3339


def health_in_words(health: Health | None) -> str:
    """Return what the list adds to how long the container is up; "" without a health check."""
    if health is None:
        return ""
    word = health.status.value
    return f" (health: {word})" if health.status is HealthStatus.STARTING else f" ({word})"


def health_state(health: Health) -> dict[str, Any]:
    """Return what inspect shows as State.Health."""
    return {
        "Status": health.status.value,
        "FailingStreak": health.failing_streak,
        "Log": [
            {
                "Start": rfc3339(probe.start_ns),
                "End": rfc3339(probe.end_ns),
                "ExitCode": probe.exit_code,
                "Output": probe.output,
            }
            for probe in health.log
        ],
    }
