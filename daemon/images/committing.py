"""The config of an image that is made of a container."""

from __future__ import annotations

from typing import Any

import attrs
import orjson

from daemon import __version__
from daemon.images import documents
from daemon.images.documents import ImageDocument
from daemon.images.importing import portable
from daemon.model import Config


@attrs.frozen
class Description:
    """What a new image says of itself, beside what its parent says; `created_ns` is now.

    `config` is the new image's, `container_config` that of the container it is made of.
    """

    config: Config
    container_id: str
    container_config: Config
    author: str
    comment: str
    created_ns: int

    def document(self, parent: ImageDocument, diff_id: str | None) -> bytes:
        """Return the config of the image with `parent`'s layers and one more, unless `diff_id` is None."""
        base = orjson.loads(parent.raw)
        created = documents.write_time(self.created_ns)
        kept = {
            name: base[name]
            for name in ("architecture", "os", "variant", "os.version", "os.features")
            if base.get(name)
        }
        step = {
            "created": created,
            "created_by": " ".join(self.container_config.cmd or ()),
            "author": self.author,
            "comment": self.comment,
            "empty_layer": diff_id is None,
        }
        document: dict[str, Any] = {
            **kept,
            "author": self.author,
            "comment": self.comment,
            "config": portable(self.config),
            "container": self.container_id,
            "container_config": portable(self.container_config),
            "created": created,
            "docker_version": __version__,
            "history": [*(base.get("history") or ()), {name: value for name, value in step.items() if value}],
            "rootfs": {"type": "layers", "diff_ids": [*parent.diff_ids, *([diff_id] if diff_id else [])]},
        }
        return orjson.dumps(document)
