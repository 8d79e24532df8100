# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Further versions of images, and a registry that is asked for them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import httpx
import pytest

from tests.acceptance import images
from tests.acceptance.updates import broken

CONFIGURATION: dict[str, Any] = {
    "architecture": "amd64",
    "config": {"Cmd": ["gunicorn"], "Entrypoint": ["init"], "Labels": {"a": "b"}, "User": "nobody"},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:1"]},
}


class Registry:
    """Speaks as much of the protocol as there is to one upload. blobs, manifests: what it has, by digest and tag."""

    def __init__(self) -> None:
        kept = json.dumps(CONFIGURATION).encode()
        digest = f"sha256:{hashlib.sha256(kept).hexdigest()}"
        config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(kept), "digest": digest}
        manifest = {
            "schemaVersion": 2,
            "mediaType": images.MANIFEST,
            "config": config,
            "layers": [{"digest": "sha256:2"}],
        }
        self.blobs = {digest: kept}
        self.manifests = {images.VERSION: json.dumps(manifest).encode()}

    def client(self) -> httpx.Client:
        return httpx.Client(base_url="https://192.0.2.1:5000", transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        kind, name = request.url.path.removeprefix("/v2/voteapp/vote/").split("/", 1)
        match request.method, kind, name:
            case "GET", "manifests", tag if tag in self.manifests and request.headers["Accept"] == images.MANIFEST:
                return httpx.Response(200, content=self.manifests[tag])
            case "GET", "blobs", digest if digest in self.blobs:
                return httpx.Response(200, content=self.blobs[digest])
            case "POST", "blobs", "uploads/":
                where = "https://192.0.2.1:5000/v2/voteapp/vote/blobs/uploads/7?_state=secret"
                return httpx.Response(202, headers={"Location": where})
            case "PUT", "blobs", "uploads/7" if request.url.params["_state"] == "secret":
                digest = request.url.params["digest"]
                if digest != f"sha256:{hashlib.sha256(request.content).hexdigest()}":
                    return httpx.Response(400)
                self.blobs[digest] = request.content
                return httpx.Response(201)
            case "PUT", "manifests", tag if json.loads(request.content)["config"]["digest"] in self.blobs:
                self.manifests[tag] = request.content
                return httpx.Response(201)
        return httpx.Response(404)


def test_the_same_layers_with_another_configuration() -> None:
    registry = Registry()
    with registry.client() as client:
        images.add(client, "vote", "9-next", [])
    old, new = (json.loads(registry.manifests[tag]) for tag in (images.VERSION, "9-next"))
    assert new["layers"] == old["layers"]
    assert new["config"]["digest"] != old["config"]["digest"]
    kept = registry.blobs[new["config"]["digest"]]
    assert new["config"]["size"] == len(kept)
    assert json.loads(kept)["config"]["Labels"] == {"a": "b", images.VERSION_LABEL: "9-next"}


def test_once_more_is_the_same_image() -> None:
    registry = Registry()
    with registry.client() as client:
        images.add(client, "vote", "9-next", [])
        first = registry.manifests["9-next"]
        images.add(client, "vote", "9-next", [])
    assert registry.manifests["9-next"] == first


def test_a_registry_without_the_image_is_told() -> None:
    registry = Registry()
    registry.manifests.clear()
    with registry.client() as client, pytest.raises(httpx.HTTPStatusError):
        images.add(client, "vote", "9-next", [])


@pytest.mark.parametrize("labels", [None, {}, {"a": "b"}])
def test_a_version_changes_nothing_else(labels: dict[str, str] | None) -> None:
    before = {**CONFIGURATION, "config": {**CONFIGURATION["config"], "Labels": labels}}
    after = images.configured(before, "9", [])
    assert after["config"].pop("Labels") == {**(labels or {}), images.VERSION_LABEL: "9"}
    assert after == {**before, "config": {key: value for key, value in before["config"].items() if key != "Labels"}}


def test_another_command_takes_the_place_of_the_program() -> None:
    runs = images.configured(CONFIGURATION, "9", ["sleep", "infinity"])["config"]
    assert (runs["Entrypoint"], runs["Cmd"], runs["User"]) == (None, ["sleep", "infinity"], "nobody")


def test_no_two_broken_versions_of_a_service_have_one_name() -> None:
    cases = [*broken.CASES["nodes"], *broken.CASES["balancer"]]
    named = [(service, case["tag"]) for case in cases for service in case["services"]]
    assert len(named) == len(set(named))
    assert {service for service, _tag in named} == {"vote", "result", "worker", "accounts", "edge", "redis", "db"}
    assert len({case["case"] for case in cases}) == len(cases)


def test_no_version_of_an_image_is_broken_in_two_ways() -> None:
    commands = {
        (image, case["tag"], tuple(case["command"]))
        for case in [*broken.CASES["nodes"], *broken.CASES["balancer"]]
        for image in case.get("images", {}).values() or case["services"]
    }
    assert len({(image, tag) for image, tag, _command in commands}) == len(commands)
