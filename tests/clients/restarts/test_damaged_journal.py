"""A journal that is damaged, wholly or in one record: what runs is found again, and nothing else is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from pathlib import Path

import pytest

from daemon.runtimes.strays import monitors
from tests.clients.engine import until
from tests.clients.leaks import leftovers_when_settled
from tests.clients.restarts.site import Site

RUNTIMES = ("crun", "runc")
NAMES = ("running", "paused", "renamed")
SIX_LINES = "seq 3; while [ ! -e go ]; do sleep 0.05; done; seq 4 6; exit 7"
NO_JSON = b"{'this': is no JSON"
OTHER_SHAPE = b'{"record": {"id": 7}}'


def journal(site: Site) -> Path:
    return site.root / "data" / "journal.db"


def rescued(site: Site) -> list[Path]:
    found = sorted((site.root / "data").glob("journal.db.damaged-*"))
    return [path for path in found if not path.name.endswith(("-wal", "-shm"))]


def set_aside(site: Site) -> list[Path]:
    return sorted((site.root / "data" / "damaged").glob("*"))


def lose_journal(site: Site, instead: bytes | None = b"no journal" * 1000) -> None:
    """Have the engine crash, and the next one find something else, or nothing, where its journal was."""
    site.engine.kill()
    if instead is None:
        journal(site).unlink()
    else:
        journal(site).write_bytes(instead)


def damage(site: Site, kind: str, record_id: str, body: bytes) -> None:
    """Have the engine crash, and the next one find `body` where a record was."""
    site.engine.kill()
    connection = sqlite3.connect(journal(site), isolation_level=None)
    try:
        update = "UPDATE records SET body = ? WHERE kind = ? AND id = ?"
        done = connection.execute(update, (body, kind, record_id))
        assert done.rowcount == 1
    finally:
        connection.close()


def gone(directory: Path) -> bool:
    """Delete a directory in which something may just be going by itself, and tell whether that is done."""
    shutil.rmtree(directory, ignore_errors=True)
    return not directory.exists()


def record_ids(site: Site, kind: str) -> list[str]:
    connection = sqlite3.connect(journal(site))
    try:
        return [row[0] for row in connection.execute("SELECT id FROM records WHERE kind = ?", (kind,))]
    finally:
        connection.close()


def go_on(site: Site) -> None:
    """Move away what was rescued, as somebody does who has looked at it, and start anew."""
    for path in (*(site.root / "data").glob("journal.db.damaged-*"), *set_aside(site)):
        path.unlink()
    site.restart()


def state(site: Site, container: str) -> dict[str, object]:
    return dict(site.docker.inspect(container)["State"])


def check_alive(site: Site, container: str) -> None:
    """Make sure that a running container does all that one does, and then end it."""
    assert site.docker("exec", container, "echo", "here").out == "here\n"
    site.docker("pause", container)
    site.docker("unpause", container)
    site.docker("stop", container)
    assert state(site, container)["ExitCode"] == 0
    site.docker("start", container)
    site.docker("kill", container)
    assert site.docker("wait", container).out == "137\n"
    site.docker("rm", container)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_running_containers_outlive_the_journal(site: Site, runtime: str) -> None:
    site.start()
    run, paused, waiting = (site.docker.sleeper("--runtime", runtime, "--name", n) for n in NAMES)
    site.docker("pause", paused)
    before = {container: state(site, container)["Pid"] for container in (run, paused)}
    site.docker("rename", waiting, "late")
    lose_journal(site)
    site.start()
    assert [path.name in site.engine.log for path in rescued(site)] == [True]
    assert {container: state(site, container)["Pid"] for container in before} == before
    assert [state(site, container)["Status"] for container in (run, paused)] == ["running", "paused"]
    assert site.docker.inspect(waiting)["Name"] == "/renamed"  # as it was last started
    site.docker("unpause", paused)
    site.crash()
    for container in (run, paused, waiting):
        check_alive(site, container)
    go_on(site)
    left = leftovers_when_settled(site.root / "nowhere", [run, paused, waiting])
    assert left == []  # the events do not name these


def test_an_end_that_nobody_saw_is_told_truly_even_without_the_journal(site: Site) -> None:
    site.start()
    container = site.docker.detached("busybox", "sh", "-c", SIX_LINES)
    until(lambda: len(site.docker("logs", container).lines) == 3, "it has begun")
    pid = state(site, container)["Pid"]
    lose_journal(site)
    Path(f"/proc/{pid}/root/go").touch()
    until(lambda: not Path(f"/proc/{pid}").exists(), "it has ended")
    until(lambda: not monitors(site.root / "exec"), "its monitor, too")
    site.start()
    until(lambda: state(site, container)["Status"] == "exited", "it is known to have ended")
    assert state(site, container)["ExitCode"] == 7
    assert site.docker("logs", container).lines == list("123456")
    events = site.api("GET", "/events", since=0, until=site.api.get("/info")["SystemTime"]).body.splitlines()
    (die,) = [event for event in map(json.loads, events) if event["Action"] == "die"]
    assert die["Actor"]["Attributes"]["observedAtRecovery"] == "true"
    go_on(site)


@pytest.mark.parametrize("rebooted", [False, True])
def test_what_had_ended_comes_back_with_its_exit_code_until_a_reboot(site: Site, rebooted: bool) -> None:
    site.start()
    ended = site.docker.detached(
        "--name", "ended", "busybox", "sh", "-c", "echo kept > /file; echo said; exit 3"
    )
    site.docker("wait", ended)
    site.docker("create", "busybox", "true")  # has left no trace but in the journal
    always = site.docker.sleeper("--restart", "always")
    site.docker("stop", always)
    lose_journal(site)
    if rebooted:
        until(lambda: gone(site.root / "exec"), "nothing is left by the last boot")
    site.start()
    assert set(site.docker.ids()) == {ended, always}
    now = state(site, ended)
    assert (now["Status"], now["ExitCode"]) == ("exited", 255 if rebooted else 3)
    assert ("not known" in str(now["Error"])) is rebooted
    assert site.docker("logs", ended).lines == ["said"]
    until(lambda: state(site, always)["Status"] == "running", "its policy starts it")
    site.docker("rm", "-f", always)

    go_on(site)
    site.docker("start", ended)
    site.docker("wait", ended)
    assert site.docker("logs", ended).lines == ["said", "said"]
    site.docker("rm", ended)


@pytest.mark.parametrize("instead", [b"no journal", b"", None])
def test_images_are_found_again_and_only_their_names_are_lost(site: Site, instead: bytes | None) -> None:
    site.start()
    container = site.docker.sleeper()
    before = site.docker.inspect("busybox")
    lose_journal(site, instead)
    site.start()
    assert site.docker("images", "--quiet", "--no-trunc").lines == [before["Id"]]
    assert "image found again" in site.engine.log
    after = site.docker.inspect(before["Id"])
    names = {"RepoTags", "Metadata", "Size", "VirtualSize"}
    assert after["Size"] == pytest.approx(before["Size"], rel=0.01)  # measured anew, on the disk
    assert {key: after[key] for key in after if key not in names} == {
        key: before[key] for key in before if key not in names
    }
    assert site.docker("rmi", before["Id"], ok=False).code != 0  # the container has it
    go_on(site)
    site.docker("tag", before["Id"], "busybox")
    assert site.docker.inspect("busybox")["RepoTags"] == before["RepoTags"]
    assert site.docker("run", "--rm", "busybox", "echo", "here").out == "here\n"
    check_alive(site, container)


@pytest.mark.parametrize("body", [NO_JSON, OTHER_SHAPE, b"", b"\xff\x00"])
def test_a_damaged_container_record_is_set_aside_and_the_container_goes_on(site: Site, body: bytes) -> None:
    site.start()
    run, other = site.docker.sleeper("--name", "before"), site.docker.sleeper()
    site.docker("rename", run, "after")
    damage(site, "container", run, body)
    site.start()
    (file,) = set_aside(site)
    assert str(file) in site.engine.log
    assert json.loads(file.read_text())["id"] == run
    assert site.docker.inspect("after")["Id"] == run  # the journal still knew that name
    for container in (run, other):
        check_alive(site, container)
    site.restart()
    assert set_aside(site) == [file]
    go_on(site)


def test_what_a_damaged_record_refers_to_stays_until_its_file_is_removed(site: Site) -> None:
    site.start()
    run = site.docker.sleeper()
    pid = state(site, run)["Pid"]
    layer = Path(site.docker.inspect(run)["GraphDriver"]["Data"]["UpperDir"])
    (site.root / "data" / "containers" / run / "record.json").write_bytes(b"damaged, too")
    damage(site, "container", run, NO_JSON)
    for _ in range(2):
        site.start()
        assert site.docker.ids() == []
        assert layer.exists()
        os.kill(int(str(pid)), 0)
        site.engine.kill()
    site.start()
    go_on(site)
    assert leftovers_when_settled(site.root / "nowhere", [run]) == []


def test_other_damaged_records_keep_nobody_from_working(site: Site) -> None:
    site.start()
    run = site.docker.sleeper()
    site.api("POST", f"/exec/{exec_in(site, run)}/start", {"Detach": True})
    (session,) = record_ids(site, "exec")
    (image,) = record_ids(site, "image")
    (configuration,) = record_ids(site, "configuration")
    generation = site.api.get("/reload")["Generation"]
    for kind, record_id in (("exec", session), ("image", image), ("configuration", configuration)):
        damage(site, kind, record_id, OTHER_SHAPE)
        site.start()
    assert len(set_aside(site)) == 3
    assert site.api.get("/reload")["Generation"] >= generation
    assert site.docker("top", run).out.count("sleep 4321") == 1  # the session's process goes on
    assert site.docker("images", "-q").out == ""
    check_alive(site, run)
    go_on(site)


def exec_in(site: Site, container: str) -> str:
    answer = site.api("POST", f"/containers/{container}/exec", {"Cmd": ["sleep", "4321"]})
    return str(answer.document["Id"])


def test_a_monitor_that_is_lost_with_the_journal_leaves_no_process(site: Site) -> None:
    site.start()
    run = site.docker.sleeper()
    monitor = int(Path(f"/proc/{state(site, run)['Pid']}/stat").read_text().rpartition(") ")[2].split()[1])
    lose_journal(site)
    os.kill(monitor, signal.SIGKILL)
    site.start()
    until(lambda: state(site, run)["Status"] == "exited", "it is known to have ended")
    assert state(site, run)["ExitCode"] == 255
    go_on(site)
    site.docker("rm", run)
    assert leftovers_when_settled(site.root / "nowhere", [run]) == []
