"""What the keys of daemon.json are, what a change of each takes, and which do nothing yet.

All of it is read off the fields of `Settings`, so that a key cannot be known in one place only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from daemon.settings import Settings, TakesEffect
from daemon.shapes import Field, fields_of
from daemon.wire import config_name

INERT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "userland-proxy": "ports are published without proxies, so not at [::1] of this host",
    }
)
ABSENT_FEATURES: Final = ("buildkit", "containerd-snapshotter")

_KEYS: Final[Mapping[str, Field[Any]]] = MappingProxyType(
    {config_name(field): field for field in fields_of(Settings)}
)
_DEFAULTS: Final = Settings()


def keys() -> Mapping[str, Field[Any]]:
    """Return the field of `Settings` for each key, in the fields' order."""
    return _KEYS


def value_of(settings: Settings, key: str) -> Any:
    """Return what `settings` say under `key`."""
    return getattr(settings, _KEYS[key].name)


def takes_effect(key: str) -> TakesEffect:
    """Say what a change of `key` takes.

    Raises:
        KeyError: there is no such key.

    """
    effect: TakesEffect = _KEYS[key].metadata["takes_effect"]
    return effect


def warnings(settings: Settings) -> tuple[str, ...]:
    """Say of each wish that nothing can act on yet that it changes nothing, and why."""
    return tuple(_warnings(settings))


def _warnings(settings: Settings) -> Iterator[str]:
    for key, reason in INERT.items():
        if value_of(settings, key) != value_of(_DEFAULTS, key):
            yield f"{key}: has no effect: {reason}"
    for feature in ABSENT_FEATURES:
        if settings.features.get(feature):
            yield f"features.{feature}: has no effect: this engine has no such feature"
