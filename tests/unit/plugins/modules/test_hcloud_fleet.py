# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hcloud_fleet says before it talks to any API. Its behaviour is tested against the lab in tests/contract."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.triad.hetzner_swarm.plugins.modules import hcloud_fleet

SERVER = {"name": "web-1", "server_type": "cpx22", "image": "ubuntu-22.04", "location": "fsn1"}
NOWHERE = "http://127.0.0.1:1/v1"


def run(capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    with patch_module_args({"api_endpoint": NOWHERE, **arguments}), pytest.raises(SystemExit):
        hcloud_fleet.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HCLOUD_TOKEN", raising=False)
    monkeypatch.delenv("HCLOUD_ENDPOINT", raising=False)


CASES = {
    "no token": ({"servers": [SERVER]}, "There is no API token. Set HCLOUD_TOKEN or hetzner_api_token."),
    "an empty token": (
        {"servers": [SERVER], "api_token": ""},
        "There is no API token. Set HCLOUD_TOKEN or hetzner_api_token.",
    ),
    "one name twice": (
        {"servers": [SERVER, SERVER], "api_token": "token-of-the-tests"},
        "servers: the name web-1 is given to more than one server. Give each server a name of its own.",
    ),
    "one name twice to remove": (
        {"servers": [{"name": "a"}, {"name": "a"}], "api_token": "token-of-the-tests", "state": "absent"},
        "servers: the name a is given to more than one server. Give each server a name of its own.",
    ),
    "a setting that is missing": (
        {"servers": [{**SERVER, "image": None}], "api_token": "token-of-the-tests"},
        "servers[web-1].image is missing. Set it; only state=absent does without.",
    ),
    "a planned network that is none": (
        {
            "servers": [SERVER],
            "api_token": "token-of-the-tests",
            "networks": [{"name": "n", "subnets": ["10.0.0.1/24"]}],
        },
        "networks[n]: 10.0.0.1/24 has host bits set. Write ranges as 10.0.1.0/24.",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), CASES.values(), ids=CASES)
def test_refuses_without_asking_the_cloud(
    capsys: pytest.CaptureFixture[str], arguments: dict[str, Any], message: str
) -> None:
    result = run(capsys, **arguments)
    assert (result["failed"], result["msg"]) == (True, message)


def test_names_the_library_that_is_missing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hcloud_fleet, "HCLOUD_IMPORT_ERROR", "Traceback")
    assert "hcloud >= 2.10" in run(capsys, servers=[SERVER])["msg"]
