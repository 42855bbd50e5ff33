"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# No deadline: it would be a test of how busy the machine is.
settings.register_profile("quick", max_examples=30, deadline=None)
settings.load_profile("quick")
