"""How children say what went wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest

from daemon.archives.errors import ARCHIVE_AT_FAULT, HOST_AT_FAULT


@pytest.mark.parametrize(
    ("raised", "said", "status"),
    [
        (
            "OSError(16, 'Device or resource busy', b'/etc/hosts')",
            "Device or resource busy: /etc/hosts",
            ARCHIVE_AT_FAULT,
        ),
        (
            "OSError(18, 'Cross-device link', '/a', None, b'/b')",
            "Cross-device link: /a: /b",
            ARCHIVE_AT_FAULT,
        ),
        ("OSError(28, 'No space left on device', 7)", "No space left on device", HOST_AT_FAULT),
        ("OSError('nothing else')", "nothing else", ARCHIVE_AT_FAULT),
        ("ValueError('x')", "ValueError: x", ARCHIVE_AT_FAULT),
    ],
)
def test_a_failure_is_one_line_in_words(raised: str, said: str, status: int) -> None:
    code = f"from daemon.archives.errors import run\ndef main():\n    raise {raised}\nrun(main)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.stderr.decode(), done.returncode) == (said, status)
