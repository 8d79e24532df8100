# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The points of the CIS Docker Benchmark (numbers of 1.6 and 1.7), in our words.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from dataclasses import dataclass

SECTIONS = {
    "1": "Host",
    "2": "Daemon",
    "3": "Files of the daemon",
    "4": "Images",
    "5": "Containers",
    "6": "Operations",
    "7": "Swarm",
}


@dataclass(frozen=True)
class Point:
    """One point. level: 1 or 2. remedy: what to do where it fails, or what to look at where a person must judge."""

    id: str
    level: int
    title: str
    remedy: str

    @property
    def section(self) -> str:
        return SECTIONS[self.id.partition(".")[0]]


@dataclass(frozen=True)
class FileRule:
    """What a file must be like. subject: as in State.files. owner: "user:group", or mode: the most it may allow."""

    subject: str
    owner: str | None = None
    mode: int | None = None


AUDITED = {
    "1.1.3": "/usr/bin/dockerd",
    "1.1.4": "/run/containerd",
    "1.1.5": "/var/lib/docker",
    "1.1.6": "/etc/docker",
    "1.1.7": "docker.service",
    "1.1.8": "/run/containerd/containerd.sock",
    "1.1.9": "/run/docker.sock",
    "1.1.10": "/etc/default/docker",
    "1.1.11": "/etc/docker/daemon.json",
    "1.1.12": "/etc/containerd/config.toml",
    "1.1.13": "/etc/sysconfig/docker",
    "1.1.14": "/usr/bin/containerd",
    "1.1.15": "/usr/bin/containerd-shim",
    "1.1.16": "/usr/bin/containerd-shim-runc-v1",
    "1.1.17": "/usr/bin/containerd-shim-runc-v2",
    "1.1.18": "/usr/bin/runc",
}
"""By point, the subject (as in State.files) that auditd must watch."""

FILE_RULES = {
    "3.1": FileRule("docker.service", owner="root:root"),
    "3.2": FileRule("docker.service", mode=0o644),
    "3.3": FileRule("docker.socket", owner="root:root"),
    "3.4": FileRule("docker.socket", mode=0o644),
    "3.5": FileRule("/etc/docker", owner="root:root"),
    "3.6": FileRule("/etc/docker", mode=0o755),
    "3.7": FileRule("registry certificates", owner="root:root"),
    "3.8": FileRule("registry certificates", mode=0o444),
    "3.9": FileRule("tlscacert", owner="root:root"),
    "3.10": FileRule("tlscacert", mode=0o444),
    "3.11": FileRule("tlscert", owner="root:root"),
    "3.12": FileRule("tlscert", mode=0o444),
    "3.13": FileRule("tlskey", owner="root:root"),
    "3.14": FileRule("tlskey", mode=0o400),
    "3.15": FileRule("/run/docker.sock", owner="root:docker"),
    "3.16": FileRule("/run/docker.sock", mode=0o660),
    "3.17": FileRule("/etc/docker/daemon.json", owner="root:root"),
    "3.18": FileRule("/etc/docker/daemon.json", mode=0o644),
    "3.19": FileRule("/etc/default/docker", owner="root:root"),
    "3.20": FileRule("/etc/default/docker", mode=0o644),
    "3.21": FileRule("/etc/sysconfig/docker", mode=0o644),
    "3.22": FileRule("/etc/sysconfig/docker", owner="root:root"),
    "3.23": FileRule("/run/containerd/containerd.sock", owner="root:root"),
    "3.24": FileRule("/run/containerd/containerd.sock", mode=0o660),
}

NAMES = {
    "docker.service": "the unit docker.service",
    "docker.socket": "the unit docker.socket",
    "registry certificates": "the registries' certificates",
    "tlscacert": "the CA certificate of the API",
    "tlscert": "the certificate of the API",
    "tlskey": "the private key of the API",
}
"""Subjects that are no path, for people."""


def name_of(subject: str) -> str:
    return NAMES.get(subject, subject)


def _audit_point(number: str) -> Point:
    subject = AUDITED[number]
    level = 1 if int(number.rpartition(".")[2]) <= 6 else 2
    remedy = "Add a rule for it to /etc/audit/rules.d (package auditd), and load it with augenrules --load."
    return Point(number, level, f"auditd watches {name_of(subject)}", remedy)


def _file_point(number: str, rule: FileRule) -> Point:
    level = 2 if 17 <= int(number.partition(".")[2]) <= 22 else 1
    name = name_of(rule.subject)
    if rule.owner is not None:
        return Point(number, level, f"Owner of {name}", f"chown {rule.owner} the files that are named.")
    return Point(
        number,
        level,
        f"Permissions of {name}",
        f"chmod {rule.mode:o} the files that are named; tighter is fine too.",
    )


_HOST = (
    Point(
        "1.1.1",
        1,
        "The engine's data has a file system of its own",
        "Mount a partition or a local disk at the engine's data directory before the engine is installed.",
    ),
    Point(
        "1.1.2",
        1,
        "Only trusted users may control the engine",
        "Whoever is in the group docker is root on this node: take out (gpasswd -d USER docker) who should not be.",
    ),
    *(_audit_point(number) for number in AUDITED),
    Point(
        "1.2.1",
        1,
        "The host is hardened",
        "Compare the host with the benchmark of its distribution: services, SSH, firewall, kernel parameters, updates.",
    ),
    Point(
        "1.2.2",
        1,
        "The engine is up to date",
        "Compare the version with Docker's release notes; raise engine_version where a security fix is missing.",
    ),
)

_DAEMON = (
    Point(
        "2.1",
        1,
        "The daemon runs without root, where possible",
        "Run the engine in rootless mode, where neither Swarm nor overlay networks are needed.",
    ),
    Point(
        "2.2",
        1,
        "Containers on the default bridge cannot reach each other",
        'Set "icc": false in daemon.json.',
    ),
    Point("2.3", 1, "The log level is info", 'Set "log-level": "info" in daemon.json, and "debug" to false.'),
    Point("2.4", 1, "The engine may write firewall rules", 'Take "iptables": false out of daemon.json.'),
    Point(
        "2.5",
        1,
        "No registry is used without TLS",
        "Give the registry a certificate (engine_registry_ca_certificates) and take it out of insecure-registries.",
    ),
    Point("2.6", 1, "The storage driver is not aufs", 'Set "storage-driver": "overlay2" in daemon.json.'),
    Point(
        "2.7",
        1,
        "The API is on the network with client certificates only",
        "Take the tcp:// addresses out of hosts, or set tlsverify, tlscacert, tlscert and tlskey.",
    ),
    Point(
        "2.8",
        1,
        "Containers have default ulimits",
        'Set "default-ulimits" in daemon.json; nofile is safe, nproc counts over all containers of one user ID.',
    ),
    Point(
        "2.9",
        2,
        "Users of containers are mapped to others of the host",
        'Set "userns-remap" in daemon.json on a new node: images and volumes present are hidden by it.',
    ),
    Point(
        "2.10",
        2,
        "Containers are in the default cgroup",
        "See why cgroup-parent is set, and whether the limits of that cgroup are meant for all containers.",
    ),
    Point("2.11", 2, "The base device size is the default", "Take dm.basesize out of storage-opts."),
    Point(
        "2.12",
        2,
        "A plugin authorises what clients may do",
        'Install an authorization plugin on every node and name it in "authorization-plugins" of daemon.json.',
    ),
    Point(
        "2.13",
        2,
        "Logs are kept in a central place",
        "Set a log driver that sends elsewhere (gelf, fluentd, syslog over TLS), or collect the log files.",
    ),
    Point(
        "2.14",
        1,
        "Containers cannot gain privileges, by default",
        'Set "no-new-privileges": true in daemon.json and start the containers anew.',
    ),
    Point("2.15", 1, "Containers survive a restart of the daemon", 'Set "live-restore": true in daemon.json.'),
    Point(
        "2.16",
        1,
        "No userland proxy runs",
        'Set "userland-proxy": false in daemon.json, after a test that what is published is reached from the node too.',
    ),
    Point(
        "2.17",
        2,
        "Containers have a seccomp profile by default",
        "Take seccomp-profile out of daemon.json, or name a profile that exists; the kernel must have seccomp.",
    ),
    Point("2.18", 1, "Experimental features are off", 'Take "experimental": true out of daemon.json.'),
)

_IMAGES = (
    Point(
        "4.1",
        1,
        "Containers run as another user than root",
        "Name a user in the image (USER), or in the service (user).",
    ),
    Point(
        "4.2",
        1,
        "Images come from where they are trusted",
        "See of each repository who publishes there, and how it reaches your registry.",
    ),
    Point(
        "4.3", 1, "Images hold no more packages than needed", "List the packages of each image and drop what is unused."
    ),
    Point(
        "4.4",
        1,
        "Images are scanned and rebuilt",
        "Scan the images for known vulnerabilities, rebuild them on a fresh base, deploy them.",
    ),
    Point(
        "4.5",
        2,
        "Docker Content Trust is on",
        "Set DOCKER_CONTENT_TRUST=1 in /etc/environment, or verify signatures by another tool when images are built.",
    ),
    Point("4.6", 1, "Images have a health check", "Add HEALTHCHECK to the image; remove images that are not used."),
    Point(
        "4.7",
        1,
        "Package lists are not updated in a layer of their own",
        "Update and install in one RUN, so that no old list comes from the build cache.",
    ),
    Point(
        "4.8",
        2,
        "Images hold no needless setuid or setgid files",
        "Look for them (find / -perm /6000 -type f) in each image. Without new privileges (2.14) they have no effect.",
    ),
    Point("4.9", 1, "Images are built with COPY, not ADD", "Write COPY, or fetch and check the file in a RUN."),
    Point(
        "4.10",
        1,
        "Images hold no secrets",
        "Look through the history and the environment of each image. Give secrets at run time, or as build secrets.",
    ),
    Point(
        "4.11",
        2,
        "Packages of images are verified",
        "See in the Dockerfiles that packages come from signed repositories, or by checksum.",
    ),
    Point(
        "4.12",
        1,
        "Signed artefacts are validated",
        "See that whoever fills the registry checks signatures before pushing.",
    ),
)

_CONTAINERS = (
    Point("5.1", 1, "Swarm mode is off where it is not needed", "Let the node leave (swarm_member, state absent)."),
    Point(
        "5.2",
        1,
        "Containers have an AppArmor profile",
        "Install the package apparmor, restart the engine; not unconfined.",
    ),
    Point("5.3", 2, "Containers have SELinux labels", 'Set "selinux-enabled": true; take label=disable out.'),
    Point(
        "5.4",
        1,
        "Containers have only the capabilities they need",
        "Set cap_drop: [ALL] and add (cap_add) what is needed; NET_RAW in particular is seldom.",
    ),
    Point("5.5", 1, "No container is privileged", "Take privileged out and grant single capabilities or devices."),
    Point(
        "5.6",
        1,
        "No container mounts system directories of the host",
        "Mount a volume, or the one file that is needed, read-only.",
    ),
    Point("5.7", 1, "No SSH server runs in a container", "Take it out of the image; use docker exec on the node."),
    Point(
        "5.8", 1, "No port below 1024 is published", "Publish another port and let a load balancer have the low one."
    ),
    Point("5.9", 1, "Only ports that are needed are open", "See whether each of these published ports is wanted."),
    Point("5.10", 1, "No container is in the host's network", "Take network_mode host out and publish the ports."),
    Point("5.11", 1, "Memory is limited", "Set deploy.resources.limits.memory for the service."),
    Point("5.12", 1, "Processor time is limited or shared out", "Set deploy.resources.limits.cpus for the service."),
    Point(
        "5.13",
        1,
        "Root file systems are read-only",
        "Set read_only: true for the service, and a tmpfs or volume where it writes.",
    ),
    Point(
        "5.14",
        1,
        "Ports are bound to one address of the host",
        "Publish on one address. Swarm cannot: close the port on the other interfaces by a firewall.",
    ),
    Point(
        "5.15",
        1,
        "Containers are restarted five times at most",
        "Use on-failure:5 for containers outside Swarm; Swarm restarts tasks with its own policy.",
    ),
    Point("5.16", 1, "No container sees the host's processes", "Take pid: host out."),
    Point("5.17", 1, "No container shares the host's IPC", "Take ipc: host out."),
    Point("5.18", 1, "No container has devices of the host", "Take devices out, or grant read only."),
    Point("5.19", 1, "Ulimits differ from the default only where needed", "See why these services need their own."),
    Point("5.20", 1, "No mount is shared back to the host", "Use private or rprivate propagation."),
    Point("5.21", 1, "No container may rename the host", "Take uts: host out."),
    Point("5.22", 1, "The seccomp profile is not disabled", "Take seccomp=unconfined out of security_opt."),
    Point(
        "5.23",
        2,
        "docker exec is not used with --privileged",
        "Search auditd's log: ausearch --key docker | grep exec | grep privileged.",
    ),
    Point(
        "5.24",
        2,
        "docker exec is not used as root",
        "Search auditd's log: ausearch --key docker | grep exec | grep user.",
    ),
    Point("5.25", 1, "Containers are in the expected cgroup", "Take cgroup_parent out, or write down why it is set."),
    Point(
        "5.26",
        1,
        "Containers cannot gain privileges",
        'Set "no-new-privileges": true in daemon.json (Swarm ignores it in a stack), and start the containers anew.',
    ),
    Point("5.27", 1, "The health of containers is checked", "Add a healthcheck to the image or the service."),
    Point(
        "5.28",
        1,
        "The newest wanted version of an image runs",
        "Deploy images by digest, and see that the digest is the newest you want.",
    ),
    Point("5.29", 1, "The number of processes is limited", "Set deploy.resources.limits.pids for the service."),
    Point("5.30", 2, "No container is on the default bridge", "Give the containers a network of their own."),
    Point("5.31", 1, "No container opts out of user mapping", "Take userns_mode: host out."),
    Point(
        "5.32",
        1,
        "No container has the engine's socket",
        "Take the mount out: whoever has the socket is root on this node.",
    ),
)

_OPERATIONS = (
    Point("6.1", 1, "Images do not pile up", "docker image prune --all on the node, once no release needs them."),
    Point("6.2", 1, "Containers do not pile up", "docker container prune on the node; see task_history_limit too."),
)

_SWARM = (
    Point(
        "7.1",
        1,
        "There are no more managers than needed",
        "Have an odd number of managers, seven at most (swarm_nodes): an even one survives no more failures.",
    ),
    Point(
        "7.2",
        1,
        "Swarm listens on one address",
        "Join with listen_addr (swarm_member); a node must leave and join again for that.",
    ),
    Point(
        "7.3",
        1,
        "Overlay networks are encrypted",
        "Set voting_app_encrypt_networks and swarm_ingress_encrypted, where the kernel has esp4.",
    ),
    Point(
        "7.4",
        1,
        "Secrets are Swarm secrets",
        "Give the value as a secret, and its path in a variable that ends in _FILE.",
    ),
    Point(
        "7.5",
        1,
        "Managers are locked after a restart",
        "Turn autolock on (swarm_settings), and keep the key away from the nodes.",
    ),
    Point(
        "7.6", 1, "The unlock key is rotated", "Replace it (swarm_settings, rotate: [unlock_key]), and write down when."
    ),
    Point("7.7", 1, "Node certificates are rotated", "Set node_cert_expiry to 2160 hours or less (swarm_settings)."),
    Point(
        "7.8",
        1,
        "The root certificate is rotated",
        "Replace it as often as you decided to (swarm_settings, rotate: [ca_certificate]).",
    ),
    Point(
        "7.9",
        1,
        "Management and data have networks of their own",
        "Join with a data_path_addr on another network than advertise_addr (swarm_member).",
    ),
)

POINTS = (
    *_HOST,
    *_DAEMON,
    *(_file_point(number, rule) for number, rule in FILE_RULES.items()),
    *_IMAGES,
    *_CONTAINERS,
    *_OPERATIONS,
    *_SWARM,
)
