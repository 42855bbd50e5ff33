"""How children say what went wrong."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from daemon.archives.children import is_hosts_fault, last_words
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


@pytest.mark.parametrize(
    ("status", "said", "hosts"),
    [
        (1, "the child ended with 1", False),
        (HOST_AT_FAULT, "the child ended with 74", True),
        (-signal.SIGKILL, "the child was ended by SIGKILL", True),  # as of a host without memory
        (-signal.SIGSEGV, "the child was ended by SIGSEGV", False),  # as of an archive made for that
    ],
)
def test_who_is_to_blame_for_a_child_that_says_nothing(status: int, said: str, hosts: bool) -> None:
    assert (last_words(b"", status), is_hosts_fault(status)) == (said, hosts)
