"""The child that copies out of a container: `python -m daemon.copying.read N`.

Answer, on stdout: what `daemon.copying.look` answers, then a tar in which all names begin with that name.
"""

from __future__ import annotations

from functools import partial

from daemon.archives.orders import PackOrder
from daemon.archives.pack import pack
from daemon.archives.regular import RegularFiles
from daemon.copying.child import Rest, serve
from daemon.copying.look import look, tell
from daemon.copying.orders import CopyOrder


def _read(files: RegularFiles, _: CopyOrder, path: str) -> Rest:
    place, found = look(path)

    def rest() -> None:
        tell(found)
        pack(PackOrder("/", path=place, top=found["name"]), files)

    return rest


if __name__ == "__main__":
    serve(partial(_read, RegularFiles()))  # from within there is no procfs to be seen
