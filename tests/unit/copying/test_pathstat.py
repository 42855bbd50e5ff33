"""Modes as Go has them."""

from __future__ import annotations

import stat

import pytest

from daemon.copying.pathstat import go_mode


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (stat.S_IFREG | 0o644, 0o644),
        (stat.S_IFDIR | 0o755, 2147484141),
        (stat.S_IFDIR | 0o1777, 2148532735),
        (stat.S_IFLNK | 0o777, 134218239),
        (stat.S_IFCHR | 0o666, 1 << 26 | 1 << 21 | 0o666),
        (stat.S_IFBLK | 0o660, 1 << 26 | 0o660),
        (stat.S_IFIFO | 0o600, 1 << 25 | 0o600),
        (stat.S_IFSOCK | 0o600, 1 << 24 | 0o600),
        (stat.S_IFREG | 0o6755, 1 << 23 | 1 << 22 | 0o755),
    ],
)
def test_a_mode_is_what_dockerd_says(mode: int, expected: int) -> None:
    assert go_mode(mode) == expected
