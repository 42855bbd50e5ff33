"""A registry as a function from requests to replies, with the faults that a test puts there.

It runs behind a socket (`tests.registries.scripted`) or behind an httpx transport (`tests.registries.wires`).
`docker-registry` is the real one beside it (`tests.registries.real`).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qs, urlsplit

import attrs
import orjson

from daemon.images import digests

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@attrs.frozen
class Request:
    """What was asked; `target` is the path with its query, header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> Mapping[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


@attrs.frozen
class Reply:
    """What is answered; after `cut` bytes of the body the connection breaks; `stalls` leaves it silent."""

    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""
    cut: int | None = None
    stalls: bool = False


def refuse(status: int, code: str, message: str = "", **headers: str) -> Reply:
    """Return a refusal in the specification's form; of a header's name `_` stands for `-`."""
    body = orjson.dumps({"errors": [{"code": code, "message": message or code.lower(), "detail": None}]})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"Content-Type": "application/json", **named}, body)


Handler = Callable[[Request], Reply]


@attrs.define
class Fault:
    """Something that goes wrong when a request matches, `times` times."""

    pattern: str  # of `METHOD /target`, from its start
    spoil: Callable[[Reply], Reply]
    times: int = 1


def instead(reply: Reply) -> Callable[[Reply], Reply]:
    """Return a fault that answers something else."""
    return lambda _: reply


def cut_at(size_bytes: int) -> Callable[[Reply], Reply]:
    """Return a fault that breaks the connection in the middle of the body."""
    return lambda reply: attrs.evolve(reply, cut=size_bytes)


def corrupt(reply: Reply) -> Reply:
    """Have one bit of a body wrong."""
    return attrs.evolve(reply, body=bytes([reply.body[0] ^ 1]) + reply.body[1:])


@attrs.define(eq=False)
class Shelf:
    """All repositories of one registry; `asked` has every request, as it came.

    With `users` it wants Basic; with `token_url` a token besides, which `TokenServer` gives.
    """

    manifests: dict[tuple[str, str], tuple[str, bytes]] = attrs.field(factory=dict)
    blobs: dict[tuple[str, str], bytes] = attrs.field(factory=dict)
    users: Mapping[str, str] = attrs.field(factory=dict)
    token_url: str = ""
    ranges: bool = True
    page_tags: int = 1000
    faults: list[Fault] = attrs.field(factory=list)
    asked: list[Request] = attrs.field(factory=list)
    uploads: dict[str, bytes] = attrs.field(factory=dict)

    def fail(self, pattern: str, spoil: Callable[[Reply], Reply], times: int = 1) -> None:
        """Have the next requests that match go wrong."""
        self.faults.append(Fault(pattern, spoil, times))

    def add_blob(self, repository: str, content: bytes) -> str:
        """Have a blob, and return its digest."""
        digest = digests.of(content)
        self.blobs[repository, digest] = content
        return digest

    def add_manifest(
        self, repository: str, tag: str, document: object, media_type: str = OCI_MANIFEST
    ) -> str:
        """Have a manifest under a tag and its digest, which is returned."""
        raw = document if isinstance(document, bytes) else orjson.dumps(document)
        digest = digests.of(raw)
        for name in filter(None, (tag, digest)):
            self.manifests[repository, name] = (media_type, raw)
        return digest

    def add_image(
        self, repository: str, tag: str, config: Mapping[str, object], layers: Iterable[bytes]
    ) -> str:
        """Have an image of such layers (gzip), and return its manifest's digest."""
        packed = [(self.add_blob(repository, layer), len(layer)) for layer in layers]
        raw = orjson.dumps(config)
        return self.add_manifest(
            repository,
            tag,
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {
                    "mediaType": OCI_CONFIG,
                    "digest": self.add_blob(repository, raw),
                    "size": len(raw),
                },
                "layers": [{"mediaType": OCI_LAYER, "digest": name, "size": size} for name, size in packed],
            },
        )

    def __call__(self, request: Request) -> Reply:
        """Answer a request, with whatever fault comes first."""
        self.asked.append(request)
        reply = self._refused(request) or self._answer(request)
        for fault in self.faults:
            if fault.times and re.match(fault.pattern, str(request)):
                fault.times -= 1
                reply = fault.spoil(reply)
                break
        return attrs.evolve(reply, body=b"") if request.method == "HEAD" else reply

    def lines(self) -> list[str]:
        """Return what was asked, without the version check."""
        return [str(request) for request in self.asked if request.path != "/v2/"]

    def _refused(self, request: Request) -> Reply | None:
        if not (self.users or self.token_url):
            return None
        shown = request.headers.get("authorization", "")
        if self.token_url:
            name = repository_of(request.path)
            if shown.removeprefix("Bearer ").partition("#")[0] in {f"token-for-{name}", "any-token"}:
                return None
            challenge = f'Bearer realm="{self.token_url}",service="tests",scope="repository:{name}:pull"'
            return refuse(401, "UNAUTHORIZED", "authentication required", WWW_Authenticate=challenge)
        if shown in {basic(*pair) for pair in self.users.items()}:
            return None
        return refuse(401, "UNAUTHORIZED", "authentication required", WWW_Authenticate='Basic realm="tests"')

    def _answer(self, request: Request) -> Reply:
        name = repository_of(request.path)
        rest = request.path.removeprefix(f"/v2/{name}/")
        if request.path == "/v2/":
            return Reply(200, {"Content-Type": "application/json"}, b"{}")
        for prefix, answer in (
            ("manifests/", self._manifest),
            ("blobs/uploads/", self._upload),
            ("blobs/", self._blob),
            ("tags/list", self._tags),
        ):
            if rest.startswith(prefix):
                return answer(request, name, rest.removeprefix(prefix))
        return Reply(404, body=b"404 page not found\n")

    def _manifest(self, request: Request, name: str, reference: str) -> Reply:
        if request.method == "PUT":
            media_type = request.headers.get("content-type", "")
            digest = self.add_manifest(
                name, "" if digests.is_digest(reference) else reference, request.body, media_type
            )
            return Reply(201, {"Docker-Content-Digest": digest})
        if (name, reference) not in self.manifests:
            return refuse(404, "MANIFEST_UNKNOWN", "manifest unknown")
        media_type, raw = self.manifests[name, reference]
        return Reply(200, {"Content-Type": media_type, "Docker-Content-Digest": digests.of(raw)}, raw)

    def _blob(self, request: Request, name: str, digest: str) -> Reply:
        if (name, digest) not in self.blobs:
            return refuse(404, "BLOB_UNKNOWN", "blob unknown to registry")
        content = self.blobs[name, digest]
        asked_for = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        if asked_for is None or not self.ranges:
            return Reply(200, {"Content-Length": str(len(content))}, content)
        start = int(asked_for[1])
        if start >= len(content):
            return Reply(416, {"Content-Range": f"bytes */{len(content)}"})
        return Reply(
            206, {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}, content[start:]
        )

    def _upload(self, request: Request, name: str, session: str) -> Reply:
        if request.method == "POST":
            return self._begin(name, request.query)
        if session not in self.uploads:
            return refuse(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        if request.method == "GET":
            return Reply(204, self._progress(name, session))
        self.uploads[session] += request.body
        if request.method == "PATCH":
            return Reply(202, self._progress(name, session))
        content = self.uploads.pop(session)
        if digests.of(content) != request.query.get("digest"):
            return refuse(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        return Reply(201, {"Location": f"/v2/{name}/blobs/{self.add_blob(name, content)}"})

    def _begin(self, name: str, query: Mapping[str, str]) -> Reply:
        mounted = self.blobs.get((query.get("from", ""), query.get("mount", "")))
        if mounted is not None:
            return Reply(201, {"Location": f"/v2/{name}/blobs/{self.add_blob(name, mounted)}"})
        session = f"session-{len(self.asked)}"
        self.uploads[session] = b""
        return Reply(202, self._progress(name, session))

    def _progress(self, name: str, session: str) -> Mapping[str, str]:
        received = len(self.uploads[session])
        location = f"/v2/{name}/blobs/uploads/{session}?_state={received}"
        return {"Location": location, "Range": f"0-{max(0, received - 1)}"}

    def _tags(self, request: Request, name: str, _: str) -> Reply:
        every = sorted(tag for held, tag in self.manifests if held == name and not digests.is_digest(tag))
        left = [tag for tag in every if tag > request.query.get("last", "")]
        page = left[: self.page_tags]
        more = (
            f'</v2/{name}/tags/list?last={page[-1]}&n={self.page_tags}>; rel="next"' if page != left else ""
        )
        return Reply(200, {"Link": more} if more else {}, orjson.dumps({"name": name, "tags": page or None}))


@attrs.define(eq=False)
class TokenServer:
    """Gives tokens to users, and to nobody for pulls; `asked` has every request."""

    users: Mapping[str, str] = attrs.field(factory=dict)
    identity_tokens: Mapping[str, str] = attrs.field(factory=dict)  # to names
    lasts_seconds: int = 300
    asked: list[Request] = attrs.field(factory=list)

    def __call__(self, request: Request) -> Reply:
        self.asked.append(request)
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        fields = form if request.method == "POST" else request.query
        shown = request.headers.get("authorization", "")
        if request.method == "POST":
            known = form.get("refresh_token") in self.identity_tokens
        else:
            known = shown in {basic(*pair) for pair in self.users.items()} or not shown
        if not known:
            return Reply(
                401, {"Content-Type": "application/json"}, b'{"details":"incorrect username or password"}'
            )
        scope = fields.get("scope", "")
        token = f"token-for-{scope.split(':')[1]}" if scope else "any-token"
        token += f"#{len(self.asked)}"
        body: dict[str, object] = {"token": token, "access_token": token, "expires_in": self.lasts_seconds}
        if fields.get("offline_token") == "true":
            body["refresh_token"] = "identity"
        return Reply(200, {"Content-Type": "application/json"}, orjson.dumps(body))


def repository_of(path: str) -> str:
    """Return the repository that a path is about."""
    found = re.match(r"/v2/(.+?)/(?:manifests|blobs|tags)/", path)
    return found[1] if found else ""


def basic(username: str, password: str) -> str:
    """Return the header that shows a name and a password."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
