"""What the engine must not forget: records, unique names, holds and events, in one SQLite file.

A transition, its new record and its event are one `Transaction`; `Journal.commit` returns once it
is on the disk.  Whoever only commits depends on the `Ledger` protocol, so that it can be tested
without a disk.
"""

from daemon.journal.journal import Journal, open_journal
from daemon.journal.log import EventLog
from daemon.journal.refusals import Gap, Held, Missing, NameTaken, Refusal
from daemon.journal.values import Event, EventDraft, Hold, Ledger, Name, Record, Transaction

__all__ = [
    "Event",
    "EventDraft",
    "EventLog",
    "Gap",
    "Held",
    "Hold",
    "Journal",
    "Ledger",
    "Missing",
    "Name",
    "NameTaken",
    "Record",
    "Refusal",
    "Transaction",
    "open_journal",
]
