"""The texts of what the kernel refuses."""

from __future__ import annotations

import errno
import os

import pytest

from daemon.errors import Failed, NotFound
from daemon.networks.failures import explained
from daemon.networks.netlink import Refused


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Refused(errno.EXFULL, "Exchange full"), "link x: Exchange full; the bridge has all the ports"),
        (Refused(errno.ERANGE, "Out of range (too long)"), r"^link x: Out of range \(too long\)$"),
        (
            OSError(errno.ENOENT, os.strerror(errno.ENOENT), "/proc/sys/net/a"),
            r"^link x: .*: /proc/sys/net/a$",
        ),
    ],
)
def test_a_refusal_names_the_link_the_kernels_words_and_what_helps(error: OSError, text: str) -> None:
    with pytest.raises(Failed, match=text), explained("link x"):
        raise error


def test_other_errors_pass() -> None:
    with pytest.raises(NotFound, match=r"^gone$"), explained("link x"):
        raise NotFound("gone")
