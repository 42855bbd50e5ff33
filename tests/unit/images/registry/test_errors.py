from __future__ import annotations

import pytest

from daemon.api.errors import status_of
from daemon.errors import EngineError
from daemon.images import references
from daemon.images.registry.errors import (
    AccessDenied,
    LoginRefused,
    NothingThere,
    RateLimited,
    RegistryError,
    RegistryFailed,
    for_pull,
)

DENIED = "denied: requested access to the resource is denied"
UNKNOWN = "manifest unknown: manifest unknown"


@pytest.mark.parametrize(
    ("error", "status"),
    [(LoginRefused("x"), 401), (AccessDenied("x"), 403), (RateLimited("x"), 429), (RegistryFailed("x"), 500)],
)
def test_what_a_registry_refuses_has_the_status_of_its_kind(error: RegistryError, status: int) -> None:
    assert isinstance(error, EngineError)
    assert status_of(error) == status
    assert for_pull(error, references.parse("x")) is error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            AccessDenied(DENIED, "DENIED"),
            f"pull access denied for x, repository does not exist or may require 'docker login': {DENIED}",
        ),
        (NothingThere(UNKNOWN, "MANIFEST_UNKNOWN"), f"manifest for x:1 not found: {UNKNOWN}"),
        (NothingThere("name unknown: n", "NAME_UNKNOWN"), "repository x not found: name unknown: n"),
    ],
)
def test_a_pull_says_what_was_not_found(error: RegistryError, text: str) -> None:
    told = for_pull(error, references.parse("x:1"))
    assert (str(told), type(told)) == (text, NothingThere)
