# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Schemathesis drives a served API from the official description: no server error, no undocumented answer.

The answers are held against the description as it is. For the requests it is told in addition some values that a
project accepts (ids of what is in it, names of types and locations), or nearly all would be refused at the door.
FUZZ_SECONDS is the time it may take (30), FUZZ_SEED makes another run of it (1).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.api import routes
from lab.api.endpoints import endpoints
from tests.contract.conftest import self_signed

SECONDS = os.environ.get("FUZZ_SECONDS", "30")
SEED = os.environ.get("FUZZ_SEED", "1")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
    "use_after_free",
)
# Schemathesis cannot read how the description puts the pairs of a time series.
UNREADABLE = ("/servers/{id}/metrics", "/load_balancers/{id}/metrics")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1vQy0vTQ0oK7n1oJ2hVhX4m4V9gR0bX0mJm6b8k1aB contract"
PEM = self_signed("example.com")
LABELS = [{}, {"role": "web"}, {"env": "prod", "example.com/tier": ""}]
RULES = [
    [],
    [{"direction": "in", "protocol": "tcp", "port": "80-90", "source_ips": ["0.0.0.0/0", "::/0"]}],
]
# By the name of a request's field.
ACCEPTED: dict[str, list[Any]] = {
    "alias_ips": [[], ["10.0.0.100"]],
    "certificate": [PEM["certificate"]],
    "destination": ["192.168.0.0/24", "10.100.1.0/24"],
    "dns_ptr": ["a.example", None],
    "fingerprint": ["b7:2f:30:a0:2f:6c:58:6c:21:04:58:61:ba:06:3b:2f"],
    "gateway": ["10.0.0.2"],
    "home_location": ["fsn1", "nbg1"],
    "image": ["ubuntu-22.04", "debian-13"],
    "ip": ["198.51.100.2", "10.0.0.50"],
    "ip_range": ["10.0.0.0/16", "10.0.0.0/24", "10.0.7.0/24", "10.0.0.0/8"],
    "iso": ["debian-13-amd64-netinst.iso", "9002"],
    "label_selector": ["role=web", "env in (a,prod),!old"],
    "labels": LABELS,
    "listen_port": [80, 443, 8080],
    "load_balancer_type": ["lb11", "lb21"],
    "location": ["fsn1", "nbg1"],
    "name": ["one", "two", "three"],
    "network_zone": ["eu-central"],
    "private_key": [PEM["private_key"]],
    "public_key": [KEY],
    "rules": RULES,
    "selector": ["role=web", "!old"],
    "server_type": ["cpx22", "cpx32", "cax11"],
    "size": [10, 20, 100],
    "ssh_keys": [[], ["key"]],
    "user_data": ["#cloud-config"],
}
MOMENTS = ["2026-11-01T00:00:00Z", "2026-11-02T00:00:00+01:00"]


@pytest.fixture
def project(serve: Callable[..., Any]) -> tuple[Any, dict[str, list[int]]]:
    """An API with a few of everything, and the ids by what they are called in requests."""
    api = serve(rate_limit=10**9, server_limit=60)
    api.do("POST", "/ssh_keys", {"name": "key", "public_key": KEY})
    ids: dict[str, list[int]] = {"servers": [], "volumes": []}
    ids["networks"] = [api.network()["id"], api.network("apart", "10.9.0.0/16", "10.9.0.0/24")["id"]]
    ids["firewalls"] = [api.do("POST", "/firewalls", {"name": f"wall{n}"})["firewall"]["id"] for n in range(2)]
    group = {"name": "group", "type": "spread"}
    ids["placement_groups"] = [api.do("POST", "/placement_groups", group)["placement_group"]["id"]]
    for number in range(4):
        made = api.do("POST", "/volumes", {"name": f"v{number}", "size": 10, "location": "fsn1"})
        api.wait(made["action"])
        ids["volumes"].append(made["volume"]["id"])
    full = {"networks": ids["networks"], "volumes": ids["volumes"][:1], "placement_group": ids["placement_groups"][0]}
    for number, fields in enumerate((full, {}, {"start_after_create": False}, {"start_after_create": False})):
        ids["servers"].append(api.server(f"s{number}", **fields)["id"])
    for kind, place in (("primary_ips", "location"), ("floating_ips", "home_location")):
        wishes = [{"name": f"i{number}", "type": f"ipv{number}", place: "fsn1"} for number in (4, 6)]
        ids[kind] = [api.do("POST", f"/{kind}", wish)[kind[:-1]]["id"] for wish in wishes]
    ids["certificates"] = [api.do("POST", "/certificates", {"name": "own"} | PEM)["certificate"]["id"]]
    secure = {"protocol": "https", "http": {"certificates": ids["certificates"]}}
    target = {"type": "server", "server": {"id": ids["servers"][0]}}
    balanced = {"network": ids["networks"][0], "services": [secure], "targets": [target]}
    ids["load_balancers"] = []
    for number, fields in enumerate((balanced, {})):
        body = {"name": f"lb{number}", "load_balancer_type": "lb11", "location": "fsn1"} | fields
        made = api.do("POST", "/load_balancers", body)
        api.wait(made["action"])
        ids["load_balancers"].append(made["load_balancer"]["id"])
    made = api.do("POST", f"/servers/{ids['servers'][0]}/actions/create_image", {"description": "image"})
    ids["images"] = [made["image"]["id"]]
    api.wait(
        api.do("POST", f"/floating_ips/{ids['floating_ips'][0]}/actions/assign", {"server": ids["servers"][1]})[
            "action"
        ]
    )
    ids["actions"] = [action["id"] for action in api.wait(*({"id": number} for number in range(99)))]
    return api, ids


def _told(document: dict[str, Any], ids: dict[str, list[int]]) -> dict[str, Any]:
    """The description of what the lab offers, with values to try beside those that it allows anyway."""
    offered = {endpoint.template for endpoint in endpoints("", routes.CLOUD)} - set(UNREADABLE)
    document["paths"] = {path: operations for path, operations in document["paths"].items() if path in offered}
    one = {key.removesuffix("s"): values for key, values in ids.items()}
    accepted = ACCEPTED | one | ids | {"assignee_id": ids["servers"], "action_id": ids["actions"]}
    several = {key: [[], *([value] for value in values)] for key, values in ids.items()}

    def told(schema: dict[str, Any], name: str, path: str) -> dict[str, Any]:
        if name == "id":
            kind = path.split("/")[1]
            values = ids["actions"] if kind == "actions" or "/actions/{id}" in path else ids.get(kind, [])
            return {"enum": [*values, 999999]} if values else schema
        values = several.get(name, ACCEPTED.get(name, [])) if schema.get("type") == "array" else accepted.get(name, [])
        if "properties" in schema:
            inner = {key: told(value, key, path) for key, value in schema["properties"].items()}
            schema = schema | {"properties": inner}
        elif isinstance(schema.get("items"), dict) and not values:
            schema = schema | {"items": told(schema["items"], name, path)}
        return {"anyOf": [{"enum": values}, schema]} if values else schema

    for path, operations in document["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                values = MOMENTS if parameter["name"] in ("start", "end") else None
                schema = parameter["schema"]
                parameter["schema"] = {"enum": values} if values else told(schema, parameter["name"], path)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                content["schema"] = told(content["schema"], "", path)
    return document


@pytest.mark.usefixtures("described")
def test_no_request_gets_an_answer_that_is_not_described(
    project: tuple[Any, dict[str, list[int]]], document: dict[str, Any], tmp_path: Path
) -> None:
    api, ids = project
    description = tmp_path / "described.json"
    description.write_text(json.dumps(_told(document, ids)))
    command = [
        Path(sys.executable).with_name("st"), "run", description, "--url", api.endpoint,
        "--header", f"Authorization: Bearer {api.token}", "--checks", ",".join(CHECKS), "--seed", SEED,
        "--max-time", SECONDS, "--continue-on-failure", "--warnings", "off",
    ]  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_COLOR": "1"}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested is not None, done.stdout
    assert int(tested[1]) > 100, done.stdout
