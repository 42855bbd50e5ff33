"""What clients do with exec sessions."""

from __future__ import annotations

from typing import Final

from tests.clients.restarts.crash.box import Unheard
from tests.clients.restarts.crash.client import CODES, Client, EngineDied, call, hijacked
from tests.clients.restarts.crash.model import Session, Subject

HELLO: Final = b"hello\n"
UP: Final = b"up"
DETACH_KEYS: Final = b"\x10\x11"


def session(client: Client, subject: Subject) -> None:
    """Have an exec session run until it is told to end; then tell one that runs."""
    key = _key(subject)
    made = _session(client, subject, key, subject.box.session_command(key))
    made.attempted = True
    answer = call(client.api, "POST", f"/exec/{made.id}/start", {"Detach": True})
    assert answer.status == 200, answer
    _look(client, made)


def end_session(client: Client, subject: Subject) -> None:
    """Have an exec session end; nobody waits for that."""
    running = [session for session in subject.sessions if session.started and not session.codes]
    if not running:
        return
    ended, code = client.dice.choice(running), client.dice.choice(CODES)
    try:
        subject.box.tell(str(code), fifo=f"session.{ended.key}")
    except Unheard:
        return
    ended.codes = frozenset({code})


def short_session(client: Client, subject: Subject) -> None:
    """Run a program in the container to its end."""
    code = client.dice.choice(CODES)
    made = _session(client, subject, "", ["sh", "-c", f"echo hello; exit {code}"])
    made.attempted, made.codes = True, frozenset({code})
    answer = call(client.api, "POST", f"/exec/{made.id}/start", {"Detach": False})
    seen = client.inspect(f"/exec/{made.id}/json")
    assert answer.body.endswith(HELLO), answer
    assert (seen["Running"], seen["ExitCode"]) == (False, code), seen
    made.started = True


def detach(client: Client, subject: Subject) -> None:
    """Attach to an exec session, and leave it running."""
    key = _key(subject)
    made = _session(client, subject, key, subject.box.session_command(key), tty=True)
    made.attempted = True
    with hijacked(client, f"/exec/{made.id}/start", b'{"Tty": true}') as connection:
        said = b""
        while UP not in said:
            if not (piece := connection.recv(4096)):
                raise EngineDied
            said += piece
        connection.sendall(DETACH_KEYS)
        while connection.recv(4096):
            continue
    _look(client, made)


def resize_session(client: Client, subject: Subject) -> None:
    """Resize the terminal of an exec session."""
    running = [one for one in subject.sessions if one.started and one.tty and not one.codes]
    if not running:
        detach(client, subject)
        return
    resized = client.dice.choice(running)
    answer = call(client.api, "POST", f"/exec/{resized.id}/resize", h=client.dice.randrange(1, 200), w=80)
    assert answer.status == 200, answer


def _look(client: Client, made: Session) -> None:
    seen = client.inspect(f"/exec/{made.id}/json")
    assert seen["Running"], seen
    made.started, made.pid = True, seen["Pid"]


def _key(subject: Subject) -> str:
    return f"{len(list(subject.box.directory.iterdir()))}"


def _session(client: Client, subject: Subject, key: str, command: list[str], *, tty: bool = False) -> Session:
    wish = {"Cmd": command, "AttachStdout": True, "AttachStdin": tty, "Tty": tty}
    made = Session(key, client.post(subject, "exec", 201, body=wish).document["Id"], tty=tty)
    subject.sessions.append(made)
    return made


SESSION_DEEDS: Final = {session: 4, end_session: 3, short_session: 3, detach: 2, resize_session: 2}
"""What is done in a container that runs, and how often."""
