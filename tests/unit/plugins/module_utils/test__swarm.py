# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of an engine where its API alone does not tell, and the arithmetic of a quorum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._swarm import host_of, majority, read

CERTIFICATE = Path(__file__).with_name("swarm-node.crt").read_text(encoding="ascii")
NODE, CLUSTER = "vow180ss7vojwd5haqhirof2l", "jbytluro3r2ftlmpw7p0em3f1"


class Worker:
    """A worker's engine, whose API does not tell the cluster."""

    api_version = "1.41"

    def __init__(self, root: Path, node_id: str, state: str = "active") -> None:
        self.root = root
        self.node_id = node_id
        self.state = state

    def info(self) -> dict[str, Any]:
        local = {"NodeID": self.node_id, "LocalNodeState": self.state, "RemoteManagers": None}
        return {"Name": "server-1", "DockerRootDir": str(self.root), "Swarm": local}


@pytest.mark.parametrize(
    ("certificate", "node_id", "cluster_id"),
    [
        (CERTIFICATE, NODE, CLUSTER),
        (CERTIFICATE, "anothernode", None),
        (CERTIFICATE[: CERTIFICATE.index("-----BEGIN") + 200], NODE, None),
        ("", NODE, None),
        (None, NODE, None),
    ],
    ids=["of this node", "of another node", "cut off", "empty", "missing"],
)
def test_a_worker_knows_its_cluster_by_its_certificate(
    tmp_path: Path, certificate: str | None, node_id: str, cluster_id: str | None
) -> None:
    if certificate is not None:
        (tmp_path / "swarm/certificates").mkdir(parents=True)
        (tmp_path / "swarm/certificates/swarm-node.crt").write_text(certificate, encoding="ascii")
    engine: Any = Worker(tmp_path, node_id)
    assert read(engine).cluster_id == cluster_id


@pytest.mark.parametrize(
    ("state", "files", "admitted"),
    [
        ("error", [], True),
        ("error", ["swarm/docker-state.json"], False),
        ("pending", ["swarm/docker-state.json"], False),
        ("error", ["swarm/docker-state.json", "swarm/certificates/swarm-node.crt"], True),
        ("active", ["swarm/docker-state.json"], True),
        ("locked", ["swarm/docker-state.json"], True),
    ],
)
def test_who_was_never_let_in_has_no_certificate(tmp_path: Path, state: str, files: list[str], admitted: bool) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    engine: Any = Worker(tmp_path, NODE, state)
    assert read(engine).admitted is admitted


@pytest.mark.parametrize(("managers", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 4)])
def test_majority(managers: int, needed: int) -> None:
    assert majority(managers) == needed


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("10.0.0.2:2377", "10.0.0.2"),
        ("10.0.0.2", "10.0.0.2"),
        ("manager.example:2377", "manager.example"),
        ("[fd00::1]:2377", "fd00::1"),
        ("fd00::1", "fd00::1"),
        ("", ""),
    ],
)
def test_host_of(address: str, host: str) -> None:
    assert host_of(address) == host
