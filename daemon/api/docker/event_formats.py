"""An event as bytes, in each of the forms that a client may ask for.

The document is Docker's, plus `seq`: the number by which a client continues where it stopped.  A gap
has the same shape and its bounds are attributes, as text: a client that has never heard of gaps
(Go's reads `from` as an image's name) decodes it like any other event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import attrs
import orjson
from werkzeug.datastructures import MIMEAccept

from daemon.api.docker.event_filters import SCOPE
from daemon.api.versions import ApiVersion
from daemon.journal import Event

NS_PER_SECOND: Final = 10**9
SSE: Final = "text/event-stream"
GAP: Final = "gap"

Frame: TypeAlias = Callable[[int, bytes], bytes]


def document(event: Event) -> dict[str, Any]:
    """Return the event as the API describes it."""
    return {
        "Type": event.type,
        "Action": event.action,
        "Actor": {"ID": event.actor_id, "Attributes": dict(event.attributes)},
        "scope": SCOPE,
        "time": event.time_ns // NS_PER_SECOND,
        "timeNano": event.time_ns,
        "seq": event.seq,
    }


def legacy_fields(event: Event) -> dict[str, str]:
    """Return the fields that containers' and images' events also have below API 1.52."""
    if event.type not in {"container", "image"}:
        return {}
    image = event.attributes.get("image", "") if event.type == "container" else ""
    fields = {"status": event.action, "id": event.actor_id, "from": image}
    return {name: value for name, value in fields.items() if value}


def gap(first_seq: int, last_seq: int, now_ns: int) -> Event:
    """Return what stands for the events that are no longer kept, both numbers included."""
    bounds = {"from": str(first_seq), "to": str(last_seq)}
    return Event(last_seq, now_ns, GAP, GAP, "", bounds)


FRAMES: Final[Mapping[str, Frame]] = MappingProxyType(
    {
        "application/json": lambda _, text: text + b"\n",
        "application/jsonl": lambda _, text: text + b"\n",
        "application/x-ndjson": lambda _, text: text + b"\n",
        "application/json-seq": lambda _, text: b"\x1e" + text + b"\n",
        SSE: lambda seq, text: b"id: %d\ndata: %b\n\n" % (seq, text),
    }
)


@attrs.frozen
class Format:
    """How one client wants its events."""

    content_type: str
    _legacy: bool

    @classmethod
    def agreed(cls, accepted: MIMEAccept, version: ApiVersion) -> Format:
        """Return the format for a client's `Accept` and API version."""
        legacy = version < (1, 52)
        usual = "application/json" if legacy else "application/jsonl"
        offered = [usual, *(kind for kind in FRAMES if kind != usual)]
        return cls(accepted.best_match(offered, usual), legacy)

    def render(self, event: Event) -> bytes:
        """Return the event as one piece of the stream."""
        fields = legacy_fields(event) if self._legacy else {}
        return FRAMES[self.content_type](event.seq, orjson.dumps(fields | document(event)))
