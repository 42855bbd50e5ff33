"""The filters of the images' list and of their prune.

Several values of a key are alternatives, except for labels, all of which must fit; different keys must
all be satisfied.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from daemon.actors.image_catalog import ImageSnapshot
from daemon.api.query import Filters, filter_flag, filter_time
from daemon.errors import InvalidParameter

LIST_KEYS: Final = frozenset({"before", "dangling", "label", "label!", "reference", "since", "until"})
PRUNE_KEYS: Final = frozenset({"dangling", "label", "label!", "until"})
Accepts = Callable[[ImageSnapshot], bool]
Resolve = Callable[[str], ImageSnapshot]


def listed(given: Filters, resolve: Resolve, parents: Collection[str], *, show_all: bool) -> Accepts:
    """Return whether the list shows an image.

    Args:
        given: the filters.
        resolve: finds an image.
        parents: ids of images that others were made of.
        show_all: whether these are shown if they have no name.

    Raises:
        InvalidParameter: a value cannot be read.
        NotFound: `before` or `since` name no image.

    """
    tests = _common(given)
    if given.get("dangling"):
        wanted = filter_flag(given, "dangling", default=False)
        tests.append(_dangling(parents) if wanted else has_name)
    elif not show_all:
        tests.append(shown(parents))
    before = [resolve(value).created_ns for value in given.get("before", ())]
    since = [resolve(value).created_ns for value in given.get("since", ())]
    tests.append(lambda image: all(image.created_ns < time_ns for time_ns in before))
    tests.append(lambda image: all(image.created_ns > time_ns for time_ns in since))
    patterns = reference_patterns(given)
    if patterns:
        tests.append(lambda image: bool(matching_tags(image, patterns) or matching_digests(image, patterns)))
    return lambda image: all(test(image) for test in tests)


def pruned(given: Filters, parents: Collection[str]) -> Accepts:
    """Return whether a prune removes an image that nobody uses; `parents` are those others were made of.

    Raises:
        InvalidParameter: a value cannot be read.

    """
    tests = _common(given)
    if filter_flag(given, "dangling", default=True):
        tests.append(_dangling(parents))
    return lambda image: all(test(image) for test in tests)


def shown(parents: Collection[str]) -> Accepts:
    """Return whether those who do not want to see all are shown an image: it has a name, or no child."""
    return lambda image: has_name(image) or image.id not in parents


def has_name(image: ImageSnapshot) -> bool:
    """Return whether anything but its id leads to an image."""
    return bool(image.tags or image.repo_digests)


def _dangling(parents: Collection[str]) -> Accepts:
    """Return whether an image has no child, and no tag left, such as one whose tag a later pull took.

    The digest by which a registry knows it keeps it from nothing.
    """
    return lambda image: not image.tags and image.id not in parents


def reference_patterns(given: Filters) -> tuple[re.Pattern[str], ...]:
    """Return what the `reference` filter accepts; nothing if it is not given.

    Raises:
        InvalidParameter: a value is no pattern.

    """
    return tuple(_pattern(value) for value in given.get("reference", ()))


def matching_tags(image: ImageSnapshot, patterns: Sequence[re.Pattern[str]]) -> tuple[str, ...]:
    """Return the tags that a pattern fits, with the tag or without it."""
    return tuple(
        tag.familiar
        for tag in image.tags
        if any(p.fullmatch(tag.familiar) or p.fullmatch(tag.familiar_repository) for p in patterns)
    )


def matching_digests(image: ImageSnapshot, patterns: Sequence[re.Pattern[str]]) -> tuple[str, ...]:
    """Return the digests by which a registry knows it that a pattern fits, with the digest or without it."""
    return tuple(
        digest
        for digest in image.repo_digests
        if any(p.fullmatch(digest) or p.fullmatch(digest.partition("@")[0]) for p in patterns)
    )


def _common(given: Filters) -> list[Accepts]:
    until_ns = filter_time(given, "until", time.time_ns())
    wanted, unwanted = given.get("label", ()), given.get("label!", ())
    return [
        lambda image: until_ns is None or image.created_ns < until_ns,
        lambda image: _has(image, wanted) == len(wanted),
        lambda image: not _has(image, unwanted),
    ]


def _has(image: ImageSnapshot, labels: Iterable[str]) -> int:
    """Return how many of `labels`, each `key` or `key=value`, an image has."""
    found = 0
    for label in labels:
        key, equals, value = label.partition("=")
        found += key in image.labels and (not equals or image.labels[key] == value)
    return found


def _pattern(glob: str) -> re.Pattern[str]:
    """Translate a shell pattern in which a `*` does not cross a slash.

    Raises:
        InvalidParameter: it is no pattern.

    """
    parts = re.split(r"(\*+|\?|\[[^]]*\])", glob)
    wild = {"*": "[^/]*", "?": "[^/]"}
    try:
        return re.compile(
            "".join(
                part if part[:1] == "[" and part[-1:] == "]" else wild.get(part[:1], re.escape(part))
                for part in parts
            )
        )
    except re.error:
        raise InvalidParameter(f"invalid filter 'reference={glob[:200]}': syntax error in pattern") from None
