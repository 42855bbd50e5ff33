"""Admission: what becomes of a request to create a container, or why it is refused.

The client's configuration is read as its API version meant it, laid over the image's, given the
engine's defaults and checked; the result is stored and is all that later steps look at.  Whatever cannot be
honoured is refused here, so that no later step has to ignore anything.  Nothing here touches the host:
whether bind sources exist is `daemon.runtimes.spec.sources.check_bind_sources`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

import attrs

from daemon.actors.container.admission import checks, refusals
from daemon.actors.container.admission.checks import check_parts
from daemon.actors.container.admission.defaults import (
    Defaults,
    Version,
    as_of_version,
    config_as_of_version,
    filled,
)
from daemon.actors.container.admission.endpoints import wanted_networks
from daemon.actors.container.admission.limits import RESOURCES
from daemon.actors.container.admission.merging import merged
from daemon.actors.container.admission.rules import Case, apply
from daemon.actors.container.admission.warnings import warnings
from daemon.errors import InvalidParameter
from daemon.model import Config, EndpointConfig, HostConfig, ImageConfig, NetworkingConfig
from daemon.networks.files import HOST_GATEWAY, parse_extra_host

__all__ = ["Admitted", "Defaults", "admit"]


@attrs.frozen
class Admitted:
    """A container that may be made: `config` merged with the image's, `host_config` complete.

    `networks` has what it is to be in each network, by the name the client used.
    """

    config: Config
    host_config: HostConfig
    networks: Mapping[str, EndpointConfig]
    warnings: tuple[str, ...]


def admit(
    config: Config,
    host_config: HostConfig,
    networking: NetworkingConfig,
    image: ImageConfig,
    api_version: Version,
    defaults: Defaults,
) -> Admitted:
    """Decide about a request to create a container.

    Args:
        config: the client's own part.
        host_config: the client's own part.
        networking: the client's own part.
        image: the image it is made from.
        api_version: (major, minor) of the request, e.g. (1, 41).
        defaults: the engine's settings and host.

    Raises:
        InvalidParameter: the request is malformed or contradicts itself.
        Conflict: its parts exclude each other where dockerd answers 409.
        NotImplementedHere: it needs what this engine does not do.

    """
    config = config_as_of_version(config, api_version)
    asked = Case(config, as_of_version(host_config, api_version), networking, defaults.host)
    apply(checks.OF_CLIENT, asked)
    apply(refusals.OF_CLIENT, asked)
    whole = filled(asked.host_config, config, defaults, api_version)
    case = attrs.evolve(
        asked, config=_completed(merged(config, image.config), whole, defaults), host_config=whole
    )
    apply((*checks.FORM, *RESOURCES), case)
    check_parts(case.config, whole, defaults.host)
    _check_host_gateway(whole, defaults)
    networks = wanted_networks(networking, host_config.network_mode, config, whole, api_version)
    apply(refusals.UNSUPPORTED, case)
    defaults.runtimes.find(whole.runtime)
    return Admitted(case.config, whole, networks, tuple(warnings(case, image.config)))


def _check_host_gateway(host_config: HostConfig, defaults: Defaults) -> None:
    asks = any(parse_extra_host(text)[1] == HOST_GATEWAY for text in host_config.extra_hosts or ())
    if asks and not defaults.has_host_gateway:
        raise InvalidParameter(
            f'unable to derive the IP value for "{HOST_GATEWAY}": there is no bridge network'
        )


def _completed(config: Config, host_config: HostConfig, defaults: Defaults) -> Config:
    """Return the merged configuration as it is stored.

    A container that shares the host's network or UTS namespace is called what the host is called.
    """
    shares_name = "host" in {host_config.network_mode, host_config.uts_mode}
    working_dir = config.working_dir
    return attrs.evolve(
        config,
        hostname=config.hostname or (defaults.hostname if shares_name else ""),
        working_dir=posixpath.normpath(working_dir) if working_dir.startswith("/") else working_dir,
    )
