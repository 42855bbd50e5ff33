"""When the engine looks for garbage in cycles: not while it starts, and again once it serves."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.clients.engine import running, until
from tests.clients.http_api import Api

LOOKS: Final = "LOOKS"
WATCHER: Final = """
import gc, os, sys

def note(phase, told):
    if phase == "start" and "trio" in sys.modules:
        with open(os.environ["LOOKS"], "a") as file:
            print(gc.get_freeze_count(), file=file)

if "LOOKS" in os.environ:
    gc.callbacks.append(note)
"""


def test_the_collector_rests_during_a_start_and_leaves_alone_what_that_made(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WATCHER)
    looks = tmp_path / "looks"
    environment = {LOOKS: str(looks), "PYTHONPATH": str(tmp_path)}
    (tmp_path / "engine").mkdir()
    with running(tmp_path / "engine", environment=environment) as engine:
        api = Api(engine.socket_path)
        until(lambda: api.get("/containers/json") == [] and looks.exists(), "it has looked for garbage")
        frozen = {int(line) for line in looks.read_text().split()}
    assert min(frozen) > 10_000
