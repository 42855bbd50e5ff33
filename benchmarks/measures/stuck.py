"""How long reads take while the runtime of one container hangs in `create`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final

from benchmarks import processes
from benchmarks.engine import ApiEngine
from benchmarks.engines import REPOSITORY, required
from benchmarks.measure import SLEEP, Sampler, discard, running, timed

READS: Final = (
    *("/_ping", "/version", "/info", "/images/json", "/containers/json?all=1", "/events?since=1&until=2"),
    *("/containers/{stuck}/json", "/containers/{other}/json"),
)
TOP: Final = ("/containers/{other}/top",)
REPEATS: Final = 20
STUCK_SECONDS: Final = 600
SETTLE_SECONDS: Final = 1.0
SCRIPT: Final = """#!/bin/sh
case " $* " in *" create "*) exec {sleep} {seconds} ;; esac
exec {runtime} "$@"
"""


@contextmanager
def reads(engine: ApiEngine, targets: Sequence[str]) -> Generator[Sampler, None, None]:
    """Take each of some reads."""
    with engine.session() as session, running(session) as other, _stuck(engine) as stuck:
        paths = [target.format(stuck=stuck, other=other) for target in targets]
        yield lambda: [timed(session.get, path) for _ in range(REPEATS) for path in paths]


@contextmanager
def _stuck(engine: ApiEngine) -> Generator[str, None, None]:
    """Lend a container that somebody waits for and that does not start."""
    began_with, script, sleep = engine.configuration(), engine.root / "stuck", engine.root / "stuck-sleep"
    shutil.copy(required("sleep", "sleep"), sleep)
    script.write_text(SCRIPT.format(sleep=sleep, seconds=STUCK_SECONDS, runtime=required("runc", "runc")))
    script.chmod(0o755)
    known = {**began_with.get("runtimes", {}), "stuck": {"path": str(script)}}
    engine.configure({**began_with, "runtimes": known})
    engine.hang_up()
    time.sleep(SETTLE_SECONDS)
    with engine.session() as session:
        container = session.create(SLEEP, HostConfig={**engine.host_config, "Runtime": "stuck"})
        command = [sys.executable, "-m", "benchmarks.starts", str(engine.socket), container]
        client = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=REPOSITORY,
        )
        try:
            client.communicate(b"go\n", timeout=SETTLE_SECONDS)
        except subprocess.TimeoutExpired:
            yield container
        else:
            raise RuntimeError("the container that was to hang does not")
        finally:
            processes.end(processes.mentioning(sleep))  # or engines that wait for it could not remove it
            client.kill()
            client.wait()
            discard(session, container)
            engine.configure(began_with)
            engine.hang_up()
