# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_preflight as a module; what it judges by is tested with its judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.modules import swarm_info, swarm_preflight
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_engines import Cluster, Engine

Run = Callable[..., dict[str, Any]]
FIT: dict[str, Any] = {
    "kernel": {"vxlan": True, "ip_vs": True, "esp4": True},
    "host": {
        "interfaces": [{"name": "eth0", "mtu": 1450, "addresses": ["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24"]}],
        "networks": [{"network": "10.0.0.0/24", "interface": "eth0"}],
        "docker_root": "/var/lib/docker",
        "docker_root_free": 2**35,
        "live_restore": False,
    },
}


def hosts(run: Run, cluster: Cluster | None = None) -> list[dict[str, Any]]:
    """Three managers that are fit, as swarm_info tells of them."""
    return [
        {
            "name": f"server-{number}",
            "role": "manager",
            "address": f"10.0.0.{number + 1}",
            "info": {"swarm": run(swarm_info, Engine(f"server-{number}", cluster))["swarm"], **FIT},
        }
        for number in (1, 2, 3)
    ]


@pytest.mark.parametrize("check", [True, False])
def test_fit_hosts_get_a_pool(run: Run, check: bool) -> None:
    result = run(swarm_preflight, None, check=check, hosts=hosts(run), mtu=1450)
    assert (result["changed"], result["findings"], result["default_addr_pool"]) == (False, [], ["10.200.0.0/16"])


def test_a_swarm_keeps_its_pool(run: Run) -> None:
    cluster = Cluster()
    for name in ("server-1", "server-2", "server-3"):
        cluster.add(name, "manager")
    cluster.pool = ["10.128.0.0/10"]
    result = run(swarm_preflight, None, hosts=hosts(run, cluster), mtu=1500, default_addr_pool=["10.0.0.0/8"])
    assert result["default_addr_pool"] == ["10.128.0.0/10"]


def test_each_warning_is_told(run: Run) -> None:
    two = hosts(run)[:2]
    result = run(swarm_preflight, None, hosts=two, mtu=1450)
    assert [finding["severity"] for finding in result["findings"]] == ["warning"]
    assert result["findings"][0]["message"] in str(result["warnings"])


@pytest.mark.parametrize("check", [True, False])
def test_all_errors_come_in_one_message(run: Run, check: bool) -> None:
    options = {"mtu": 1500, "default_addr_pool": ["10.0.0.0/8"], "min_free_bytes": 2**36}
    result = run(swarm_preflight, None, check=check, hosts=hosts(run)[:1], **options)
    lines = result["msg"].splitlines()
    assert (result["failed"], [line[:3] for line in lines]) == (True, ["1. ", "2. ", "3. "])
    assert lines[0] == f"1. {result['findings'][0]['message']}"
    assert [finding["subject"] for finding in result["findings"]] == ["mtu", "default_addr_pool", "disk", "managers"]
    assert "is the only manager" in str(result["warnings"])
