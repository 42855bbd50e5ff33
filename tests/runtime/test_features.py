"""What the real runtimes say of themselves."""

from __future__ import annotations

import shutil

import pytest

from daemon.runtimes.features import FeatureProbe

pytestmark = pytest.mark.runtime

LIMIT_SECONDS = 60.0  # the machine may be busy


def installed(name: str) -> str:
    path = shutil.which(name)
    assert path is not None, f"{name} is not installed"
    return path


async def test_runc_tells_which_specifications_it_keeps() -> None:
    runc = installed("runc")
    document = (await FeatureProbe(LIMIT_SECONDS).probe([runc]))[runc]
    assert document is not None
    assert document["ociVersionMin"] == "1.0.0"
    assert "seccomp" in document["linux"]


async def test_crun_tells_the_same_or_does_not_know_the_command() -> None:
    crun = installed("crun")
    document = (await FeatureProbe(LIMIT_SECONDS).probe([crun]))[crun]
    assert document is None or "ociVersionMin" in document  # crun has it since 1.9
