"""What a registry refuses, as errors a client may see, in the words dockerd has for them.

RegistryError           `code` is the registry's own word, "" where it gave none
├── LoginRefused        401: the registry wants to know who asks, or does not believe it
├── AccessDenied        403: it knows, and that one may not
├── NothingThere        404: no such repository, manifest, blob or upload
├── RateLimited         429: too many requests
├── ContentRefused      400: what was sent, or its name, is no good
├── ImageUnusable       400: what was received is well formed, and nothing this engine can use
└── RegistryFailed      500: no connection, no sense in the answer, or a failure over there

The texts are those of the codes; what a pull makes of them for people is `for_pull`.

Source: OCI distribution specification, "Error Codes"; `moby:daemon/internal/distribution/errors.go` for
which of them a pull reports as not found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from daemon import errors
from daemon.images.references import Reference


class RegistryError(Exception):
    """What all that comes of asking a registry have in common; each is an EngineError besides.

    `transient` says whether the same may work when it is tried again, `retry_after_seconds` when, if the
    registry has told that.
    """

    transient = False
    retry_after_seconds: float | None = None

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class LoginRefused(RegistryError, errors.Unauthorized):
    """The registry wants to know who asks, or does not believe it."""


class AccessDenied(RegistryError, errors.Forbidden):
    """Whoever asks may not do this."""


class NothingThere(RegistryError, errors.NotFound):
    """There is no such repository, manifest, blob or upload."""


class RateLimited(RegistryError, errors.TooManyRequests):
    """The registry answers no more for now, and did not after waiting either."""

    transient = True


class ContentRefused(RegistryError, errors.InvalidParameter):
    """The registry does not take what was sent, or its name."""


class ImageUnusable(RegistryError, errors.InvalidParameter):
    """What the registry has is nothing this engine can use."""


class RegistryFailed(RegistryError, errors.Failed):
    """No connection, no sense in the answer, content other than promised, or a failure over there."""


class WrongContent(RegistryFailed):
    """Content that has another digest or size than was promised; another place may have the right one."""


class RegistryDown(RegistryFailed):
    """It answered that it failed (5xx)."""

    transient = True


_PULL_REFUSALS: Final[Mapping[str, Callable[[Reference], str]]] = MappingProxyType(
    {
        "DENIED": lambda reference: (
            f"pull access denied for {reference.familiar_repository}, "
            "repository does not exist or may require 'docker login'"
        ),
        "MANIFEST_UNKNOWN": lambda reference: f"manifest for {reference.familiar} not found",
        "NAME_UNKNOWN": lambda reference: f"repository {reference.familiar_repository} not found",
    }
)


def for_pull(error: RegistryError, reference: Reference) -> RegistryError:
    """Return what a pull of `reference` reports instead of `error`."""
    refusal = _PULL_REFUSALS.get(error.code)
    return error if refusal is None else NothingThere(f"{refusal(reference)}: {error}", error.code)
