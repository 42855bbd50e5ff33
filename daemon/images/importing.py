"""The config of an image that is made of one plain tar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from daemon.images import documents
from daemon.images.platforms import Platform, host
from daemon.model import Config
from daemon.wire import to_client


@attrs.frozen
class Import:
    """What a client says about the tar it imports; `created_ns` is now."""

    config: Config
    message: str
    created_ns: int
    platform: Platform = attrs.field(factory=host)

    def document(self, diff_id: str) -> Mapping[str, Any]:
        """Return the image's config, as JSON-ready objects, for its only layer."""
        created = documents.write_time(self.created_ns)
        message = self.message or "Imported from -"
        return {
            **self.platform.stated,
            "created": created,
            "comment": message,
            "config": portable(self.config),
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            "history": [{"created": created, "comment": message}],
        }


def portable(config: Config) -> dict[str, Any]:
    """Return the members of a config that say something, under Docker's names."""
    return {name: value for name, value in to_client(config).items() if value not in (None, "", 0, False)}
