# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an audit of a node looks at, read once. No value of a variable, argument or secret gets into it.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

import grp
import json
import pwd
import re
import shlex
import socket
import stat
import struct
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError, engine_errors
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from docker import APIClient

SERVICE_LABEL = "com.docker.swarm.service.name"
DAEMON_FILE = "etc/docker/daemon.json"

UNIT_FOLDERS = ("etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
"""Where systemd looks for units, what comes first wins."""

PATHS = (
    "/etc/containerd/config.toml",
    "/etc/default/docker",
    "/etc/docker",
    "/etc/docker/daemon.json",
    "/etc/sysconfig/docker",
    "/run/containerd",
    "/run/containerd/containerd.sock",
    "/run/docker.sock",
    "/usr/bin/containerd",
    "/usr/bin/containerd-shim",
    "/usr/bin/containerd-shim-runc-v1",
    "/usr/bin/containerd-shim-runc-v2",
    "/usr/bin/dockerd",
    "/usr/bin/runc",
)

SHORT_FLAGS = {
    "D": "debug",
    "G": "group",
    "H": "hosts",
    "l": "log-level",
    "p": "pidfile",
    "s": "storage-driver",
}
LIST_FLAGS = {
    "authorization-plugin": "authorization-plugins",
    "default-ulimit": "default-ulimits",
    "host": "hosts",
    "hosts": "hosts",
    "insecure-registry": "insecure-registries",
    "log-opt": "log-opts",
    "storage-opt": "storage-opts",
}
"""Flags that may be given several times, by what daemon.json calls them."""

SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|(PRIVATE|API|ACCESS)_?KEY", re.IGNORECASE)
PACKAGE_UPDATE = re.compile(r"\b(apt-get|apt|yum|dnf|apk|zypper)\b[^&;|]*\b(update|refresh)\b")
PACKAGE_INSTALL = re.compile(r"\b(install|add|upgrade|dist-upgrade)\b")
ADD_INSTRUCTION = re.compile(r"^(/bin/sh -c #\(nop\)\s+)?ADD\s")


@dataclass(frozen=True)
class File:
    """A file, folder or socket. owner: "user:group". mode: the permission bits."""

    path: str
    owner: str
    mode: int


@dataclass(frozen=True)
class Watches:
    """What auditd watches. source: loaded, files (where the kernel could not be asked) or none (no auditd).

    trees: paths watched with all below them. paths: watched alone.
    """

    source: str = "none"
    trees: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def cover(self, path: str) -> bool:
        return path in self.paths or any(path == tree or path.startswith(f"{tree}/") for tree in self.trees)


@dataclass(frozen=True)
class Container:
    """A running container. name: of its service, else its own. uid: of its main process, None where not known.

    cpu: whether its processor time is limited or weighted. ports: (host address, host port). restart: policy and most
    retries. mounts: (source on the host, writable, propagation), bind mounts only for a source. secret_variables: names
    of variables that seem to hold a secret. processes: names of programs, None where not known.
    """

    name: str
    image: str = ""
    uid: int | None = None
    user: str = ""
    processes: tuple[str, ...] | None = None
    apparmor: str = ""
    selinux: str = ""
    security: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    mounts: tuple[tuple[str, bool, str], ...] = ()
    ports: tuple[tuple[str, int], ...] = ()
    network_mode: str = ""
    networks: tuple[str, ...] = ()
    pid: str = ""
    ipc: str = ""
    uts: str = ""
    userns: str = ""
    cgroup_parent: str = ""
    memory: int = 0
    cpu: bool = False
    pids: int = 0
    read_only: bool = False
    restart: tuple[str, int] = ("", 0)
    devices: bool = False
    ulimits: bool = False
    health: bool = False
    secret_variables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Image:
    """An image. used: whether a container, running or not, is made of it. adds: whether built with ADD."""

    name: str
    used: bool = True
    healthcheck: bool = True
    update_alone: bool = False
    adds: bool = False
    secret_variables: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """All that is judged.

    info: as the engine's API gives it. options: of the daemon, by the names of daemon.json, flags included. files: by
    subject (a path, a unit, or what is in _audit_points.NAMES); a subject without files has none. listeners:
    (port, address). addresses: of Swarm as this node keeps them, by ListenAddr, AdvertiseAddr and DataPathAddr.
    """

    info: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Sequence[File]] = field(default_factory=dict)
    watches: Watches = field(default_factory=Watches)
    docker_group: tuple[str, ...] = ()
    mount_points: frozenset[str] = frozenset()
    apparmor_kernel: bool = False
    content_trust: bool = False
    listeners: tuple[tuple[int, str], ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    root_certificate: str | None = None
    networks: Sequence[Mapping[str, Any]] = ()
    containers: Sequence[Container] = ()
    stopped: int = 0
    images: Sequence[Image] = ()


def read(api: APIClient, rules: str | None, auditd: bool, root: Path = Path("/")) -> State:
    """The state of this node. rules: what auditctl lists, None where it could not. auditd: whether auditctl is there.

    Raises Refused where daemon.json cannot be understood.
    """
    with engine_errors("read the engine's state"):
        info = api.info()
    with engine_errors("list the networks"):
        networks = api.networks()
    with engine_errors("list the containers"):
        listed = api.containers(all=True)
    data = root / info["DockerRootDir"].lstrip("/")
    options = daemon_options(root)
    running = [item["Id"] for item in listed if item["State"] == "running"]
    return State(
        info=info,
        options=options,
        files=read_files(root, options, data),
        watches=read_watches(root, rules, auditd),
        docker_group=group_members(root, "docker"),
        mount_points=mount_points(root),
        apparmor_kernel=_text(root / "sys/module/apparmor/parameters/enabled").startswith("Y"),
        content_trust=bool(re.search(r"^\s*DOCKER_CONTENT_TRUST=.?1", _text(root / "etc/environment"), re.MULTILINE)),
        listeners=listeners(root),
        addresses=swarm_addresses(data),
        root_certificate=_date(data / "swarm/certificates/swarm-root-ca.crt"),
        networks=networks,
        containers=[container for container_id in running for container in read_container(api, container_id)],
        stopped=len(listed) - len(running),
        images=read_images(api, listed),
    )


def daemon_options(root: Path) -> dict[str, Any]:
    """The daemon's options by the names of daemon.json; the daemon itself refuses one that is given in both places."""
    flags = parse_flags(_command_line(root))
    path = root / str(flags.get("config-file", DAEMON_FILE)).lstrip("/")
    text = _text(path)
    try:
        options = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise Refused(f"/{path.relative_to(root)} is no JSON: {error}. Correct it, then run this again.") from error
    if not isinstance(options, dict):
        raise Refused(f"/{path.relative_to(root)} is no JSON object. Correct it, then run this again.")
    return {**options, **flags}


def parse_flags(arguments: Sequence[str]) -> dict[str, Any]:
    """The flags of a dockerd command line, without the program."""
    flags: dict[str, Any] = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        if not word.startswith("-") or not word.strip("-"):
            continue
        name, has_value, value = word.lstrip("-").partition("=")
        if not word.startswith("--"):
            name, value, has_value = SHORT_FLAGS.get(name[0], name[0]), value or name[1:], has_value or name[1:]
        if not has_value and words and not words[0].startswith("-"):
            value, has_value = words.pop(0), "="
        if name in LIST_FLAGS:
            flags.setdefault(LIST_FLAGS[name], []).append(value)
        else:
            flags[name] = {"true": True, "false": False}.get(value, value) if has_value else True
    return flags


def read_files(root: Path, options: Mapping[str, Any], data: Path) -> dict[str, list[File]]:
    """By subject, the files that are there. data: the engine's data directory, wherever it is."""
    files = {path: [root / path.lstrip("/")] for path in PATHS}
    files["/var/lib/docker"] = [data]
    for unit in ("docker.service", "docker.socket"):
        found = [root / folder / unit for folder in UNIT_FOLDERS if (root / folder / unit).is_file()][:1]
        files[unit] = found + sorted((root / UNIT_FOLDERS[0] / f"{unit}.d").glob("*.conf"))
    files["registry certificates"] = [
        path for path in sorted((root / "etc/docker/certs.d").glob("*/*")) if path.suffix in (".crt", ".cert", ".key")
    ]
    for option in ("tlscacert", "tlscert", "tlskey"):
        files[option] = [root / str(options[option]).lstrip("/")] if options.get(option) else []
    return {subject: [file for path in paths for file in _file(root, path)] for subject, paths in files.items()}


def read_watches(root: Path, rules: str | None, auditd: bool) -> Watches:
    if not auditd:
        return Watches()
    if rules is not None:
        return parse_rules(rules, "loaded")
    texts = [_text(path) for path in sorted((root / "etc/audit/rules.d").glob("*.rules"))]
    return parse_rules("\n".join(texts), "files")


def parse_rules(text: str, source: str) -> Watches:
    """Rules as auditctl lists them or as they are written in its files."""
    trees: list[str] = []
    paths: list[str] = []
    for line in text.splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        if any(word.startswith("never") or word.endswith(",never") for word in words):
            continue
        for flag, value in pairwise(words):
            key, _equals, path = value.partition("=")
            if flag == "-w":
                trees.append(value)
            elif flag == "-F" and key in ("dir", "path"):
                (trees if key == "dir" else paths).append(path)
    return Watches(source, tuple(map(_plain, trees)), tuple(map(_plain, paths)))


def group_members(root: Path, name: str) -> tuple[str, ...]:
    """Users in a group: those it lists. A user whose primary group it is shows too."""
    for line in _text(root / "etc/group").splitlines():
        fields = line.split(":")
        if fields[0] == name and len(fields) > 3:
            users = [entry.split(":") for entry in _text(root / "etc/passwd").splitlines()]
            primary = {user[0] for user in users if len(user) > 3 and user[3] == fields[2]}
            return tuple(sorted(primary | {member for member in fields[3].split(",") if member}))
    return ()


def mount_points(root: Path) -> frozenset[str]:
    lines = _text(root / "proc/self/mountinfo").splitlines()
    return frozenset(line.split()[4] for line in lines if len(line.split()) > 4)


def listeners(root: Path) -> tuple[tuple[int, str], ...]:
    """What listens on TCP, and what is bound on UDP, as (port, address)."""
    found = set()
    for table, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in _text(root / "proc/net" / table).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == state:
                address, _colon, port = fields[1].partition(":")
                found.add((int(port, 16), _address(address)))
    return tuple(sorted(found))


def swarm_addresses(data: Path) -> dict[str, str]:
    """The addresses that this node keeps for its next start; empty where it is in no swarm."""
    try:
        kept = json.loads(_text(data / "swarm/docker-state.json") or "{}")
    except ValueError:
        return {}
    return {key: str(kept.get(key) or "") for key in ("ListenAddr", "AdvertiseAddr", "DataPathAddr") if kept}


def read_container(api: APIClient, container_id: str) -> list[Container]:
    """The container; none where it is gone meanwhile."""
    try:
        with engine_errors("inspect a container"):
            item = api.inspect_container(container_id)
    except EngineError as error:
        if error.status == 404:
            return []
        raise
    return [container_from_api(item, _processes(api, container_id))]


def container_from_api(item: Mapping[str, Any], processes: Sequence[tuple[int, int, str]] | None) -> Container:
    """processes: (process ID, user ID, program), None where not known."""
    host, config, network = item["HostConfig"], item["Config"], item.get("NetworkSettings") or {}
    labels = config.get("Labels") or {}
    bound = [binding for bindings in (network.get("Ports") or {}).values() for binding in bindings or ()]
    restart = host.get("RestartPolicy") or {}
    main = [uid for pid, uid, _name in processes or () if pid == item["State"].get("Pid")]
    return Container(
        name=labels.get(SERVICE_LABEL) or item["Name"].lstrip("/"),
        image=config.get("Image") or "",
        uid=main[0] if main else None,
        user=config.get("User") or "",
        processes=None if processes is None else tuple(name for _pid, _uid, name in processes),
        apparmor=item.get("AppArmorProfile") or "",
        selinux=item.get("ProcessLabel") or "",
        security=tuple(host.get("SecurityOpt") or ()),
        cap_add=_capabilities(host.get("CapAdd")),
        cap_drop=_capabilities(host.get("CapDrop")),
        privileged=bool(host.get("Privileged")),
        mounts=tuple(
            (
                mount.get("Source", "") if mount.get("Type") == "bind" else "",
                mount.get("RW", True),
                mount.get("Propagation", ""),
            )
            for mount in item.get("Mounts") or ()
        ),
        ports=tuple((binding.get("HostIp", ""), int(binding["HostPort"])) for binding in bound if binding["HostPort"]),
        network_mode=host.get("NetworkMode") or "",
        networks=tuple(sorted(network.get("Networks") or ())),
        pid=host.get("PidMode") or "",
        ipc=host.get("IpcMode") or "",
        uts=host.get("UTSMode") or "",
        userns=host.get("UsernsMode") or "",
        cgroup_parent=host.get("CgroupParent") or "",
        memory=host.get("Memory") or 0,
        cpu=host.get("CpuShares") not in (None, 0, 1024) or bool(host.get("NanoCpus") or host.get("CpuQuota")),
        pids=host.get("PidsLimit") or 0,
        read_only=bool(host.get("ReadonlyRootfs")),
        restart=(restart.get("Name") or "", restart.get("MaximumRetryCount") or 0),
        devices=bool(host.get("Devices")),
        ulimits=bool(host.get("Ulimits")),
        health=bool(item["State"].get("Health")),
        secret_variables=secret_variables(config.get("Env")),
    )


def secret_variables(environment: Iterable[str] | None) -> tuple[str, ...]:
    """Names of variables that seem to hold a secret themselves, not the path of a file with it."""
    pairs = [variable.partition("=") for variable in environment or ()]
    names = {name for name, _equals, value in pairs if value and SECRET_NAME.search(name)}
    return tuple(sorted(name for name in names if not name.upper().endswith("_FILE")))


def read_images(api: APIClient, containers: Sequence[Mapping[str, Any]]) -> list[Image]:
    with engine_errors("list the images"):
        listed = api.images()
    used = {item.get("ImageID", "") for item in containers}
    used |= {item.get("Image", "").partition("@")[2] for item in containers} - {""}
    return [image for item in listed for image in _image(api, item, used)]


def _image(api: APIClient, item: Mapping[str, Any], used: set[str]) -> Iterator[Image]:
    """The image; none where it is gone meanwhile."""
    try:
        with engine_errors("inspect an image"):
            config = api.inspect_image(item["Id"]).get("Config") or {}
            history = [entry.get("CreatedBy") or "" for entry in api.history(item["Id"])]
    except EngineError as error:
        if error.status != 404:
            raise
        return
    digests = {digest.partition("@")[2] for digest in item.get("RepoDigests") or ()}
    yield Image(
        name=_image_name(item),
        used=item["Id"] in used or bool(digests & used),
        healthcheck=(config.get("Healthcheck") or {}).get("Test", ["NONE"])[:1] != ["NONE"],
        update_alone=any(PACKAGE_UPDATE.search(line) and not PACKAGE_INSTALL.search(line) for line in history),
        # What comes last is the oldest layer: a base image's root file system cannot come otherwise.
        adds=any(ADD_INSTRUCTION.match(line) for line in history[:-1]),
        secret_variables=secret_variables(config.get("Env")),
    )


def _image_name(item: Mapping[str, Any]) -> str:
    named = [name for name in item.get("RepoTags") or () if "<none>" not in name]
    if named:
        return str(named[0])
    for digest in item.get("RepoDigests") or ():
        repository, _at, checksum = digest.partition("@sha256:")
        return f"{repository}@{checksum[:12]}"
    return str(item["Id"]).removeprefix("sha256:")[:12]


def _processes(api: APIClient, container_id: str) -> list[tuple[int, int, str]] | None:
    """Process ID, user ID and program of what runs in a container; None where that cannot be had, as without ps."""
    try:
        with engine_errors("list the processes of a container"):
            rows = api.top(container_id, ps_args="-eo pid,uid,comm")["Processes"] or ()
        return [(int(row[0]), int(row[1]), row[2]) for row in rows]
    except (EngineError, ValueError, IndexError):
        return None


def _capabilities(names: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(sorted(name.upper().removeprefix("CAP_") for name in names or ()))


def _command_line(root: Path) -> list[str]:
    """The arguments of the daemon that runs; none where it cannot be found."""
    processes = sorted(int(path.name) for path in (root / "proc").glob("[0-9]*") if path.name.isdecimal())
    for number in processes:
        if _text(root / f"proc/{number}/comm").strip() == "dockerd":
            return _text(root / f"proc/{number}/cmdline").rstrip("\0").split("\0")[1:]
    return []


def _file(root: Path, path: Path) -> Iterator[File]:
    """The file that a path leads to; none where there is none."""
    try:
        found = path.stat()
    except OSError:
        return
    mode = stat.S_IMODE(found.st_mode)
    yield File(f"/{path.relative_to(root)}", f"{_user(found.st_uid)}:{_group(found.st_gid)}", mode)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _plain(path: str) -> str:
    """A path of a rule, as the subjects are written."""
    path = path.rstrip("/") or "/"
    return path.removeprefix("/var") if path.startswith("/var/run/") else path


def _address(text: str) -> str:
    """An address as the kernel's tables write it: 32-bit words in the machine's byte order."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)


def _text(path: Path) -> str:
    """A file's text; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _date(path: Path) -> str | None:
    """The day a file was last written; None where there is none."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, tz=timezone.utc).date().isoformat()
    except OSError:
        return None
