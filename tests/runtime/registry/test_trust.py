"""Whom the client trusts, over real TLS: certs.d, insecure registries, client certificates."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from daemon.images import references
from daemon.images.registry.credentials import ANONYMOUS
from daemon.images.registry.errors import RegistryFailed
from daemon.images.registry.proxies import Proxies
from daemon.images.registry.registries import RemoteRegistries
from daemon.settings import Settings
from tests.registries.real import RealRegistry
from tests.registries.scripted import Scripted, serving
from tests.registries.shelf import Shelf

pytestmark = pytest.mark.runtime
INDEX = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
async def served(context: ssl.SSLContext) -> AsyncIterator[Scripted]:
    shelf = Shelf()
    shelf.add_manifest("app", "1", INDEX)
    async with serving(shelf, context) as scripted:
        yield scripted


async def pull(
    certificates: Path, scripted: Scripted | RealRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have a manifest, from a registry that is not taken on trust for being on this host."""
    monkeypatch.setattr("daemon.images.registry.endpoints.ALWAYS_INSECURE", ())
    registries = RemoteRegistries(Settings, certificates, Proxies())
    async with registries.repository(references.parse(f"{scripted.address}/app"), ANONYMOUS) as repository:
        await repository.manifest("1")


async def test_an_unknown_authority_is_not_trusted(
    served: Scripted, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        RegistryFailed, match="tls: failed to verify certificate: x509: unable to get local issuer"
    ):
        await pull(certificates, served, monkeypatch)


async def test_one_of_certs_d_is(
    served: Scripted, certificates: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = certificates / served.address
    own.mkdir()
    authority.cert_pem.write_to_path(own / "ca.crt")
    await pull(certificates, served, monkeypatch)
    (own / "ca.crt").write_text("not a certificate")
    with pytest.raises(RegistryFailed, match=r"cannot use .*ca\.crt"):
        await pull(certificates, served, monkeypatch)


async def test_this_host_is_trusted_without(served: Scripted, certificates: Path) -> None:
    registries = RemoteRegistries(Settings, certificates, Proxies())
    async with registries.repository(references.parse(f"{served.address}/app"), ANONYMOUS) as repository:
        await repository.manifest("1")


async def test_a_client_certificate_is_shown(
    context: ssl.SSLContext, certificates: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    shelf = Shelf()
    shelf.add_manifest("app", "1", INDEX)
    async with serving(shelf, context) as scripted:
        own = certificates / scripted.address
        own.mkdir()
        authority.cert_pem.write_to_path(own / "ca.crt")
        with pytest.raises(RegistryFailed):
            await pull(certificates, scripted, monkeypatch)
        pair = authority.issue_cert("client.example")
        pair.private_key_and_cert_chain_pem.write_to_path(own / "client.cert")
        with pytest.raises(
            RegistryFailed, match=r"missing key client\.key for client certificate client\.cert"
        ):
            await pull(certificates, scripted, monkeypatch)
        pair.private_key_pem.write_to_path(own / "client.key")
        await pull(certificates, scripted, monkeypatch)
        (own / "client.cert").unlink()
        with pytest.raises(
            RegistryFailed, match=r"missing client certificate client\.cert for key client\.key"
        ):
            await pull(certificates, scripted, monkeypatch)


async def test_a_plain_server_is_told_from_a_secure_one(
    plain: RealRegistry, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RegistryFailed, match="server gave HTTP response to HTTPS client"):
        await pull(certificates, plain, monkeypatch)
