"""What happens in a storm of reloads: who replaces the configuration, who lives on it, what may be true when.

Which configuration is in force during a call is not known from outside, but which ones it may be: what
daemon.json held at some time since the last reload was asked for that was over before the call began.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import attrs

from tests.clients.http_api import Api
from tests.clients.restarts.site import Site

ONE_IN: Final = 10  # so many reloads are of what is no configuration
VARIANTS: Final = 40  # of arguments, so that old scripts come back
STRETCH: Final = 25  # so many versions have the third runtime, as many do not
LOOKING_SECONDS: Final = 0.4  # at most, between the lives of a client's containers
RELOADING_SECONDS: Final = 0.05  # at most, between the reloads of one thread
GONE: Final = "unknown or invalid runtime name: third"
INVALID: Final = (
    '{"labels": ["half',
    '{"lables": []}',
    '{"labels": "version=1"}',
    '{"default-runtime": "nowhere"}',
    '{"runtimes": {"both": {"path": "crun", "runtimeType": "io.containerd.crun.v2"}}}',
)


@attrs.define
class History:
    """What daemon.json held since when, None where that was invalid, and which reloads happened."""

    site: Site
    lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    written: list[tuple[float, int | None]] = attrs.field(factory=list, init=False)
    reloads: list[tuple[float, float]] = attrs.field(factory=list, init=False)

    def write(self, *, valid: bool = True) -> int:
        """Write the next version, or nonsense in its place; return its number."""
        with self.lock:
            version = len(self.written)
            self.site.configure(self.document(version) if valid else INVALID[version % len(INVALID)])
            self.written.append((time.monotonic(), version if valid else None))
            return version

    def document(self, version: int) -> dict[str, Any]:
        """Return the configuration of a version, all of which tells which one it is."""
        arguments = ["--log-format=json", f"--log={self.site.root}/variant {version % VARIANTS}"]
        paths = {"by-crun": "crun", "by-runc": "runc"} | ({"third": "crun"} if has_third(version) else {})
        runtimes = {name: {"path": path, "runtimeArgs": arguments} for name, path in paths.items()}
        return {"labels": [f"version={version}"], "runtimes": runtimes}

    def contents(self, since: float) -> set[int | None]:
        """Return what has been in the file at some time since then."""
        with self.lock:
            before = [content for at, content in self.written if at <= since]
            return {*before[-1:], *(content for at, content in self.written if at > since)}

    def possible(self, began: float) -> set[int]:
        """Return the versions that may have been in force at some time since then."""
        with self.lock:
            asked = max((asked for asked, over in self.reloads if over <= began), default=0.0)
            valid = [(at, version) for at, version in self.written if version is not None]
        before = [version for at, version in valid if at <= asked]
        return {*before[-1:], *(version for at, version in valid if at > asked)}


def has_third(version: int) -> bool:
    """Whether a version knows the runtime that comes and goes."""
    return version // STRETCH % 2 == 0


@attrs.define
class Reloader:
    """Replaces the configuration all the time, by HTTP or by signal."""

    history: History
    dice: random.Random
    happened: int = 0
    refused: int = 0
    signals: int = 0

    def post(self) -> None:
        """Write a configuration and reload; as others write, too, it may not be this one that is read."""
        self._write()
        asked = time.monotonic()
        answer = self.history.site.api("POST", "/reload")
        contents = self.history.contents(asked)
        if answer.status == 200:
            self.happened += 1
            self.history.reloads.append((asked, time.monotonic()))
            assert contents != {None}, "what was invalid has been accepted"
        else:
            self.refused += 1
            assert (answer.status, None in contents) == (400, True), answer
            assert answer.document["problems"]

    def hang_up(self) -> None:
        """Write a configuration and send the signal; signals that come close together become one."""
        self._write()
        self.signals += 1
        self.history.site.engine.hang_up()

    def rest(self) -> None:
        """Let others have their turn."""
        time.sleep(self.dice.uniform(0, RELOADING_SECONDS))

    def _write(self) -> None:
        self.history.write(valid=self.dice.randrange(ONE_IN) > 0)


@attrs.define
class Client:
    """Has one container after the other live and die, and looks at the configuration in between."""

    history: History
    dice: random.Random
    lives: int = 0
    obliged: int = 0  # calls with the third runtime that nothing could have excused from working
    refused: int = 0
    generation: int = 0

    @property
    def api(self) -> Api:
        return self.history.site.api

    def live(self) -> None:
        """Do all there is to do once."""
        self._look()
        container = self._begin(self.dice.choice(("by-crun", "by-runc", "third")))
        if container:
            self._use(container)
            self._expect(204, "DELETE", f"/containers/{container}")
            self.lives += 1
        time.sleep(self.dice.uniform(0, LOOKING_SECONDS))

    def _look(self) -> None:
        """Make sure that what is in force is one version, the same in all of its parts."""
        began = time.monotonic()
        info = self.api.get("/info")
        version = int(info["Labels"][0].removeprefix("version="))
        assert version in self.history.possible(began), f"version {version} cannot be in force"
        shown = {name: found for name, found in info["Runtimes"].items() if "runtimeArgs" in found}
        for found in shown.values():
            found.pop("status", None)
        assert shown == self.history.document(version)["runtimes"], f"part of version {version}"
        generation = self.api.get("/reload")["Generation"]
        assert generation >= self.generation
        self.generation = generation

    def _begin(self, runtime: str) -> str:
        """Create and start a container; return its id, or nothing if the runtime was rightly refused."""
        wish = {
            "Image": "busybox",
            "Cmd": ["sleep", "100000"],
            "StopSignal": "SIGKILL",
            "HostConfig": {"Runtime": runtime},
        }
        created = self._call_with(runtime, 201, "/containers/create", wish)
        if created is None:
            return ""
        container = str(created["Id"])
        if self._call_with(runtime, 204, f"/containers/{container}/start") is None:
            self._expect(204, "DELETE", f"/containers/{container}")
            return ""
        return container

    def _call_with(self, runtime: str, wanted: int, path: str, body: Any = None) -> dict[str, Any] | None:
        """Make a call that may be refused only if the runtime may be unknown; return None if it is."""
        began = time.monotonic()
        answer = self.api("POST", path, body)
        known = {runtime != "third" or has_third(version) for version in self.history.possible(began)}
        if answer.status == wanted:
            assert True in known, f"{path} worked with a runtime that was not configured"
            self.obliged += runtime == "third" and known == {True}
            return dict(answer.document) if answer.body else {}
        assert (answer.status, answer.message) == (400, GONE), answer
        assert False in known, f"{path} was refused with a runtime that was configured all the time"
        self.refused += 1
        return None

    def _use(self, container: str) -> None:
        session = self._expect(
            201, "POST", f"/containers/{container}/exec", {"Cmd": ["echo", "here"], "AttachStdout": True}
        )
        answer = self.api("POST", f"/exec/{session['Id']}/start", {"Detach": False})
        assert answer.body.endswith(b"here\n"), answer
        assert self.api.get(f"/exec/{session['Id']}/json")["ExitCode"] == 0
        self._expect(204, "POST", f"/containers/{container}/stop")

    def _expect(self, wanted: int, method: str, path: str, body: Any = None) -> Any:
        answer = self.api(method, path, body)
        assert answer.status == wanted, f"{method} {path}: {answer}"
        return answer.document if answer.body else None


def dice_from(seed: int) -> Iterator[random.Random]:
    """Return dice that differ from each other, but not from run to run."""
    first = random.Random(seed)
    while True:
        yield random.Random(first.random())
