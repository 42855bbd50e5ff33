"""What a runtime is told about the copy of itself that it makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.runtimes.clones import DIRECTORY, runtime_environment


@pytest.mark.parametrize(
    ("policy", "in_memory"), [("0\n", True), ("1\n", False), ("2\n", False), (None, True)]
)
def test_it_is_made_in_memory_unless_the_host_forbids_to_execute_that(
    tmp_path: Path, policy: str | None, in_memory: bool
) -> None:
    file = tmp_path / "memfd_noexec"
    if policy is not None:
        file.write_text(policy)
    assert (DIRECTORY in runtime_environment(file)) is in_memory
