"""Every error the engine answers with, as one tree.

EngineError
├── InvalidParameter    the input cannot be accepted as it is; each text says what to do
├── Unauthorized        the credentials were refused
├── Forbidden           nobody may do this, whatever the state
├── NotFound            no object has this reference
├── Conflict            the object exists but cannot do this now
├── NotModified         it is already as the client wants it
├── TooManyRequests     somebody else's limit is reached; later it will do
├── NotImplementedHere  the API has it, this engine does not (yet)
├── Unavailable         the engine is stopping, or an actor ended before it answered
└── Failed              something under us failed: runtime, kernel, disk

Raise the leaf that names what happened, with the text the client is to read.  The HTTP status
of each leaf is written once, in `daemon.api.errors`.  Errors of the outside world (OSError, exit
codes, sqlite3.Error) are translated where they occur, never in a handler.
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of all errors a client may see; never raised itself."""


class InvalidParameter(EngineError):
    """The input cannot be accepted as it is."""


class Unauthorized(EngineError):
    """The credentials were refused."""


class Forbidden(EngineError):
    """Nobody may do this, whatever the state."""


class NotFound(EngineError):
    """No object has this reference."""


class Conflict(EngineError):
    """The object exists but cannot do this now."""


class NotModified(EngineError):
    """It is already as the client wants it."""


class TooManyRequests(EngineError):
    """A registry's limit is reached; the same request will be answered later."""


class NotImplementedHere(EngineError):
    """The API describes it, this engine does not do it (yet)."""


class Unavailable(EngineError):
    """The engine is stopping, or the actor that was asked ended before it answered."""


class Failed(EngineError):
    """Something under the engine failed: the runtime, the kernel, the disk."""


class RuntimeFailed(Failed):
    """An OCI runtime said no; `message` is its own text.

    Clients tell a missing executable from a forbidden one by that text, so it is kept whole.
    """

    def __init__(self, operation: str, message: str) -> None:
        super().__init__(f"{operation}: {message}")
        self.operation, self.message = operation, message


class RuntimeUnusable(RuntimeFailed):
    """An OCI runtime said nothing: it did not end in time, or could not be run."""
