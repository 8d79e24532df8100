# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judgement of a node by the points of the CIS Docker Benchmark.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._audit_points import (
    AUDITED,
    FILE_RULES,
    POINTS,
    FileRule,
    Point,
    name_of,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._ingress import ENCRYPTED
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._swarm import host_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._audit_state import Container, Image, State

STATUSES = ("pass", "fail", "accepted", "manual", "not_applicable")

DEFAULT_CAPABILITIES = frozenset(
    {
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW"),
        *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    }
)
SYSTEM_FOLDERS = ("/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sys", "/usr")
SOCKET_SOURCES = frozenset({"/", "/run", "/var/run", "/run/docker.sock", "/var/run/docker.sock"})
EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what is looked for
LOOPBACK = frozenset({"127.0.0.0/8", "::1/128"})
REMOTE_LOG_DRIVERS = frozenset({"awslogs", "fluentd", "gcplogs", "gelf", "splunk"})
FORWARDING_LOG_DRIVERS = frozenset({"journald", "syslog"})
GOSSIP_PORT = 7946
NODE_CERTIFICATE_DAYS = 90
"""What Swarm does unless told otherwise, and the most that passes."""


@dataclass(frozen=True)
class Verdict:
    """status: one of STATUSES but accepted. found: what was seen. reason: why the point does not apply."""

    status: str
    found: str = ""
    reason: str = ""


Judge = Callable[["State"], Verdict]

passes = partial(Verdict, "pass")
fails = partial(Verdict, "fail")
person = partial(Verdict, "manual")


def beside_the_point(reason: str) -> Verdict:
    return Verdict("not_applicable", "", reason)


def decisions(option: Mapping[str, Any]) -> dict[str, str]:
    """The option accepted. Raises Refused for what is no point, or comes without a reason."""
    unknown = sorted(set(option) - {point.id for point in POINTS})
    if unknown:
        raise Refused(
            f"accepted names {', '.join(unknown)}, which is no point of the benchmark (as in 1.6 and 1.7). Write the "
            'number in quotes, as "2.10".'
        )
    bare = sorted(number for number, reason in option.items() if not str(reason or "").strip())
    if bare:
        raise Refused(f"accepted gives no reason for {', '.join(bare)}: write down why the deviation is accepted.")
    return {number: str(reason).strip() for number, reason in option.items()}


def judge(state: State, accepted: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every point of the benchmark, judged. accepted: reasons by point, as from decisions."""
    return [_report(point, JUDGES[point.id](state), accepted.get(point.id)) for point in POINTS]


def counts(points: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many points have each status."""
    statuses = [point["status"] for point in points]
    return {status: statuses.count(status) for status in STATUSES}


def failures(points: Iterable[Mapping[str, Any]]) -> list[str]:
    """What fails, a line each, for people."""
    return [
        f"{point['id']} {point['title']}: {point['found']}. {point['remedy']}"
        for point in points
        if point["status"] == "fail"
    ]


def _report(point: Point, verdict: Verdict, decision: str | None) -> dict[str, Any]:
    accepted = verdict.status == "fail" and decision is not None
    status = "accepted" if accepted else verdict.status
    return {
        "id": point.id,
        "section": point.section,
        "title": point.title,
        "level": point.level,
        "status": status,
        "found": verdict.found,
        "reason": decision if accepted else verdict.reason,
        "remedy": point.remedy if status in ("fail", "accepted", "manual") else "",
    }


def _grouped(findings: Iterable[tuple[str, str]]) -> str:
    """(name, what is wrong with it), as one line; empty where nothing is."""
    names: dict[str, set[str]] = {}
    for name, wrong in findings:
        if wrong:
            names.setdefault(wrong, set()).add(name)
    return "; ".join(f"{wrong}: {', '.join(sorted(names[wrong]))}" for wrong in sorted(names))


def _absent(subject: str) -> Verdict:
    return beside_the_point(f"There is no {name_of(subject).removeprefix('the ')} here.")


def _when(wrong: bool, text: str) -> str:
    return text if wrong else ""


# Host


def _data_partition(state: State) -> Verdict:
    data = state.info["DockerRootDir"]
    if "userns" in _security(state):
        data = str(PurePosixPath(data).parent)
    if data in state.mount_points:
        return passes(f"{data} is a mount point")
    return fails(f"{data} is on the same file system as what is around it")


def _trusted_users(state: State) -> Verdict:
    if not state.docker_group:
        return passes("no user is in the group docker")
    return person(f"in the group docker: {', '.join(state.docker_group)}")


def _watched(subject: str, state: State) -> Verdict:
    files = state.files.get(subject, ())
    if not files:
        return _absent(subject)
    if state.watches.source == "none":
        return fails("auditd is not installed")
    bare = [file.path for file in files if not state.watches.cover(file.path)]
    if bare:
        return fails(f"no rule watches {', '.join(bare)}")
    if state.watches.source == "files":
        return person("a rule is written in /etc/audit/rules.d; whether it is loaded could not be seen")
    return passes("a rule is loaded")


# Daemon


def _security(state: State) -> dict[str, dict[str, str]]:
    """The engine's security options by name, as {"seccomp": {"profile": "builtin"}}."""
    options = {}
    for text in state.info.get("SecurityOptions") or ():
        fields = dict(part.partition("=")[::2] for part in text.split(","))
        options[fields.pop("name", text)] = fields
    return options


def _rootless(state: State) -> Verdict:
    return passes("rootless mode") if "rootless" in _security(state) else fails("the daemon runs as root")


def _default_bridge(state: State) -> Verdict:
    bridge = next((network for network in state.networks if network["Name"] == "bridge"), None)
    if bridge is None:
        return passes("there is no default bridge")
    if (bridge.get("Options") or {}).get("com.docker.network.bridge.enable_icc") == "false":
        return passes("icc is false")
    return fails("icc is true")


def _log_level(state: State) -> Verdict:
    level = "debug" if state.options.get("debug") else state.options.get("log-level", "info")
    return (passes if level == "info" else fails)(f"the log level is {level}")


def _iptables(state: State) -> Verdict:
    return fails("iptables is false") if state.options.get("iptables") is False else passes("iptables is true")


def _insecure_registries(state: State) -> Verdict:
    config = state.info.get("RegistryConfig") or {}
    ranges = set(config.get("InsecureRegistryCIDRs") or ()) - LOOPBACK
    names = {name for name, index in (config.get("IndexConfigs") or {}).items() if not index.get("Secure", True)}
    found = ", ".join(sorted(ranges | names))
    return fails(f"used without TLS: {found}") if found else passes("every registry is used with TLS")


def _storage_driver(state: State) -> Verdict:
    driver = state.info.get("Driver", "")
    return (fails if driver == "aufs" else passes)(f"the storage driver is {driver}")


def _api_on_network(state: State) -> Verdict:
    hosts = state.options.get("hosts") or []
    exposed = [host for host in hosts if not host.startswith(("unix:", "fd:"))]
    if not exposed:
        return passes("the API is on its socket only")
    if state.options.get("tlsverify"):
        return passes(f"clients need a certificate at {', '.join(exposed)}")
    return fails(f"anyone may use the API at {', '.join(exposed)}")


def _default_ulimits(state: State) -> Verdict:
    limits = state.options.get("default-ulimits")
    if not limits:
        return fails("no default is set")
    names = [limit.partition("=")[0] for limit in limits]
    return passes(f"set by default: {', '.join(sorted(names))}")


def _userns(state: State) -> Verdict:
    return passes("users are mapped") if "userns" in _security(state) else fails("root in a container is root outside")


def _cgroup_parent(state: State) -> Verdict:
    parent = state.options.get("cgroup-parent")
    return person(f"cgroup-parent is {parent}") if parent else passes("the default cgroup")


def _base_size(state: State) -> Verdict:
    options = [str(option) for option in state.options.get("storage-opts") or ()]
    changed = any(option.startswith("dm.basesize") for option in options)
    return fails("dm.basesize is set") if changed else passes("the default size")


def _authorization(state: State) -> Verdict:
    plugins = (state.info.get("Plugins") or {}).get("Authorization") or ()
    return passes(f"plugins: {', '.join(plugins)}") if plugins else fails("no authorization plugin")


def _central_logs(state: State) -> Verdict:
    driver = state.info.get("LoggingDriver", "")
    found = f"the log driver is {driver}"
    if driver in REMOTE_LOG_DRIVERS:
        return passes(found)
    if driver in FORWARDING_LOG_DRIVERS:
        return person(f"{found}; see that its log is sent on")
    return fails(f"{found}, which keeps logs on this node")


def _privileges_kept(state: State) -> bool:
    return "no-new-privileges" in _security(state) or bool(state.options.get("no-new-privileges"))


def _no_new_privileges(state: State) -> Verdict:
    return passes("no-new-privileges is true") if _privileges_kept(state) else fails("no-new-privileges is false")


def _live_restore(state: State) -> Verdict:
    if _in_swarm(state):
        return beside_the_point("Swarm mode refuses live-restore; Swarm starts the tasks of a lost node elsewhere.")
    return passes("live-restore is true") if state.info.get("LiveRestoreEnabled") else fails("live-restore is false")


def _userland_proxy(state: State) -> Verdict:
    off = state.options.get("userland-proxy") is False
    return passes("userland-proxy is false") if off else fails("userland-proxy is true")


def _seccomp_profile(state: State) -> str:
    """The engine's default profile; empty where containers have none."""
    profile = _security(state).get("seccomp", {}).get("profile", "")
    return "" if profile == "unconfined" else profile


def _seccomp(state: State) -> Verdict:
    profile = _seccomp_profile(state)
    return passes(f"the default profile is {profile}") if profile else fails("no default profile")


def _experimental(state: State) -> Verdict:
    on = state.info.get("ExperimentalBuild")
    return fails("experimental is true") if on else passes("experimental is false")


# Files


def _files(rule: FileRule, state: State) -> Verdict:
    files = state.files.get(rule.subject, ())
    if not files:
        return _absent(rule.subject)
    if rule.mode is None:
        wrong = [f"{file.path} is {file.owner}" for file in files if file.owner not in (rule.owner, "root:root")]
        return fails(", ".join(wrong)) if wrong else passes(f"owned by {rule.owner}")
    wrong = [f"{file.path} is {file.mode:o}" for file in files if file.mode & ~rule.mode & 0o777]
    return fails(", ".join(wrong)) if wrong else passes(f"{rule.mode:o} or tighter")


# Images


def _images(broken: Callable[[Image], str], good: str, status: str = "fail") -> Judge:
    """A judge of every image. broken: what is wrong, empty where nothing is. status: of what is."""

    def look(state: State) -> Verdict:
        if not state.images:
            return beside_the_point("There is no image here.")
        wrong = _grouped((image.name, broken(image)) for image in state.images)
        return Verdict(status, wrong) if wrong else passes(good)

    return look


def _images_by_hand(state: State) -> Verdict:
    if not state.images:
        return beside_the_point("There is no image here.")
    return person(f"images here: {', '.join(sorted(image.name for image in state.images))}")


def _secrets_in_images(state: State) -> Verdict:
    if not state.images:
        return beside_the_point("There is no image here.")
    wrong = _grouped((image.name, ", ".join(image.secret_variables)) for image in state.images)
    return person(f"variables that may hold secrets: {wrong}" if wrong else "no variable has the name of a secret")


def _content_trust(state: State) -> Verdict:
    return passes("it is on for every login") if state.content_trust else fails("it is off")


# Containers


def _containers(broken: Callable[[Container], str], good: str, status: str = "fail") -> Judge:
    """A judge of every running container. broken: what is wrong, empty where nothing is. status: of what is."""

    def look(state: State) -> Verdict:
        if not state.containers:
            return beside_the_point("No container runs here.")
        wrong = _grouped((container.name, broken(container)) for container in state.containers)
        return Verdict(status, wrong) if wrong else passes(good)

    return look


def _is_root(container: Container) -> str:
    by_name = container.user.partition(":")[0] in ("", "0", "root")
    root = by_name if container.uid is None else container.uid == 0
    return _when(root, "runs as root")


def _apparmor(state: State) -> Verdict:
    if "apparmor" in _security(state):
        unconfined = _containers(
            lambda it: _when(it.apparmor in ("", "unconfined"), "unconfined"), "each has a profile"
        )
        return unconfined(state)
    if state.apparmor_kernel:
        return fails("the kernel has AppArmor and the engine does not use it")
    return beside_the_point("The kernel has no AppArmor.")


def _selinux(state: State) -> Verdict:
    if "selinux" not in _security(state):
        return beside_the_point("SELinux is not on here; Debian and Ubuntu confine containers by AppArmor (5.2).")
    return _containers(lambda it: _when(not it.selinux, "no label"), "each has a label")(state)


def _capabilities(container: Container) -> str:
    added = sorted(set(container.cap_add) - DEFAULT_CAPABILITIES)
    raw = not {"ALL", "NET_RAW"} & set(container.cap_drop) or "NET_RAW" in container.cap_add
    return " and ".join([*(["added " + ", ".join(added)] if added else []), *(["has NET_RAW"] if raw else [])])


def _system_mounts(container: Container) -> str:
    beneath = tuple(f"{folder}/" for folder in SYSTEM_FOLDERS)
    sources = {
        source
        for source, writable, _propagation in container.mounts
        if source in ("/", *SYSTEM_FOLDERS) or (writable and source.startswith(beneath))
    }
    return _when(bool(sources), f"mounts {', '.join(sorted(sources))}")


def _ssh_server(state: State) -> Verdict:
    running = _containers(lambda it: _when("sshd" in (it.processes or ()), "runs sshd"), "no sshd")(state)
    unseen = _grouped(
        (it.name, _when(it.processes is None, "processes could not be listed")) for it in state.containers
    )
    return person(unseen) if running.status == "pass" and unseen else running


def _low_ports(container: Container) -> str:
    low = sorted({port for _address, port in container.ports if port < 1024})
    return _when(bool(low), f"publishes {', '.join(map(str, low))}")


def _published(container: Container) -> str:
    return ", ".join(map(str, sorted({port for _address, port in container.ports})))


def _on_every_address(container: Container) -> str:
    ports = sorted({port for address, port in container.ports if address in EVERY_ADDRESS})
    return _when(bool(ports), f"on every address {', '.join(map(str, ports))}")


def _restarts(container: Container) -> str:
    policy, retries = container.restart
    endless = policy in ("always", "unless-stopped") or (policy == "on-failure" and not 1 <= retries <= 5)
    return _when(endless, f"restart policy {policy}, {retries or 'no'} limit" if endless else "")


def _seccomp_of_containers(state: State) -> Verdict:
    if state.containers and not _seccomp_profile(state):
        return fails("the engine has no default profile")
    off = ("seccomp=unconfined", "seccomp:unconfined")
    return _containers(
        lambda it: _when(it.privileged or any(option in off for option in it.security), "unconfined"),
        "each has a profile",
    )(state)


def _gains_privileges(state: State) -> Verdict:
    def may(container: Container) -> str:
        options = [option for option in container.security if option.startswith("no-new-privileges")]
        kept = not options[-1].endswith("false") if options else _privileges_kept(state)
        return _when(not kept, "may gain privileges")

    return _containers(may, "none may gain privileges")(state)


def _exec(state: State) -> Verdict:
    if state.watches.source == "none":
        return person("nothing is recorded without auditd")
    return person("auditd's log tells")


def _swarm_mode(state: State) -> Verdict:
    return fails("swarm mode is on") if _in_swarm(state) else passes("swarm mode is off")


# Operations


def _image_sprawl(state: State) -> Verdict:
    unused = sorted(image.name for image in state.images if not image.used)
    if not unused:
        return passes(f"{len(state.images)} images, each used")
    return person(f"{len(unused)} of {len(state.images)} images are used by no container: {', '.join(unused)}")


def _container_sprawl(state: State) -> Verdict:
    total = len(state.containers) + state.stopped
    if not state.stopped:
        return passes(f"{total} containers, all running")
    return person(f"{state.stopped} of {total} containers do not run")


# Swarm


def _swarm(state: State) -> Mapping[str, Any]:
    return state.info.get("Swarm") or {}


def _in_swarm(state: State) -> bool:
    return _swarm(state).get("LocalNodeState", "inactive") not in ("", "inactive")


def _member(judge_member: Judge) -> Judge:
    """A judge of nodes in a swarm."""

    def look(state: State) -> Verdict:
        return judge_member(state) if _in_swarm(state) else beside_the_point("This node is in no swarm.")

    return look


def _manager(judge_cluster: Callable[[Mapping[str, Any]], Verdict]) -> Judge:
    """A judge of the swarm, by what a manager knows: the part Swarm of the engine's state."""

    def look(state: State) -> Verdict:
        swarm = _swarm(state)
        if not (swarm.get("ControlAvailable") and swarm.get("Cluster")):
            return beside_the_point("Only a manager knows: see what is found there.")
        return judge_cluster(swarm)

    return _member(look)


def _manager_count(swarm: Mapping[str, Any]) -> Verdict:
    number = swarm.get("Managers", 0)
    return (passes if number % 2 and number <= 7 else fails)(f"{number} managers")


def _listens(state: State) -> Verdict:
    port = state.addresses.get("ListenAddr", "").rpartition(":")[2]
    ports = {int(port) if port.isdecimal() else 2377, GOSSIP_PORT}
    found = [(port, address) for port, address in state.listeners if port in ports]
    wide = sorted({port for port, address in found if address in EVERY_ADDRESS})
    if wide:
        return fails(f"listens on every address: {', '.join(map(str, wide))}")
    if not found:
        return person("no port of Swarm was found open")
    return passes(f"listens on {', '.join(sorted({address for _port, address in found}))}")


def _encrypted_networks(state: State) -> Verdict:
    overlays = [network for network in state.networks if network.get("Driver") == "overlay"]
    plain = sorted(network["Name"] for network in overlays if ENCRYPTED not in (network.get("Options") or {}))
    return fails(f"not encrypted: {', '.join(plain)}") if plain else passes(f"{len(overlays)} encrypted")


def _spec(swarm: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    return (swarm["Cluster"].get("Spec") or {}).get(part) or {}


def _autolocks(swarm: Mapping[str, Any]) -> bool:
    return bool(_spec(swarm, "EncryptionConfig").get("AutoLockManagers"))


def _autolock(swarm: Mapping[str, Any]) -> Verdict:
    return passes("autolock is on") if _autolocks(swarm) else fails("autolock is off")


def _unlock_key(swarm: Mapping[str, Any]) -> Verdict:
    if not _autolocks(swarm):
        return beside_the_point("Without autolock (7.5) there is no key.")
    return person("Swarm does not tell when the key was last rotated")


def _node_certificates(swarm: Mapping[str, Any]) -> Verdict:
    days = _spec(swarm, "CAConfig").get("NodeCertExpiry", 0) / (24 * 3600 * 10**9) or NODE_CERTIFICATE_DAYS
    return (passes if days <= NODE_CERTIFICATE_DAYS else fails)(f"renewed within {days:g} days")


def _root_certificate(state: State) -> Verdict:
    return person(f"the root certificate is of {state.root_certificate or 'an unknown day'}")


def _planes(state: State) -> Verdict:
    management = host_of(state.addresses.get("AdvertiseAddr", "")) or _swarm(state).get("NodeAddr", "")
    data = state.addresses.get("DataPathAddr", "") or management
    found = f"management on {management}, data on {data}"
    return (fails if data == management else passes)(found)


JUDGES: dict[str, Judge] = {
    "1.1.1": _data_partition,
    "1.1.2": _trusted_users,
    **{number: partial(_watched, subject) for number, subject in AUDITED.items()},
    "1.2.1": lambda _state: person("no tool can tell"),
    "1.2.2": lambda state: person(f"the engine is {state.info.get('ServerVersion', 'of an unknown version')}"),
    "2.1": _rootless,
    "2.2": _default_bridge,
    "2.3": _log_level,
    "2.4": _iptables,
    "2.5": _insecure_registries,
    "2.6": _storage_driver,
    "2.7": _api_on_network,
    "2.8": _default_ulimits,
    "2.9": _userns,
    "2.10": _cgroup_parent,
    "2.11": _base_size,
    "2.12": _authorization,
    "2.13": _central_logs,
    "2.14": _no_new_privileges,
    "2.15": _live_restore,
    "2.16": _userland_proxy,
    "2.17": _seccomp,
    "2.18": _experimental,
    **{number: partial(_files, rule) for number, rule in FILE_RULES.items()},
    "4.1": _containers(_is_root, "none runs as root"),
    "4.2": _images_by_hand,
    "4.3": _images_by_hand,
    "4.4": _images_by_hand,
    "4.5": _content_trust,
    "4.6": _images(lambda it: _when(not it.healthcheck, "no HEALTHCHECK"), "each has one"),
    "4.7": _images(lambda it: _when(it.update_alone, "a layer updates only"), "no layer updates only"),
    "4.8": _images_by_hand,
    "4.9": _images(lambda it: _when(it.adds, "built with ADD"), "none is built with ADD, base images apart"),
    "4.10": _secrets_in_images,
    "4.11": _images_by_hand,
    "4.12": lambda _state: person("nothing on a node tells"),
    "5.1": _swarm_mode,
    "5.2": _apparmor,
    "5.3": _selinux,
    "5.4": _containers(_capabilities, "none has NET_RAW or more than the default"),
    "5.5": _containers(lambda it: _when(it.privileged, "privileged"), "none is privileged"),
    "5.6": _containers(_system_mounts, "none mounts one"),
    "5.7": _ssh_server,
    "5.8": _containers(_low_ports, "none publishes one"),
    "5.9": _containers(_published, "none publishes a port", "manual"),
    "5.10": _containers(lambda it: _when(it.network_mode == "host", "in the host's network"), "none is"),
    "5.11": _containers(lambda it: _when(not it.memory, "no limit"), "each has a limit"),
    "5.12": _containers(lambda it: _when(not it.cpu, "no limit or weight"), "each has a limit or weight"),
    "5.13": _containers(lambda it: _when(not it.read_only, "writable"), "each is read-only"),
    "5.14": _containers(_on_every_address, "none is on every address"),
    "5.15": _containers(_restarts, "the engine restarts none without end"),
    "5.16": _containers(lambda it: _when(it.pid == "host", "sees them"), "none does"),
    "5.17": _containers(lambda it: _when(it.ipc == "host", "shares it"), "none does"),
    "5.18": _containers(lambda it: _when(it.devices, "has devices"), "none has"),
    "5.19": _containers(lambda it: _when(it.ulimits, "ulimits of its own"), "none has its own", "manual"),
    "5.20": _containers(
        lambda it: _when(any(mount[2] in ("shared", "rshared") for mount in it.mounts), "shares a mount"), "none does"
    ),
    "5.21": _containers(lambda it: _when(it.uts == "host", "shares the host's name"), "none does"),
    "5.22": _seccomp_of_containers,
    "5.23": _exec,
    "5.24": _exec,
    "5.25": _containers(lambda it: _when(bool(it.cgroup_parent), f"in {it.cgroup_parent}"), "each is in the default"),
    "5.26": _gains_privileges,
    "5.27": _containers(lambda it: _when(not it.health, "no health check"), "each has a health check"),
    "5.28": _containers(lambda it: _when("@sha256:" not in it.image, "not by digest"), "each by digest", "manual"),
    "5.29": _containers(lambda it: _when(it.pids <= 0, "no limit"), "each has a limit"),
    "5.30": _containers(
        lambda it: _when(it.network_mode in ("bridge", "default") or "bridge" in it.networks, "on it"), "none is"
    ),
    "5.31": _containers(lambda it: _when(it.userns == "host", "opts out"), "none does"),
    "5.32": _containers(
        lambda it: _when(any(mount[0] in SOCKET_SOURCES for mount in it.mounts), "has the socket"), "none has"
    ),
    "6.1": _image_sprawl,
    "6.2": _container_sprawl,
    "7.1": _manager(_manager_count),
    "7.2": _member(_listens),
    "7.3": _member(_encrypted_networks),
    "7.4": _member(_containers(lambda it: ", ".join(it.secret_variables), "no variable has the name of a secret")),
    "7.5": _manager(_autolock),
    "7.6": _manager(_unlock_key),
    "7.7": _manager(_node_certificates),
    "7.8": _member(_root_certificate),
    "7.9": _member(_planes),
}
