"""Links between containers as clients write them: "name", "name:alias", "/name:/other/alias"."""

from __future__ import annotations

from daemon.errors import InvalidParameter


def parse_link(text: str) -> tuple[str, str]:
    """Read a link into (the other container, what it is called here).

    Raises:
        InvalidParameter: it is malformed.

    """
    name, separator, alias = text.partition(":")
    name, alias = name.lstrip("/"), alias.rpartition("/")[2]
    if not name or (separator and not alias) or ":" in alias:
        raise InvalidParameter(f"bad format for links: {text}")
    return name, alias or name
