"""What went through the links of a network namespace: /proc/PID/net/dev (proc(5)).

The file is that of any process in there, and shows the container's own side of whatever kind of link.  A look
into it takes no lock that others hold for long, and needs no visit to the namespace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from daemon.runtimes.processes import started_ticks
from daemon.runtimes.usage.kernelfiles import content, numbers
from daemon.runtimes.usage.sample import Interface, Subject

COLUMNS: Final = 16
WANTED: Final = (0, 1, 2, 3, 8, 9, 10, 11)  # bytes, packets, errs, drop; received, then sent


def interfaces(subject: Subject) -> dict[str, Interface] | None:
    """Return the links of a run by name, those that are there; None for one that has none.

    Raises:
        OSError: it cannot be read for a reason that lies with us.

    """
    if not subject.links:
        return None
    found = dict(rows(content(f"/proc/{subject.pid}/net/dev")))
    # Who is here now and was before the file was read was here in between: the pid meant nobody else.
    if started_ticks(subject.pid) != subject.started_ticks:
        return {}
    return {link: found[link] for link in subject.links if link in found}


def rows(text: bytes) -> Iterator[tuple[str, Interface]]:
    """Read the lines of the file that tell of a link."""
    for line in text.splitlines():
        name, colon, counters = line.partition(b":")
        columns = numbers(counters)
        if colon and len(columns) == COLUMNS:
            yield name.strip().decode("utf-8", "replace"), Interface(*(columns[place] for place in WANTED))
