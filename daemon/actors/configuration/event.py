"""The event of a reload, with dockerd's attributes and the generation (api-contract section 6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from daemon.actors.configuration.value import Configuration
from daemon.journal import EventDraft


def reload_event(
    configuration: Configuration, *, engine_id: str, hostname: str, cgroupns_mode: str
) -> EventDraft:
    """Return the event; `cgroupns_mode` is the host's own, for an engine that was given none.

    dockerd's tests want `shutdown-timeout` to be the last of the sorted attributes.
    """
    settings, table = configuration.settings, configuration.runtimes
    runtimes = (f"{name}:{found.configured}" for name, found in table.runtimes.items())
    attributes: dict[str, Any] = {
        "debug": settings.debug,
        "default-cgroupns-mode": settings.default_cgroupns_mode or cgroupns_mode,
        "default-ipc-mode": settings.default_ipc_mode,
        "default-runtime": table.default,
        "default-shm-size": settings.default_shm_size_bytes,
        "default-stop-timeout": settings.default_stop_timeout_seconds,
        "features": _go_map(settings.features),
        "generation": configuration.generation,
        "insecure-registries": settings.insecure_registries,
        "labels": settings.labels,
        "live-restore": settings.live_restore,
        "max-concurrent-downloads": settings.max_concurrent_downloads,
        "max-concurrent-uploads": settings.max_concurrent_uploads,
        "max-download-attempts": settings.max_download_attempts,
        "name": hostname,
        "registry-mirrors": settings.registry_mirrors,
        "runtimes": " ".join(runtimes),
        "shutdown-timeout": settings.shutdown_timeout_seconds,
    }
    return EventDraft("daemon", "reload", engine_id, {key: _text(value) for key, value in attributes.items()})


def _text(value: Any) -> str:
    """Write numbers and truths as Go does, lists as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _go_map(values: Mapping[str, bool]) -> str:
    """Write a map as Go's %v does, which sorts the keys."""
    return f"map[{' '.join(f'{key}:{_text(values[key])}' for key in sorted(values))}]"
