"""What a failed launch means, in the words of both runtimes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import Conflict, EngineError, InvalidParameter, RuntimeFailed
from daemon.runtimes.failures import CANONICAL, NOT_EXECUTABLE, NOT_FOUND, OTHER, launch_failure


@pytest.mark.parametrize(
    ("said", "code", "fragment"),
    [
        ('exec: "x": executable file not found in $PATH', NOT_FOUND, "executable file not found"),
        (
            "executable file `x` not found in $PATH: No such file or directory",
            NOT_FOUND,
            "no such file or directory",
        ),
        ("open `/etc/passwd/x`: Not a directory", NOT_FOUND, "not a directory"),
        ("open executable: Operation not permitted", NOT_EXECUTABLE, "permission denied"),
        ("open executable: Permission denied", NOT_EXECUTABLE, "permission denied"),
        ('exec "/etc": is a directory', NOT_EXECUTABLE, "is a directory"),
    ],
)
def test_what_cannot_be_executed_is_told_in_the_words_that_clients_look_for(
    said: str, code: int, fragment: str
) -> None:
    error, exit_code = launch_failure(RuntimeFailed("OCI runtime create failed", said))
    assert (type(error), exit_code) == (InvalidParameter, code)
    assert str(error).startswith("OCI runtime create failed: ")
    assert fragment in str(error)


@pytest.mark.parametrize("error", [RuntimeFailed("crun create", "cgroup"), Conflict("permission denied")])
def test_anything_else_is_told_as_it_is(error: EngineError) -> None:
    assert launch_failure(error) == (error, OTHER)


@given(st.text(), st.sampled_from([fragment for fragment, _ in CANONICAL]), st.text())
def test_a_name_of_the_clients_choice_garbles_nothing(before: str, fragment: str, after: str) -> None:
    """Some letters change their length with their case, a capital I with a dot above for one."""
    error, _ = launch_failure(RuntimeFailed("create", f"{before}{fragment.upper()}{after}"))
    assert isinstance(error, InvalidParameter)
    if not any(known in before.lower() + after.lower() for known, _ in CANONICAL):
        assert str(error).startswith(f"create: {before}")
        assert str(error).endswith(after)
