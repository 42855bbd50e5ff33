"""What a child that unpacks loads: each of these takes milliseconds, times sixty layers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from daemon.archives.children import ENVIRONMENT

SLOW = {
    "typing",
    "enum",
    "re",
    "json",
    "hashlib",
    "threading",
    "queue",
    "contextlib",
    "collections",
    "site",
    "tarfile",
}


@pytest.mark.parametrize("child", ["extract", "digest"])
def test_a_child_that_unpacks_imports_nothing_slow(child: str) -> None:
    code = f"import sys, daemon.archives.{child}; print(*sys.modules)"
    command = [sys.executable, "-P", "-s", "-S", "-c", code]
    loaded = subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert f"daemon.archives.{child}" in loaded
    assert not SLOW.intersection(loaded)
