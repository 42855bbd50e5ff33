"""What a failed launch means: its HTTP class, its exit code and the words clients look for.

A shell's convention: 127 there is no such program, 126 it cannot be executed, 128 anything else
(api-contract section 3.11).  The docker CLI decides by fragments of the text (section 3.4), which
runtimes spell differently.
"""

from __future__ import annotations

import re
from typing import Final

from daemon.errors import EngineError, InvalidParameter, RuntimeFailed

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
OTHER: Final = 128

UNOPENABLE: Final = "open executable: operation not permitted"  # what crun says of a directory
CANONICAL: Final = (
    (UNOPENABLE, NOT_EXECUTABLE),
    ("executable file not found", NOT_FOUND),
    ("no such file or directory", NOT_FOUND),
    ("not a directory", NOT_FOUND),
    ("permission denied", NOT_EXECUTABLE),
    ("is a directory", NOT_EXECUTABLE),
)


def launch_failure(error: EngineError) -> tuple[EngineError, int]:
    """Return the error to answer with and the exit code to record for a launch that failed."""
    if not isinstance(error, RuntimeFailed):
        return error, OTHER
    text = str(error)
    for fragment, code in CANONICAL:
        found = re.search(re.escape(fragment), text, re.IGNORECASE)
        if found:
            # In lower case, as those who look for it expect it.
            words = "open executable: permission denied" if fragment == UNOPENABLE else fragment
            return InvalidParameter(text[: found.start()] + words + text[found.end() :]), code
    return error, OTHER
