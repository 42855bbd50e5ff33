"""What `docker system df` asks for."""

from __future__ import annotations

import pytest

from daemon.actors.image_catalog import ImageSnapshot
from daemon.api.docker.disk_usage import KINDS, chosen
from daemon.api.docker.image_views import layers_bytes
from daemon.api.versions import ApiVersion
from daemon.errors import InvalidParameter
from tests.unit.images import tars

NEW = ApiVersion(1, 42)


def test_all_kinds_are_measured_unless_some_are_chosen() -> None:
    assert chosen((), NEW) == KINDS
    assert chosen(("image", "volume"), NEW) == ("image", "volume")


def test_before_there_was_a_choice_nobody_looks_at_it() -> None:
    assert chosen(("image", "nonsense"), ApiVersion(1, 41)) == KINDS


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="unknown object type: nonsense"):
        chosen(("image", "nonsense"), NEW)


def test_layers_of_several_images_are_counted_once() -> None:
    images = [
        ImageSnapshot(one.record, one.document)
        for one in (
            tars.brought("a", layers=2),
            tars.brought("a", comment="twin", layers=1),
            tars.brought("b"),
        )
    ]
    assert layers_bytes(images) == 300
