"""The child that copies out of a container: `python -m daemon.copying.read N`.

Answer, on stdout: what `daemon.copying.look` answers, then a tar in which all names begin with that name.
"""

from __future__ import annotations

from daemon.archives.orders import PackOrder
from daemon.archives.pack import pack
from daemon.copying.child import Rest, serve
from daemon.copying.look import look, tell
from daemon.copying.orders import CopyOrder


def _read(_: CopyOrder, path: str) -> Rest:
    place, found = look(path)

    def rest() -> None:
        tell(found)
        pack(PackOrder("/", path=place, top=found["name"]))

    return rest


if __name__ == "__main__":
    serve(_read)
