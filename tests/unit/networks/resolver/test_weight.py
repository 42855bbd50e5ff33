"""The resolver's process and the engine each import only their own half."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

LOADED = "import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"


@pytest.mark.parametrize(
    ("module", "strangers"),
    [
        (
            "daemon.networks.resolver.__main__",
            {"structlog", "cattrs", "orjson", "daemon.model", "daemon.errors"},
        ),
        ("daemon.networks.resolver.client", {"dns", "daemon.networks.resolver.askers"}),
    ],
)
def test_each_half_is_loaded_without_the_other(module: str, strangers: set[str]) -> None:
    said = subprocess.run(
        [sys.executable, "-c", LOADED.format(module=module)], capture_output=True, check=True
    )
    assert not strangers & set(json.loads(said.stdout))
