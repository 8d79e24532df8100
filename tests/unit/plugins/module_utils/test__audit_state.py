# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an audit reads, from files of a made-up host and from an engine in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _audit_state
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_engines import refusal

LISTED = """\
-w /etc/docker/ -p rwxa -k docker
-a always,exit -F path=/var/run/docker.sock -F perm=wa -F key=docker
-a always,exit -S all -F dir=/var/lib/docker -F perm=war
-a never,exit -F dir=/var/lib/docker/volumes
No rules
"""
PORTS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0200000A:0949 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0200000A:0016 0300000A:D431 01 00000000:00000000 00:00000000 00000000     0        0 2
   2: 0100007F:0016 00000000:0000 0A
"""
PORTS6 = """\
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:1F0A 00000000000000000000000000000000:0000 07
   1: 0000000000000000FFFF00000200000A:1F90 00000000000000000000000000000000:0000 07
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def write(root: Path, path: str, text: str = "", mode: int = 0o644) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        ([], {}),
        (["-H", "fd://", "--containerd=/run/c.sock"], {"hosts": ["fd://"], "containerd": "/run/c.sock"}),
        (["-Hunix:///a", "--host", "tcp://b", "-D"], {"hosts": ["unix:///a", "tcp://b"], "debug": True}),
        (["--icc=false", "--tlsverify", "--log-level", "warn"], {"icc": False, "tlsverify": True, "log-level": "warn"}),
        (["--storage-opt", "dm.basesize=20G", "-l=debug"], {"storage-opts": ["dm.basesize=20G"], "log-level": "debug"}),
        (["--default-ulimit=nofile=1:2", "stray", "--", "-"], {"default-ulimits": ["nofile=1:2"]}),
    ],
)
def test_flags(arguments: list[str], flags: dict[str, Any]) -> None:
    assert _audit_state.parse_flags(arguments) == flags


def test_the_daemon_s_file_and_flags_are_one(root: Path) -> None:
    write(root, "etc/docker/daemon.json", '{"icc": false, "log-driver": "json-file"}')
    write(root, "proc/30/comm", "bash\n")
    write(root, "proc/200/comm", "dockerd\n")
    write(root, "proc/200/cmdline", "/usr/bin/dockerd\0-H\0fd://\0")
    assert _audit_state.daemon_options(root) == {"icc": False, "log-driver": "json-file", "hosts": ["fd://"]}
    write(root, "proc/200/cmdline", "/usr/bin/dockerd\0--config-file=/etc/other.json\0")
    assert _audit_state.daemon_options(root) == {"config-file": "/etc/other.json"}


@pytest.mark.parametrize(("text", "problem"), [('{"icc": ', "is no JSON: "), ("[]", "is no JSON object")])
def test_a_file_that_cannot_be_understood_is_named(root: Path, text: str, problem: str) -> None:
    write(root, "etc/docker/daemon.json", text)
    with pytest.raises(Refused, match=rf"^/etc/docker/daemon\.json {problem}"):
        _audit_state.daemon_options(root)


def test_files(root: Path) -> None:
    write(root, "lib/systemd/system/docker.service")
    write(root, "etc/systemd/system/docker.service")
    write(root, "etc/systemd/system/docker.service.d/own.conf", mode=0o664)
    write(root, "etc/docker/certs.d/registry/ca.crt", mode=0o444)
    write(root, "etc/docker/certs.d/registry/notes")
    write(root, "etc/tls/key.pem", mode=0o400)
    (root / "srv/docker").mkdir(parents=True)
    (root / "srv/docker").chmod(0o755)
    files = _audit_state.read_files(root, {"tlskey": "/etc/tls/key.pem"}, root / "srv/docker")
    seen = {subject: [(file.path, f"{file.mode:o}") for file in found] for subject, found in files.items() if found}
    assert seen.pop("/etc/docker")
    assert seen == {
        "docker.service": [
            ("/etc/systemd/system/docker.service", "644"),
            ("/etc/systemd/system/docker.service.d/own.conf", "664"),
        ],
        "registry certificates": [("/etc/docker/certs.d/registry/ca.crt", "444")],
        "tlskey": [("/etc/tls/key.pem", "400")],
        "/var/lib/docker": [("/srv/docker", "755")],
    }


@pytest.mark.parametrize(("user", "owner"), [(0, "root:root"), (4_000_000, "4000000:4000000")])
def test_owners_have_names_where_they_have_one(
    root: Path, monkeypatch: pytest.MonkeyPatch, user: int, owner: str
) -> None:
    owned = os.stat_result((0o100644, 1, 1, 1, user, user, 0, 0, 0, 0))
    monkeypatch.setattr(Path, "stat", lambda *_args, **_kwargs: owned)
    files = _audit_state.read_files(root, {}, root)
    assert [(file.owner, file.mode) for file in files["/etc/default/docker"]] == [(owner, 0o644)]


def test_rules() -> None:
    watches = _audit_state.parse_rules(LISTED, "loaded")
    covered = ("/etc/docker", "/etc/docker/daemon.json", "/run/docker.sock", "/var/lib/docker", "/var/lib/docker/swarm")
    assert [path for path in (*covered, "/etc/docker2", "/run", "/etc") if watches.cover(path)] == list(covered)


def test_rules_are_those_loaded_or_else_those_written(root: Path) -> None:
    write(root, "etc/audit/rules.d/docker.rules", "# -w /etc\n-w /usr/bin/dockerd -k docker\n-w 'open\n")
    assert _audit_state.read_watches(root, "-w /etc -p w", auditd=True).trees == ("/etc",)
    written = _audit_state.read_watches(root, None, auditd=True)
    assert (written.source, written.trees) == ("files", ("/usr/bin/dockerd",))
    assert _audit_state.read_watches(root, None, auditd=False).source == "none"


def test_group_members_are_those_listed_and_those_whose_primary_group_it_is(root: Path) -> None:
    write(root, "etc/group", "root:x:0:\ndocker:x:998:carl,bert\n")
    write(root, "etc/passwd", "root:x:0:0::/root:/bin/sh\nanna:x:1000:998::/home/anna:/bin/sh\n")
    assert _audit_state.group_members(root, "docker") == ("anna", "bert", "carl")
    assert _audit_state.group_members(root, "podman") == ()


def test_listeners(root: Path) -> None:
    write(root, "proc/net/tcp", PORTS)
    write(root, "proc/net/udp6", PORTS6)
    assert _audit_state.listeners(root) == (
        (22, "127.0.0.1"),
        (2377, "10.0.0.2"),
        (7946, "::"),
        (8080, "::ffff:10.0.0.2"),
    )


def test_mount_points(root: Path) -> None:
    write(root, "proc/self/mountinfo", "1 2 8:1 / / rw - ext4 /dev/sda1 rw\n3 1 8:2 / /var/lib/docker rw - ext4 d rw\n")
    assert _audit_state.mount_points(root) == {"/", "/var/lib/docker"}


def test_swarm_addresses(root: Path) -> None:
    assert _audit_state.swarm_addresses(root) == {}
    write(root, "swarm/docker-state.json", '{"ListenAddr": "10.0.0.2:2377", "DataPathAddr": "", "JoinAddr": "x"}')
    assert _audit_state.swarm_addresses(root) == {
        "ListenAddr": "10.0.0.2:2377",
        "AdvertiseAddr": "",
        "DataPathAddr": "",
    }


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        (None, ()),
        (["POSTGRES_PASSWORD=x", "API_KEY=y", "PATH=/bin"], ("API_KEY", "POSTGRES_PASSWORD")),
        (["POSTGRES_PASSWORD_FILE=/run/secrets/p", "GPG_KEY=1", "TOKEN=", "SECRET"], ()),
    ],
)
def test_variables_that_seem_to_hold_secrets(environment: list[str] | None, names: tuple[str, ...]) -> None:
    assert _audit_state.secret_variables(environment) == names


SERVICE = {"com.docker.swarm.service.name": "voteapp_vote"}
INSPECTED: dict[str, Any] = {
    "Id": "c1",
    "Name": "/voteapp_vote.1.xyz",
    "State": {"Pid": 70, "Health": {"Status": "healthy"}},
    "AppArmorProfile": "docker-default",
    "ProcessLabel": "",
    "Mounts": [
        {"Type": "volume", "Source": "/var/lib/docker/volumes/x", "RW": True, "Propagation": ""},
        {"Type": "bind", "Source": "/etc/localtime", "RW": False, "Propagation": "rprivate"},
    ],
    "Config": {
        "Image": "vote:1@sha256:aa",
        "User": "nobody",
        "Labels": SERVICE,
        "Env": ["DB_PASSWORD=hunter2", "OPTION_A=Cats"],
        "Cmd": ["serve", "--token", "hunter2"],
    },
    "HostConfig": {
        "CapAdd": ["CAP_NET_ADMIN"],
        "CapDrop": ["all"],
        "NetworkMode": "app",
        "IpcMode": "private",
        "Memory": 1000,
        "NanoCpus": 5,
        "CpuShares": 0,
        "PidsLimit": None,
        "ReadonlyRootfs": True,
        "RestartPolicy": {"Name": "", "MaximumRetryCount": 0},
    },
    "NetworkSettings": {
        "Ports": {"80/tcp": [{"HostIp": "192.0.2.1", "HostPort": "8080"}], "81/tcp": None},
        "Networks": {"app": {}, "edge": {}},
    },
}
BUILT = [
    {"CreatedBy": 'CMD ["serve"]'},
    {"CreatedBy": "|1 KEY=hunter2 /bin/sh -c apt-get -q update # buildkit"},
    {"CreatedBy": "/bin/sh -c apt-get update && apt-get install -y x"},
    {"CreatedBy": "/bin/sh -c #(nop) ADD file:1 in / "},
]
GOOD = [{"CreatedBy": "COPY . /srv # buildkit"}, {"CreatedBy": "ADD rootfs.tar.xz / # buildkit"}]


class Engine:
    """An engine as the SDK's client shows it, with two containers and two images; what is not listed is gone."""

    def __init__(self) -> None:
        self.ps: Any = [["70", "0", "vote"], ["71", "65534", "vote"]]

    def info(self) -> dict[str, Any]:
        return {"Name": "server-1", "DockerRootDir": "/srv/docker"}

    def networks(self) -> list[dict[str, Any]]:
        return [{"Name": "bridge", "Driver": "bridge"}]

    def containers(self, all: bool) -> list[dict[str, Any]]:  # noqa: A002
        image = {"ImageID": "sha256:1", "Image": "vote:1@sha256:aa"}
        return [
            {"Id": name, "State": state, **image}
            for name, state in (("c1", "running"), ("gone", "running"), ("c2", "exited"))
        ]

    def inspect_container(self, container: str) -> dict[str, Any]:
        if container == "gone":
            raise refusal("No such container: gone", 404)
        if container == "broken":
            raise refusal("disk on fire", 500)
        return INSPECTED

    def top(self, container: str, ps_args: str) -> dict[str, Any]:
        assert "args" not in ps_args
        if isinstance(self.ps, Exception):
            raise self.ps
        return {"Titles": ["PID", "UID", "COMMAND"], "Processes": self.ps}

    def images(self) -> list[dict[str, Any]]:
        return [
            {"Id": "sha256:1", "RepoTags": ["vote:1"], "RepoDigests": ["vote@sha256:aa"]},
            {"Id": "sha256:2", "RepoTags": ["<none>:<none>"], "RepoDigests": [f"old@sha256:{'b' * 64}"]},
            {"Id": f"sha256:{'c' * 64}", "RepoTags": None, "RepoDigests": None},
            {"Id": "gone"},
        ]

    def inspect_image(self, image: str) -> dict[str, Any]:
        if image == "gone":
            raise refusal("No such image: gone", 404)
        if image == "sha256:1":
            return {"Config": {"Healthcheck": {"Test": ["CMD", "check"]}, "Env": ["API_KEY=hunter2"]}}
        return {"Config": None} if image == "sha256:2" else {"Config": {"Healthcheck": {"Test": ["NONE"]}}}

    def history(self, image: str) -> list[dict[str, Any]]:
        return BUILT if image == "sha256:1" else GOOD


def test_the_whole_state(root: Path) -> None:
    write(root, "sys/module/apparmor/parameters/enabled", "Y\n")
    write(root, "etc/environment", 'LANG=C\nDOCKER_CONTENT_TRUST="1"\n')
    os.utime(write(root, "srv/docker/swarm/certificates/swarm-root-ca.crt"), (1_700_000_000, 1_700_000_000))
    state = _audit_state.read(Engine(), None, auditd=False, root=root)
    assert (state.apparmor_kernel, state.content_trust, state.root_certificate) == (True, True, "2023-11-14")
    assert ([container.name for container in state.containers], state.stopped) == (["voteapp_vote"], 1)
    assert [(image.name, image.used) for image in state.images] == [
        ("vote:1", True),
        (f"old@{'b' * 12}", False),
        ("c" * 12, False),
    ]
    assert "hunter2" not in repr(state)


def test_a_container() -> None:
    (container,) = _audit_state.read_container(Engine(), "c1")
    assert container == _audit_state.Container(
        name="voteapp_vote",
        image="vote:1@sha256:aa",
        uid=0,
        user="nobody",
        processes=("vote", "vote"),
        apparmor="docker-default",
        cap_add=("NET_ADMIN",),
        cap_drop=("ALL",),
        mounts=(("", True, ""), ("/etc/localtime", False, "rprivate")),
        ports=(("192.0.2.1", 8080),),
        network_mode="app",
        networks=("app", "edge"),
        ipc="private",
        memory=1000,
        cpu=True,
        read_only=True,
        health=True,
        secret_variables=("DB_PASSWORD",),
    )


@pytest.mark.parametrize("trouble", [refusal('exec: "ps": executable file not found', 500), [["no number"]]])
def test_processes_that_cannot_be_listed_are_not_known(trouble: Any) -> None:
    engine = Engine()
    engine.ps = trouble
    (container,) = _audit_state.read_container(engine, "c1")
    assert (container.uid, container.processes) == (None, None)


def test_an_error_is_not_taken_for_a_container_that_is_gone() -> None:
    with pytest.raises(EngineError, match="Cannot inspect a container: disk on fire"):
        _audit_state.read_container(Engine(), "broken")


def test_images_are_judged_by_how_they_were_built() -> None:
    engine = Engine()
    images = _audit_state.read_images(engine, engine.containers(all=True))
    seen = [(image.healthcheck, image.update_alone, image.adds, image.secret_variables) for image in images]
    assert seen == [(True, True, False, ("API_KEY",)), (False, False, False, ()), (False, False, False, ())]
