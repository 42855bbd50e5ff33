"""The stock CLI against Debian's registry, which has TLS and wants a password."""

from __future__ import annotations

import json
import os
import subprocess
import time
from http.client import UNAUTHORIZED
from pathlib import Path

from tests.clients.cli import Docker
from tests.clients.http_api import Api
from tests.registries.real import PASSWORD, USER, RealRegistry, installed

SECONDS = 60


def pushed(docker: Docker, registry: RealRegistry, name: str) -> tuple[str, str]:
    """Push busybox under `name`; return the whole name and the digest it has got."""
    whole = f"{registry.address}/{name}"
    docker("tag", "busybox", whole)
    said = docker("push", whole).out
    return whole, said.partition("digest: ")[2].split()[0]


def skopeo(registry: RealRegistry, *arguments: str) -> str:
    """Run skopeo as the member, without looking at certificates."""
    credentials = f"{USER}:{PASSWORD}"
    options = {
        "copy": ("--src-tls-verify=false", "--dest-tls-verify=false"),
        "inspect": ("--tls-verify=false",),
    }[arguments[0]]
    wants = {
        "copy": ("--src-creds", "--dest-creds"),
        "inspect": ("--creds",),
    }[arguments[0]]
    ends = arguments[-len(wants) :]
    named = [
        part
        for want, end in zip(wants, ends, strict=True)
        if end.startswith("docker://")
        for part in (want, credentials)
    ]
    command = [installed("skopeo"), "--insecure-policy", arguments[0], *options, *named, *arguments[1:]]
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def repo_digests(docker: Docker, name: str) -> list[str]:
    found: list[str] = docker.inspect(name)["RepoDigests"]
    return found


def test_a_login_is_believed_if_the_password_is_right(images: Docker, registry: RealRegistry) -> None:
    login = ("login", "--username", USER, "--password-stdin", registry.address)
    wrong = images(*login, stdin=b"wrong", ok=False)
    assert wrong.code != 0
    assert "unauthorized" in wrong.err
    assert "Login Succeeded" in images(*login, stdin=PASSWORD.encode()).out
    images("logout", registry.address)


def test_nobody_gets_anything_without_a_password(images: Docker, registry: RealRegistry) -> None:
    name = f"{registry.address}/box:1"
    images("tag", "busybox", name)
    for what in ("push", "pull"):
        refused = images(what, name, ok=False)
        assert refused.code != 0
        assert any(word in refused.err for word in ("no basic auth credentials", "unauthorized"))


def test_what_was_pushed_is_pulled_by_tag_and_by_digest(member: Docker, registry: RealRegistry) -> None:
    name, digest = pushed(member, registry, "box:1")
    image_id = member.inspect("busybox")["Id"]
    by_digest = f"{name.removesuffix(':1')}@{digest}"
    assert repo_digests(member, name) == [by_digest]
    member("rmi", name)
    assert repo_digests(member, "busybox") == []
    said = member("pull", name).out
    assert f"Status: Image is up to date for {name}" in said or "Downloaded newer image" in said
    assert member.inspect(name)["Id"] == image_id
    member("rmi", name)
    assert f"Digest: {digest}" in member("pull", by_digest).out
    assert member.inspect(by_digest)["Id"] == image_id
    assert member.run(by_digest, "echo", "hi").out == "hi\n"
    assert f"Untagged: {by_digest}" in member("rmi", by_digest).out


def test_a_second_push_and_a_second_pull_send_nothing(member: Docker, registry: RealRegistry) -> None:
    name, _ = pushed(member, registry, "again:1")
    assert "Layer already exists" in member("push", name).out
    assert f"Status: Image is up to date for {name}" in member("pull", name).out


def test_a_layer_is_mounted_from_the_repository_it_is_known_to_be_in(
    member: Docker, registry: RealRegistry
) -> None:
    pushed(member, registry, "from:1")
    name = f"{registry.address}/to:1"
    member("tag", "busybox", name)
    assert "Mounted from from" in member("push", name).out


def test_all_tags_are_pushed_and_pulled(member: Docker, registry: RealRegistry) -> None:
    repository = f"{registry.address}/many"
    for tag in ("1", "2"):
        member("tag", "busybox", f"{repository}:{tag}")
    member("push", "--all-tags", repository)
    member("rmi", f"{repository}:1", f"{repository}:2")
    assert f"Status: Downloaded newer image for {repository}" in member("pull", "--all-tags", repository).out
    assert set(member("images", "--format", "{{.Tag}}", repository).lines) == {"1", "2"}


def test_what_is_not_there_is_not_found(member: Docker, registry: RealRegistry) -> None:
    pushed(member, registry, "box:1")
    for name in ("box:nope", "nope"):
        missing = member("pull", f"{registry.address}/{name}", ok=False)
        assert missing.code == 1
        assert "manifest unknown" in missing.err
    unknown = member("push", f"{registry.address}/never:1", ok=False)
    assert f"An image does not exist locally with the tag: {registry.address}/never" in unknown.err


def test_a_run_pulls_what_is_missing(member: Docker, registry: RealRegistry) -> None:
    name, _ = pushed(member, registry, "run:1")
    member("rmi", name)
    ran = member.run("--pull", "missing", name, "echo", "hi")
    assert ran.out == "hi\n"
    assert "Unable to find image" in ran.err
    assert f"Status: Downloaded newer image for {name}" in ran.err
    assert f"Image is up to date for {name}" in member("create", "--pull", "always", name, "true").err


def test_a_registry_without_search_says_so(member: Docker, registry: RealRegistry) -> None:
    searched = member("search", f"{registry.address}/box", ok=False)
    assert searched.code != 0
    assert searched.err.startswith("Error response from daemon: ")


def test_a_manifest_is_shown_to_nobody_without_a_password(
    member: Docker, registry: RealRegistry, api: Api
) -> None:
    name, digest = pushed(member, registry, "shown:1")
    answer = api("GET", f"/distribution/{name}/json")
    assert answer.status == UNAUTHORIZED
    assert digest not in answer.message


def test_events_tell_of_pushes_and_pulls(member: Docker, registry: RealRegistry) -> None:
    name, _ = pushed(member, registry, "told:1")
    member("pull", name)
    until = f"{time.time():.9f}"  # "now" would be the second that has begun
    options = ("--since", "1", "--until", until, "--filter", "type=image", "--filter", f"image={name}")
    lines = [json.loads(line) for line in member("events", *options, "--format", "{{json .}}").lines]
    told = [(one["Action"], one["Actor"]["ID"]) for one in lines]
    assert [one for one in told if one[0] in {"push", "pull"}] == [("push", name), ("pull", name)]


def test_skopeo_reads_what_was_pushed(member: Docker, registry: RealRegistry, tmp_path: Path) -> None:
    name, digest = pushed(member, registry, "skopeo:1")
    assert json.loads(skopeo(registry, "inspect", f"docker://{name}"))["Digest"] == digest
    skopeo(registry, "copy", f"docker://{name}", f"dir:{tmp_path}/copy")
    layers = [path for path in (tmp_path / "copy").iterdir() if len(path.name) == 64]
    assert {f"sha256:{path.name}" for path in layers} >= {member.inspect(name)["Id"]}


def test_what_skopeo_copied_there_and_from_a_saved_archive_is_pulled(
    member: Docker, registry: RealRegistry, tmp_path: Path
) -> None:
    archive, name = tmp_path / "saved.tar", f"{registry.address}/copied:1"
    member("save", "--output", str(archive), "busybox")
    skopeo(registry, "copy", f"docker-archive:{archive}", f"docker://{name}")
    member("pull", name)
    assert member.inspect(name)["RootFS"] == member.inspect("busybox")["RootFS"]
    assert member.run(name, "echo", "hi").out == "hi\n"
    member("save", "--output", str(archive), name)
    layout = tmp_path / "layout"
    skopeo(registry, "copy", f"docker-archive:{archive}", f"oci:{layout}:1")
    assert (layout / "index.json").exists()
    config = json.loads((layout / "index.json").read_text())["manifests"][0]
    assert config["mediaType"] == "application/vnd.oci.image.manifest.v1+json"


def test_compose_pulls_and_runs(member: Docker, registry: RealRegistry, tmp_path: Path) -> None:
    name, _ = pushed(member, registry, "composed:1")
    member("rmi", name)
    compose = tmp_path / "docker-compose.yml"
    compose.write_text(
        json.dumps(
            {"version": "3", "services": {"web": {"image": name, "command": "true", "network_mode": "none"}}}
        )
    )
    command = [installed("docker-compose"), "--file", str(compose), "--project-name", "pulled"]
    for verb in (("pull",), ("up", "--no-color"), ("down",)):
        done = subprocess.run(
            [*command, *verb],
            capture_output=True,
            env={**os.environ, **member.environment},
            timeout=SECONDS,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert name in member.inspect(name)["RepoTags"]
