"""From a client's wish to a container: image, admission, record."""

from __future__ import annotations

import time
from typing import Final

import attrs

from daemon.actors.configuration.value import Configuration
from daemon.actors.container.actor import Container
from daemon.actors.container.admission import Admitted, Defaults, admit
from daemon.actors.container.admission.endpoints import PREDEFINED
from daemon.actors.container.names import check_name
from daemon.actors.container.namespaces import PREFIX
from daemon.actors.container.signals import DEFAULT_STOP_SECONDS
from daemon.actors.container.snapshot import ContainerRecord
from daemon.actors.containers import new_id
from daemon.actors.engine import Engine
from daemon.actors.image_catalog import ImageSnapshot
from daemon.errors import InvalidParameter, NotFound
from daemon.images import platforms
from daemon.model import Config, HostConfig, NetworkingConfig, Ulimit
from daemon.runtimes.layout import Layout
from daemon.runtimes.spec.process import command
from daemon.runtimes.spec.sources import check_bind_sources
from daemon.settings import Settings

PLATFORM_SINCE: Final = (1, 41)
SHORT_ID: Final = 12


@attrs.frozen
class Wish:
    """What a client says of a container to be; the parts are None if it says nothing of them."""

    config: Config
    host_config: HostConfig
    networking: NetworkingConfig
    name: str
    platform: str
    api_version: tuple[int, int]


async def create_container(engine: Engine, wish: Wish) -> tuple[Container, tuple[str, ...]]:
    """Make the container that `wish` describes; return it and what its owner should know.

    Raises:
        NotFound: there is no such image.
        InvalidParameter: the wish is malformed.
        NotImplementedHere: it needs what this engine does not do.
        Conflict: its name is taken.

    """
    name = wish.name.removeprefix("/")
    if name:
        check_name(name)
    if wish.config == Config():
        raise InvalidParameter("config cannot be empty in order to create a container")
    if not wish.config.image:
        raise InvalidParameter("no image specified: name one in Image")
    configuration = engine.configuration
    image = engine.images.resolve(wish.config.image)
    foreign = _check_platform(image, wish)
    defaults = _defaults(engine, configuration)
    admitted = admit(
        wish.config,
        _named(engine, wish.host_config),
        wish.networking,
        image.for_run(),
        wish.api_version,
        defaults,
    )
    await check_bind_sources(admitted.host_config)
    record = _record(configuration.settings, image, admitted, name)
    networks = {_network_name(engine, network): wish for network, wish in admitted.networks.items()}
    container = await engine.containers.create(attrs.evolve(record, networks=networks))
    return container, (*foreign, *admitted.warnings)


def _named(engine: Engine, host_config: HostConfig) -> HostConfig:
    """Return the modes with ids of containers, which do not change, and names of predefined networks.

    Raises:
        NotFound: there is no such container.

    """

    def by_id(mode: str) -> str:
        other = mode.removeprefix(PREFIX)
        return PREFIX + engine.containers.resolve(other).id if other and mode != other else mode

    network = _network_name(engine, host_config.network_mode)
    return attrs.evolve(
        host_config,
        network_mode=by_id(network if network in PREDEFINED else host_config.network_mode),
        ipc_mode=by_id(host_config.ipc_mode),
        pid_mode=by_id(host_config.pid_mode),
    )


def _network_name(engine: Engine, reference: str) -> str:
    """Return the name of a network; one that does not exist is looked for again at each start."""
    try:
        return engine.networks.resolve(reference).record.name
    except (NotFound, InvalidParameter):
        return reference


def _check_platform(image: ImageSnapshot, wish: Wish) -> tuple[str, ...]:
    """Return a warning if the image is for another machine than this one and nobody asked for that.

    Raises:
        NotFound: it is for another platform than the one that was asked for (since API 1.41).

    """
    made_for, host = image.platform, platforms.host()
    if wish.platform and wish.api_version >= PLATFORM_SINCE:
        platforms.check(wish.config.image, made_for, platforms.parse(wish.platform))
        return ()
    if made_for is None or host.runs(made_for):
        return ()
    return (
        f"The requested image's platform ({made_for}) does not match the detected host platform ({host}) "
        "and no specific platform was requested",
    )


def _record(settings: Settings, image: ImageSnapshot, admitted: Admitted, name: str) -> ContainerRecord:
    container_id = new_id()
    config = admitted.config
    path, *arguments = command(config)
    layout = Layout(settings.data_root, settings.exec_root)
    return ContainerRecord(
        id=container_id,
        name=name,
        created_ns=time.time_ns(),
        image_id=image.id,
        image_reference=config.image,
        chain_ids=image.chain_ids,
        config=attrs.evolve(
            config,
            hostname=config.hostname or container_id[:SHORT_ID],
            stop_timeout=stop_timeout_seconds(config, settings),
        ),
        host_config=admitted.host_config,
        path=path,
        args=tuple(arguments),
        log_path=str(layout.log(container_id)),
    )


def stop_timeout_seconds(config: Config, settings: Settings) -> int | None:
    """Return how long this container may take to stop; None is Docker's default, shown as null."""
    configured = settings.default_stop_timeout_seconds
    if config.stop_timeout is not None or configured == DEFAULT_STOP_SECONDS:
        return config.stop_timeout
    return configured


def _defaults(engine: Engine, configuration: Configuration) -> Defaults:
    settings = configuration.settings
    has_bridge = engine.networks.named("bridge") is not None
    ulimits = (Ulimit(limit.name, limit.soft, limit.hard) for limit in settings.default_ulimits.values())
    return Defaults(
        host=engine.host,
        runtimes=configuration.runtimes,
        hostname=engine.hostname,
        network_mode="bridge" if has_bridge else "none",
        has_host_gateway=has_bridge,
        shm_size=settings.default_shm_size_bytes,
        ipc_mode=settings.default_ipc_mode,
        cgroupns_mode=settings.default_cgroupns_mode,
        cgroup_parent=settings.cgroup_parent,
        ulimits=tuple(ulimits),
        log_driver=settings.log_driver,
        log_opts=settings.log_opts,
        dns=settings.dns,
        dns_search=settings.dns_search,
        dns_options=settings.dns_opts,
    )
