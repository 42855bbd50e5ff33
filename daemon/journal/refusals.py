"""What the journal refuses, as plain exceptions: only the caller knows the words for its client."""

from __future__ import annotations


class Refusal(Exception):
    """Base of what is refused because of what the journal already holds; never raised itself."""


class NameTaken(Refusal):
    """Another record, `holder_id`, has this name."""

    def __init__(self, kind: str, name: str, holder_id: str) -> None:
        super().__init__(f"{kind} name {name!r} is taken by {holder_id}")
        self.kind, self.name, self.holder_id = kind, name, holder_id


class Held(Refusal):
    """The record cannot be deleted while `holders`, as `(kind, id)`, hold it."""

    def __init__(self, kind: str, record_id: str, holders: tuple[tuple[str, str], ...]) -> None:
        names = ", ".join(f"{holder_kind} {holder_id}" for holder_kind, holder_id in holders)
        super().__init__(f"{kind} {record_id} is held by {names}")
        self.kind, self.id, self.holders = kind, record_id, holders


class Missing(Refusal):
    """A name or a hold refers to this record, and it does not exist (any more)."""

    def __init__(self, kind: str, record_id: str) -> None:
        super().__init__(f"there is no {kind} {record_id}")
        self.kind, self.id = kind, record_id


class Gap(Refusal):
    """Events that were wanted are no longer kept; the oldest that is has `first_available`."""

    def __init__(self, first_available: int) -> None:
        super().__init__(f"events before {first_available} are no longer kept")
        self.first_available = first_available
