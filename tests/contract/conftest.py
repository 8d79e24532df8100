# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A served API for each test, and the official API description that every answer is held against.

HCLOUD_SPEC names the OpenAPI document; without one, answers are not validated and the tests of that are skipped.
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hcloud import Client, constant_backoff_function
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from lab.api import Settings
from lab.api.server import build_server
from lab.balancers.none import NoBalancers
from lab.machines.base import FirewallRule, MachineBackend, MachineError, MachineSpec, PrivateLink
from lab.machines.none import NoMachines

TOKEN = "contract-token"
SPEC = Path(os.environ.get("HCLOUD_SPEC", Path(__file__).parents[3] / "shared" / "hetzner" / "cloud.spec.json"))


FORMATS = FormatChecker(["ipv4", "ipv6"])


@FORMATS.checks("date-time", raises=ValueError)
def _is_a_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def _amend(paths: dict[str, Any]) -> None:
    """What was announced after the description: since 2026-10-05 the end of a load balancer is an action."""
    answers = paths["/load_balancers/{id}"]["delete"]["responses"]
    if answers.pop("204", None):
        answers["201"] = paths["/load_balancers/{id}/actions/add_target"]["post"]["responses"]["201"]


class Spec:
    """The official API description, as far as answers go."""

    def __init__(self, path: Path) -> None:
        document = json.loads(path.read_text(encoding="utf-8"))
        _amend(document["paths"])
        self.text = json.dumps(document)
        self._registry = Registry().with_resource("urn:spec", Resource(document, DRAFT202012))
        self.paths = [
            (re.compile(re.sub(r"\{[^}]+\}", "[^/]+", template)), template, operations)
            for template, operations in sorted(document["paths"].items(), key=lambda item: item[0].count("{"))
        ]
        self._validators: dict[str, Draft202012Validator] = {}

    def check(self, method: str, path: str, status: int, body: object) -> None:
        """Fail unless the description has this answer to this request."""
        template, operations = self._operations(path)
        operation = operations.get(method.lower())
        if operation is None:
            assert status >= 400, f"{method} {path} is not described, but was answered {status}"
            return
        key = str(status) if str(status) in operation["responses"] else f"{status // 100}xx"
        assert key in operation["responses"], f"{method} {path} answered {status}, which is not described"
        if "content" not in operation["responses"][key]:
            assert body is None, f"{method} {path} answered a body to {status}"
            return
        pointer = (
            f"/paths/{template.replace('/', '~1')}/{method.lower()}/responses/{key}/content/application~1json/schema"
        )
        problems = sorted(self._validator(pointer).iter_errors(body), key=lambda problem: list(problem.path))
        assert not problems, f"{method} {path} {status}: " + "; ".join(
            f"{problem.json_path}: {problem.message}" for problem in problems
        )

    def _operations(self, path: str) -> tuple[str, dict[str, Any]]:
        for pattern, template, operations in self.paths:
            if pattern.fullmatch(path):
                return template, operations
        return path, {}

    def _validator(self, pointer: str) -> Draft202012Validator:
        if pointer not in self._validators:
            self._validators[pointer] = Draft202012Validator(
                {"$ref": f"urn:spec#{pointer}"},
                registry=self._registry,
                format_checker=FORMATS,
            )
        return self._validators[pointer]


def self_signed(*names: str) -> dict[str, str]:
    """A certificate for these names and its key, as the API takes them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return {
        "certificate": built.public_bytes(pem).decode(),
        "private_key": key.private_bytes(pem, pkcs8, plain).decode(),
    }


# Seconds that a busy machine may take to answer.
PATIENCE = 60


class RecordingMachines(NoMachines):
    """No machines, but a record of what was asked of them. ``refuse`` makes a method fail with a message."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []
        self.refuse: dict[str, str] = {}

    def _note(self, method: str, *arguments: object) -> None:
        self.calls.append((method, *arguments))
        if method in self.refuse:
            raise MachineError(self.refuse[method])

    def called(self, method: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == method]

    async def create(self, spec: MachineSpec) -> None:
        self._note("create", spec)

    async def start(self, server_id: int) -> None:
        self._note("start", server_id)
        await super().start(server_id)

    async def resize(self, spec: MachineSpec) -> None:
        self._note("resize", spec)

    async def delete(self, server_id: int) -> None:
        self._note("delete", server_id)
        await super().delete(server_id)

    async def attach(self, server_id: int, link: PrivateLink) -> None:
        self._note("attach", server_id, link)

    async def detach(self, server_id: int, network_id: int) -> None:
        self._note("detach", server_id, network_id)

    async def filter(self, server_id: int, rules: tuple[FirewallRule, ...] | None) -> None:
        self._note("filter", server_id, rules)


class Api:
    """One served API: two clients, both validating, and its own end."""

    def __init__(self, settings: Settings, backend: MachineBackend, balancers: NoBalancers, spec: Spec | None) -> None:
        self._server = build_server(settings, backend, balancers)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the API did not start"
            time.sleep(0.005)
        self.spec = spec
        self.token = TOKEN
        self.backend = backend
        self.balancers = balancers
        self.root = f"http://127.0.0.1:{settings.port}"
        self.endpoint = f"{self.root}/v1"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        hooks = {"response": [self._check_httpx]}
        self.http = httpx.Client(base_url=self.endpoint, headers=headers, event_hooks=hooks, timeout=PATIENCE)
        self.lab = httpx.Client(base_url=f"{self.root}/_lab", headers=headers, timeout=PATIENCE)
        self.sdk = Client(TOKEN, api_endpoint=self.endpoint, poll_interval=0.02)
        self.sdk._client._session.hooks["response"].append(self._check_requests)
        self.sdk._client._retry_interval_func = constant_backoff_function(0.02)

    def leave(self) -> None:
        """Let it end, without waiting."""
        self.http.close()
        self.lab.close()
        self.sdk._client._session.close()
        self._server.should_exit = True

    def stop(self) -> None:
        """End it, and wait until its state is on disk."""
        self.leave()
        self._thread.join()

    def do(self, method: str, path: str, body: object = None, *, expect: int | None = None) -> Any:
        """One request; its JSON, or None where there is no body. Fails on errors, unless one is expected."""
        response = self.http.request(method, path, json=body)
        wanted = response.is_success if expect is None else response.status_code == expect
        assert wanted, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def wait(self, *actions: dict[str, Any]) -> list[dict[str, Any]]:
        """The actions once they have ended, well or not."""
        query = "&".join(f"id={action['id']}" for action in actions)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            ended: list[dict[str, Any]] = self.do("GET", f"/actions?{query}")["actions"]
            if all(action["status"] != "running" for action in ended):
                return ended
            time.sleep(0.01)
        raise AssertionError(f"actions still run: {ended}")

    def server(self, name: str = "one", **fields: Any) -> dict[str, Any]:
        """A server, made and waited for."""
        body = {"name": name, "server_type": "cpx22", "image": "ubuntu-22.04", "location": "fsn1"} | fields
        answer = self.do("POST", "/servers", body)
        ended = self.wait(answer["action"], *answer["next_actions"])
        assert all(action["status"] == "success" for action in ended), ended
        server: dict[str, Any] = self.do("GET", f"/servers/{answer['server']['id']}")["server"]
        return server

    def network(self, name: str = "net", ip_range: str = "10.0.0.0/16", *subnets: str) -> dict[str, Any]:
        """A network with subnets in eu-central; 10.0.0.0/24 where none is named."""
        ranges = subnets or ("10.0.0.0/24",)
        described = [{"type": "cloud", "network_zone": "eu-central", "ip_range": subnet} for subnet in ranges]
        body = {"name": name, "ip_range": ip_range, "subnets": described}
        network: dict[str, Any] = self.do("POST", "/networks", body)["network"]
        return network

    def _check_httpx(self, response: httpx.Response) -> None:
        response.read()
        if self.spec is not None:
            path = response.request.url.path.removeprefix("/v1")
            body = response.json() if response.content else None
            self.spec.check(response.request.method, path, response.status_code, body)

    def _check_requests(self, response: requests.Response, **_: object) -> None:
        if self.spec is not None:
            path = httpx.URL(str(response.request.url)).path.removeprefix("/v1")
            body = response.json() if response.content else None
            self.spec.check(str(response.request.method), path, response.status_code, body)


@pytest.fixture(scope="session")
def spec() -> Spec | None:
    return Spec(SPEC) if SPEC.exists() else None


@pytest.fixture
def described(spec: Spec | None) -> None:
    if spec is None:
        pytest.skip("the official API description is not here: set HCLOUD_SPEC to its path")


@pytest.fixture
def document(spec: Spec, described: None) -> Any:
    """The official API description, one's own to change."""
    return json.loads(spec.text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A port that nobody listens on, a new one each time."""
    return _free_port


def _serving(spec: Spec | None) -> Iterator[Callable[..., Api]]:
    running: list[Api] = []

    def start(backend: MachineBackend | None = None, balancers: NoBalancers | None = None, **settings: Any) -> Api:
        served = Settings(token=TOKEN, port=_free_port(), **settings)
        api = Api(served, backend or NoMachines(), balancers or NoBalancers(), spec)
        running.append(api)
        return api

    yield start
    for api in running:
        api.leave()


@pytest.fixture
def serve(spec: Spec | None) -> Iterator[Callable[..., Api]]:
    """Serve an API with these settings; all of them end with the test."""
    yield from _serving(spec)


@pytest.fixture(scope="module")
def serve_module(spec: Spec | None) -> Iterator[Callable[..., Api]]:
    """Serve an API with these settings; all of them end with the module."""
    yield from _serving(spec)


@pytest.fixture
def api(serve: Callable[..., Api]) -> Api:
    """An API as it is by default."""
    return serve()


@pytest.fixture
def machines() -> RecordingMachines:
    return RecordingMachines()
