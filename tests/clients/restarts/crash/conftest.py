"""The crash test runs where somebody asks for it: it is young, and takes four minutes for 200 kills.

LONGSHORE_CRASH_KILLS=200 scripts/test tests/clients/restarts/crash
"""

from __future__ import annotations

import os

collect_ignore = [] if "LONGSHORE_CRASH_KILLS" in os.environ else ["test_crash.py"]
