"""A hub on this machine: the part of the Hugging Face hub's HTTP API that reads and writes repositories.

Repositories with their branches and commits are in memory. Regular files are sent in the commit, large ones by Git LFS.
All requests are recorded.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from huggingface_hub import ModelCard

TOKEN = "hf_of_the_owner"
OWNER = "newsroom"
LARGE = (".safetensors", ".onnx")  # by Git LFS, as on the hub


class HubError(Exception):
    """The error response to a request."""

    def __init__(self, status: int, code: str = "", message: str = "", **more: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.more = status, code, message, more


@dataclass
class Repo:
    """A repository: its visibility, and its files at each commit."""

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, branch: str, files: dict[str, bytes], message: str) -> str:
        """Add a commit with these files to a branch."""
        self.messages.append(message)
        digest = hashlib.sha1(repr((len(self.messages), sorted(files.items()))).encode()).hexdigest()
        self.commits[digest], self.branches[branch] = files, digest
        return digest

    def at(self, revision: str) -> tuple[str, dict[str, bytes]]:
        """Return the commit of a revision, and its files."""
        commit = self.branches.get(revision, revision)
        if commit not in self.commits:
            raise HubError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit, self.commits[commit]


class LocalHub:
    """The hub and its HTTP server; a context manager."""

    def __init__(self) -> None:
        self.reset()
        outer = self

        class Handler(_Handler):
            hub = outer

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> "LocalHub":
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def reset(self) -> None:
        """Delete all repositories and recorded requests."""
        self.repos: dict[str, Repo] = {}
        self.lfs_objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.failure: int | None = None  # status of the response to every request

    def make(self, name: str, files: dict[str, bytes], **settings: bool) -> Repo:
        """Create a repository without the API."""
        repo = self.repos[name] = Repo(**settings)
        repo.commit("main", files, "made by a test")
        return repo

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        """Return the files of a repository."""
        return self.repos[name].at(revision)[1]

    def readable(self, name: str, *, owner: bool) -> Repo:
        """Return a repository, if the client may read it."""
        repo = self.repos.get(name)
        if repo is None or (repo.private and not owner):
            raise HubError(404 if owner else 401, "RepoNotFound", "Repository not found")
        return repo


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LocalHub

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def _respond(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.owner = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        self.hub.requests.append(f"{self.command} {path}")
        try:
            if self.hub.failure:
                raise HubError(self.hub.failure, message="we are down for maintenance")
            for methods, pattern, handle in _ROUTES:
                match = re.fullmatch(pattern, path)
                if match and self.command in methods.split():
                    handle(self, **match.groupdict())
                    return
            raise HubError(404, message="no such endpoint")
        except HubError as error:
            headers = {"X-Error-Message": error.message} | ({"X-Error-Code": error.code} if error.code else {})
            self._send(json.dumps({"error": error.message, **error.more}).encode(), error.status, headers)

    do_GET = do_HEAD = do_POST = do_PUT = _respond  # http.server's names

    def _send(self, content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            with suppress(BrokenPipeError):
                self.wfile.write(content)

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), status)

    def _writable(self, name: str) -> Repo:
        repo = self.hub.readable(name, owner=self.owner)
        if not self.owner:
            raise HubError(403, message="You have read-only access to this repository")
        return repo

    def create(self) -> None:
        request = json.loads(self.body)
        if not self.owner:
            raise HubError(401, message="Invalid username or password.")
        namespace = request.get("organization") or OWNER
        if namespace != OWNER:
            raise HubError(
                403, message=f"You don't have the rights to create a model under the namespace '{namespace}'"
            )
        name = f"{namespace}/{request['name']}"
        if name in self.hub.repos:
            raise HubError(409, message="You already created this model repo", url=f"{self.hub.url}/{name}")
        self.hub.repos[name] = repo = Repo(private=request.get("visibility") == "private")
        repo.commit("main", {".gitattributes": b"*.safetensors filter=lfs\n"}, "initial commit")
        self._json({"url": f"{self.hub.url}/{name}", "name": name})

    def info(self, name: str, revision: str | None) -> None:
        repo = self.hub.readable(name, owner=self.owner)
        commit, files = repo.at(revision or "main")
        self._json(
            {"id": name, "sha": commit, "private": repo.private, "siblings": [{"rfilename": each} for each in files]}
        )

    def tree(self, name: str, revision: str) -> None:
        _, files = self.hub.readable(name, owner=self.owner).at(revision)
        self._json(
            [
                {"type": "file", "path": path, "size": len(content), **_oid(path, content)}
                for path, content in files.items()
            ]
        )

    def branch(self, name: str, branch: str) -> None:
        repo = self._writable(name)
        if branch in repo.branches:
            raise HubError(409, message="Reference already exists")
        repo.branches[branch] = json.loads(self.body).get("startingPoint") or repo.branches["main"]
        self._json({}, 201)

    def validate(self) -> None:
        content = json.loads(self.body)["content"]
        if not isinstance(ModelCard(content).data.to_dict().get("license", ""), str):
            self._json({"errors": [{"message": '"license" must be a string'}], "warnings": []}, 400)
            return
        self._json({"errors": [], "warnings": []})

    def preupload(self, name: str, revision: str) -> None:
        _, files = self._writable(name).at(revision)
        paths = [each["path"] for each in json.loads(self.body)["files"]]
        self._json({"files": [
            {"path": path, "uploadMode": "lfs" if path.endswith(LARGE) else "regular", "shouldIgnore": False,
             "oid": _oid(path, files[path])["oid"] if path in files else None}
            for path in paths
        ]})  # fmt: skip

    def lfs_batch(self, name: str) -> None:
        self._writable(name)
        objects = json.loads(self.body)["objects"]
        actions = {each["oid"]: {"upload": {"href": f"{self.hub.url}/lfs/{each['oid']}"}} for each in objects}
        self._json({"transfer": "basic", "objects": [{**each, "actions": actions[each["oid"]]} for each in objects]})

    def lfs_upload(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise HubError(400, message="digest differs")
        self.hub.lfs_objects[oid] = self.body
        self._send(b"")

    def commit(self, name: str, revision: str) -> None:
        repo = self._writable(name)
        files = dict(repo.at(revision)[1])
        message = ""
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            match line["key"]:
                case "header":
                    message = value["summary"]
                    if value.get("parentCommit", repo.branches[revision]) != repo.branches[revision]:
                        raise HubError(412, message="A commit has happened since")
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.lfs_objects[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        commit = repo.commit(revision, files, message)
        url = f"{self.hub.url}/{name}/commit/{commit}"
        self._json({"success": True, "commitOid": commit, "commitUrl": url})

    def resolve(self, name: str, revision: str, path: str) -> None:
        repo = self.hub.readable(name, owner=self.owner)
        if repo.gated and not self.owner:
            raise HubError(403, "GatedRepo", "Access to this model is restricted")
        commit, files = repo.at(revision)
        if path not in files:
            raise HubError(404, "EntryNotFound", "Entry not found")
        oid = _oid(path, files[path])
        etag = oid["lfs"]["oid"] if "lfs" in oid else oid["oid"]
        self._send(files[path], headers={"X-Repo-Commit": commit, "ETag": f'"{etag}"', "Content-Type": "text/plain"})


def _oid(path: str, content: bytes) -> dict[str, Any]:
    """Return the digests of a file."""
    oid = {"oid": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()}
    if not path.endswith(LARGE):
        return oid
    return oid | {"lfs": {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}}


_NAME = r"(?P<name>[^/]+/[^/]+)"
_ROUTES: tuple[tuple[str, str, Callable[..., None]], ...] = (
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/validate-yaml", _Handler.validate),
    ("GET", rf"/api/models/{_NAME}(/revision/(?P<revision>.+))?", _Handler.info),
    ("GET", rf"/api/models/{_NAME}/tree/(?P<revision>[^/]+)/?", _Handler.tree),
    ("POST", rf"/api/models/{_NAME}/branch/(?P<branch>.+)", _Handler.branch),
    ("POST", rf"/api/models/{_NAME}/preupload/(?P<revision>.+)", _Handler.preupload),
    ("POST", rf"/api/models/{_NAME}/commit/(?P<revision>.+)", _Handler.commit),
    ("POST", rf"/{_NAME}\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    ("PUT", "/lfs/(?P<oid>[0-9a-f]+)", _Handler.lfs_upload),
    ("GET HEAD", rf"/{_NAME}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _Handler.resolve),
)
