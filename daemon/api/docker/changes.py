"""The instructions by which a request changes the config of the image it makes."""

from __future__ import annotations

from daemon.actors.container.signals import parse_signal
from daemon.api.query import texts
from daemon.images.changes import apply_changes
from daemon.model import Config


def changed(config: Config) -> Config:
    """Return `config` with all `changes` of the current request carried out, in order.

    Raises:
        InvalidParameter: one is unknown or malformed, or no container could have what it says.

    """
    result = apply_changes(config, texts("changes"))
    if result.stop_signal:
        parse_signal(result.stop_signal)
    return result
