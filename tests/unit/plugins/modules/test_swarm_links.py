# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_links as a module. What goes over the wire is tested in tests/lab/test_links.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _links
from ansible_collections.triad.hetzner_swarm.plugins.modules import swarm_links

Run = Callable[..., dict[str, Any]]
ME: dict[str, Any] = {"address": "10.0.0.2", "manager": True, "mtu": 1450}
PEERS = [
    {"name": "server-1", "address": "10.0.0.2", "manager": True},
    {"name": "server-2", "address": "10.0.0.3", "manager": True},
    {"name": "server-3", "address": "10.0.0.4", "manager": False},
]


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that sends and hears nothing."""

    def run(probing: _links.Probing, _timeout: float) -> list[dict[str, Any]]:
        return [link.report() for link in probing.links.values()]

    monkeypatch.setattr(_links.Probing, "run", run)


@pytest.mark.usefixtures("unheard")
@pytest.mark.parametrize("check", [True, False])
def test_one_link_to_each_of_the_others(run: Run, check: bool) -> None:
    result = run(swarm_links, None, check=check, peers=PEERS, **ME)
    assert result["changed"] is False
    assert [(link["peer"], link["reached"]) for link in result["links"]] == [
        ("server-2", {"tcp_2377": False, "tcp_7946": False}),
        ("server-3", {"tcp_2377": None, "tcp_7946": False}),
    ]
    assert result["links"][0]["heard"] == {"udp_7946": False, "udp_4789": False, "mtu": False}


@pytest.mark.usefixtures("unheard")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address": "eth0"}, "The address of this host is eth0, which is no IP address"),
        ({"peers": [{**PEERS[1], "address": ""}]}, "The address of server-2 is , which is no IP address"),
        ({"peers": [{**PEERS[1], "address": "fd00::3"}]}, "fd00::3 of server-2 are not of the same IP version"),
        ({"peers": [PEERS[1], {**PEERS[2], "address": "10.0.0.3"}]}, "server-2 and server-3 both have the address"),
        ({"mtu": 500}, "mtu is 500 and must be from 576"),
    ],
)
def test_what_cannot_be_probed_is_refused(run: Run, options: dict[str, Any], message: str) -> None:
    result = run(swarm_links, None, **{**ME, "peers": PEERS, **options})
    assert (result["failed"], message in result["msg"]) == (True, True), result["msg"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(1, "Operation not permitted"), "run the task with become"),
        (OSError(97, "Address family not supported"), "from 10.0.0.2: Address family not supported."),
    ],
)
def test_a_host_that_does_not_let_us(run: Run, monkeypatch: pytest.MonkeyPatch, error: OSError, message: str) -> None:
    def fail(_probing: _links.Probing, _timeout: float) -> None:
        raise error

    monkeypatch.setattr(_links.Probing, "run", fail)
    result = run(swarm_links, None, peers=PEERS, **ME)
    assert (result["failed"], message in result["msg"]) == (True, True), result["msg"]
