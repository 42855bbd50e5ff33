"""The command `longshored`: flags and daemon.json in, the engine or one line of error out.

Exit status: 0 after an orderly stop, 1 if the engine cannot run (the line on standard error says
why), 2 for a command line that makes no sense.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from daemon import __version__, collecting
from daemon.configuration import InvalidSettings, Source
from daemon.errors import EngineError
from daemon.settings import Settings
from daemon.startup import CannotStart, only_engine_of, pidfile, require_root

CONFIG_FILE: Final = Path("/etc/longshore/daemon.json")
PATH_FLAGS: Final = frozenset({"data-root", "exec-root", "pidfile"})


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see '{self.prog} --help'\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = vars(_parser().parse_args(arguments))
    config_file, validate = options.pop("config_file"), options.pop("validate")
    try:
        source = _source(options, config_file)
        settings = source.read()
    except InvalidSettings as error:
        print(*_told(error, config_file, each=validate), sep="\n", file=sys.stderr)
        return 1
    if validate:
        print("configuration OK")
        return 0
    with collecting.held_back():
        return _serve(source, settings)


def _parser() -> argparse.ArgumentParser:
    """Describe the flags; each is kept under its key in daemon.json, and only if it is given."""
    parser = _Parser("longshored", allow_abbrev=False, argument_default=argparse.SUPPRESS)
    add = parser.add_argument
    add("-H", "--host", dest="hosts", action="append", metavar="URL", help="listen there (repeatable)")
    add("--config-file", type=Path, default=None, metavar="F", help=f"configuration (default {CONFIG_FILE})")
    add("--data-root", dest="data-root", metavar="D", help="persistent state (default /var/lib/longshore)")
    add("--exec-root", dest="exec-root", metavar="D", help="state of this boot (default /run/longshore)")
    add("-p", "--pidfile", metavar="F", help="write the process id there")
    add("--default-runtime", dest="default-runtime", metavar="N", help="OCI runtime for containers")
    add("--add-runtime", dest="runtimes", action="append", metavar="N=PATH", help="another OCI runtime")
    add("-D", "--debug", action="store_true", help="log everything")
    add("-l", "--log-level", dest="log-level", metavar="L", help="debug, info, warn, error or fatal")
    add("--log-format", dest="log-format", metavar="F", help="text or json")
    add("--validate", action="store_true", default=False, help="check the configuration and exit")
    add("-v", "--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _source(flags: dict[str, Any], config_file: Path | None) -> Source:
    """Return where the configuration comes from; paths in flags are the shell's, relative to where it is."""
    for key in PATH_FLAGS & flags.keys():
        flags[key] = os.path.abspath(flags[key])
    if "runtimes" in flags:
        flags["runtimes"] = dict(_runtime(given) for given in flags["runtimes"])
    named = config_file is not None
    return Source(flags, Path(os.path.abspath(config_file or CONFIG_FILE)), named)


def _runtime(given: str) -> tuple[str, dict[str, str]]:
    name, equals, path = given.partition("=")
    if not (name and equals and path):
        raise InvalidSettings(f"add-runtime: expected NAME=PATH, got {given!r}")
    return name, {"path": path}


def _told(error: InvalidSettings, config_file: Path | None, *, each: bool) -> Sequence[str]:
    if each:
        return error.problems
    return [f"longshored: invalid configuration ({config_file or CONFIG_FILE} and flags): {error}"]


def _say(error: BaseException) -> int:
    print(f"longshored: {error}", file=sys.stderr)
    return 1


def _serve(source: Source, settings: Settings) -> int:
    """Run the engine until it is told to stop."""
    # Imported here, because whoever only asks for --version or --validate should not wait for it.
    import trio

    from daemon import log
    from daemon.supervisor import run

    log.configure(settings.lowest_log_level, settings.log_format)
    status = 0
    try:
        require_root()
        with (
            only_engine_of(settings.data_root),
            only_engine_of(settings.exec_root),
            pidfile(settings.pidfile or settings.exec_root / "longshored.pid"),
        ):
            trio.run(run, source, settings, restrict_keyboard_interrupt_to_checkpoints=True)
    except* (CannotStart, EngineError) as refused:
        status = _say(_first(refused))
    return status


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


if __name__ == "__main__":
    sys.exit(main())
