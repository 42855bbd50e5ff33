"""What holds for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No limits of time: they would be a test of how busy the machine is.
settings.register_profile(
    "quick", max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("quick")
