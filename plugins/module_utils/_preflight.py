# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands against a swarm of these hosts, judged by what they have told. Pure.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_address, ip_interface, ip_network
from typing import TYPE_CHECKING, Any, TypeAlias

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._engine_flaws import (
    FLAWS,
    Flaw,
    is_too_old,
    numbers,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._swarm import majority

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from ipaddress import IPv4Network, IPv6Network

    Network: TypeAlias = "IPv4Network | IPv6Network"
    Pair = tuple[str, str]

CANDIDATES = (
    "10.200.0.0/16",
    "10.128.0.0/16",
    "10.64.0.0/16",
    "172.28.0.0/16",
    "172.20.0.0/16",
    "192.168.192.0/18",
)
"""Pools to choose from, the best first. Engines give their own bridges what follows 10."""

DEFAULT_MTU = 1500
"""Of the network below, as the overlay driver takes it where none is set."""

FEATURES = {
    "vxlan": ("no overlay network works", ""),
    "ip_vs": (
        "virtual addresses of services and ports of the routing mesh do not answer, without a word",
        ", or do without the mesh (mesh: false; endpoint_mode: dnsrr and ports in mode host)",
    ),
    "esp4": ("nothing passes an encrypted overlay network", ", or set encrypted to false"),
}
"""Features of the kernel, with what it means to be without, and what else can be done."""

PORTS = ("2377/tcp", "7946/tcp", "7946/udp", "4789/udp")
REACHED = {"2377/tcp": "tcp_2377", "7946/tcp": "tcp_7946"}
HEARD = {"7946/udp": "udp_7946", "4789/udp": "udp_4789"}


@dataclass(frozen=True)
class Finding:
    """One thing that stands against the swarm. severity: error or warning. subject: what it is about, in one word."""

    severity: str
    subject: str
    hosts: Sequence[str]
    message: str

    def report(self) -> dict[str, Any]:
        """The finding as the module returns it."""
        return {**asdict(self), "hosts": list(self.hosts)}


@dataclass(frozen=True)
class Wanted:
    """What is wanted of the swarm. mtu: of the network below. max_clock_skew: seconds."""

    default_addr_pool: Sequence[str]
    subnet_size: int
    mtu: int
    encrypted: bool
    mesh: bool
    min_free_bytes: int
    max_clock_skew: float


@dataclass(frozen=True)
class Host:
    """What a host has told: swarm, kernel and facts by swarm_info, links by swarm_links."""

    name: str
    manager: bool
    address: str
    location: str | None
    swarm: Mapping[str, Any]
    kernel: Mapping[str, bool]
    facts: Mapping[str, Any]
    links: Sequence[Mapping[str, Any]]

    @classmethod
    def from_option(cls, option: Mapping[str, Any]) -> Host:
        """One entry of the option hosts. A host that could not be asked has empty mappings."""
        info = option["info"]
        return cls(
            name=option["name"],
            manager=option["role"] == "manager",
            address=option["address"],
            location=option.get("location") or None,
            swarm=info.get("swarm") or {},
            kernel=info.get("kernel") or {},
            facts=info.get("host") or {},
            links=option.get("links") or (),
        )

    @property
    def version(self) -> str:
        return str(self.swarm["engine"]["version"])

    @property
    def interface(self) -> Mapping[str, Any] | None:
        """The interface that has the advertise address."""
        return next((card for card in self.facts["interfaces"] if self._has_address(card)), None)

    def _has_address(self, card: Mapping[str, Any]) -> bool:
        try:
            return ip_address(self.address) in {ip_interface(address).ip for address in card["addresses"]}
        except ValueError:
            return False

    def networks(self) -> list[tuple[Network, str]]:
        """The networks that the host knows by routes and its own addresses, with the interface; the widest only."""
        known: dict[Network, str] = {}
        for card in self.facts["interfaces"]:
            for address in map(ip_interface, card["addresses"]):
                if not (address.is_loopback or address.is_link_local):
                    known[address.network] = card["name"]
        known.update({ip_network(route["network"]): route["interface"] for route in self.facts["networks"]})
        return [item for item in known.items() if not any(_within(item[0], other) for other in known)]


def judge(hosts: Sequence[Host], wanted: Wanted) -> list[Finding]:
    """Everything that stands against the swarm, what must be mended first."""
    told = [host for host in hosts if host.swarm]
    found = [
        *_silent(hosts),
        *_clusters(told),
        *_versions(told, wanted),
        *_live_restore(told),
        *_interfaces(told, wanted),
        *_ports(told),
        *_full_size(told, wanted),
        *_pools(told, wanted),
        *_kernels(told, wanted),
        *_clocks(told, wanted),
        *_disks(told, wanted),
        *_managers(hosts),
        *_locations(hosts),
        *_overlay_mtus(told, wanted),
        *_dead_nodes(told),
    ]
    return sorted(found, key=lambda finding: finding.severity)


def address_pool(hosts: Sequence[Host], wanted: Wanted) -> list[str]:
    """The pool of the swarm there is, else the one that is wanted, else the first candidate that no host knows.

    Empty where none of that can be had.
    """
    told = [host for host in hosts if host.swarm]
    if _exists(told):
        return next((list(host.swarm["default_addr_pool"]) for host in told if host.swarm["default_addr_pool"]), [])
    if wanted.default_addr_pool:
        return list(wanted.default_addr_pool)
    fitting = (pool for pool in CANDIDATES if ip_network(pool).prefixlen <= wanted.subnet_size)
    return [pool for pool in fitting if not _overlaps(told, [pool])][:1]


def _silent(hosts: Iterable[Host]) -> Iterator[Finding]:
    silent = [host.name for host in hosts if not host.swarm]
    if silent:
        yield _error(
            "host",
            silent,
            f"Nothing is known of {_listed(silent)}: their engines could not be asked. See that the engine runs there "
            "and that swarm_info succeeds, or take the hosts out of the inventory groups.",
        )


def _clusters(hosts: Iterable[Host]) -> Iterator[Finding]:
    members = _grouped((host.swarm["cluster_id"], host.name) for host in hosts if host.swarm["cluster_id"])
    if len(members) > 1:
        yield _error(
            "cluster",
            [name for names in members.values() for name in names],
            f"These hosts are in {len(members)} different swarms, which cannot be made one: "
            + "; ".join(f"{_listed(names)} in {cluster}" for cluster, names in members.items())
            + ". Take the hosts of the wrong one out of the inventory groups, or let them leave it (docker swarm "
            "leave).",
        )


def _versions(hosts: Sequence[Host], wanted: Wanted) -> Iterator[Finding]:
    old = {host.name: host.version for host in hosts if is_too_old(host.version, host.swarm["engine"]["api_version"])}
    if old:
        yield _error(
            "engine",
            list(old),
            f"The engine is older than 20.10 (API 1.41) on {_with(old)}, and what this collection asks of it is not "
            "there. Install a newer engine.",
        )
    majors = _grouped((numbers(host.version)[0], f"{host.name} ({host.version})") for host in hosts)
    if len(majors) > 1:
        yield _warning(
            "engine",
            [host.name for host in hosts],
            f"The engines are of different major versions: {'; '.join(map(_listed, majors.values()))}. That is meant "
            "for the time of an upgrade only: features and mistakes differ between the nodes. Bring all to one "
            "release.",
        )
    for flaw in FLAWS:
        yield from _flawed(hosts, wanted, flaw)


def _flawed(hosts: Iterable[Host], wanted: Wanted, flaw: Flaw) -> Iterator[Finding]:
    having = {host.name: host.version for host in hosts if flaw.is_in(host.version)}
    if having and (not flaw.only or getattr(wanted, flaw.only)):
        message = f"With the engine's release on {_with(having)}, {flaw.what}. {flaw.remedy}."
        yield (_error if flaw.breaks else _warning)("engine", list(having), message)


def _live_restore(hosts: Iterable[Host]) -> Iterator[Finding]:
    names = [host.name for host in hosts if host.facts["live_restore"]]
    if names:
        yield _error(
            "live_restore",
            names,
            f"live-restore is on for the engine of {_listed(names)}, and such an engine refuses to be in a swarm. Take "
            "live-restore out of /etc/docker/daemon.json and restart the engine.",
        )


def _interfaces(hosts: Iterable[Host], wanted: Wanted) -> Iterator[Finding]:
    for host in hosts:
        card = host.interface
        if card is None:
            yield _error(
                "address",
                [host.name],
                f"No interface of {host.name} has its advertise address {host.address}, so no other member reaches it "
                "there. Attach the server to the private network, or correct swarm_advertise_address.",
            )
        elif card["mtu"] < wanted.mtu:
            yield _error(
                "mtu",
                [host.name],
                f"The interface {card['name']} of {host.name} has an MTU of {card['mtu']}, less than the {wanted.mtu} "
                "that overlay networks shall rely on: large packets to and from this host would be lost. Raise its "
                f"MTU, or set mtu (swarm_mtu) to {card['mtu']}.",
            )


def _ports(hosts: Sequence[Host]) -> Iterator[Finding]:
    """Which ports are closed, one finding for each port, and one for pairs where all are."""
    ways = {port: dict(_probed(hosts, port)) for port in PORTS}
    closed = {port: {pair for pair, is_open in probed.items() if not is_open} for port, probed in ways.items()}
    cut = {pair for pair in set().union(*ways.values()) if not any(probed.get(pair) for probed in ways.values())}
    if cut:
        yield _error(
            "ports",
            _ends(cut),
            f"Nothing passes {_ways(cut)}: none of the ports {', '.join(PORTS)} is open. A swarm needs them in both "
            f"directions. Check firewalls and routes between these hosts.{_kernel_words(hosts, cut)}",
        )
    for port in PORTS:
        left = closed[port] - cut
        if left:
            yield _error(
                "ports",
                _ends(left),
                f"Port {port} is not open {_ways(left)}. {_PURPOSES[port]} Check firewalls between these hosts and on "
                f"them.{_kernel_words(hosts, left)}",
            )


_PURPOSES = {
    "2377/tcp": "Members reach the managers by it: they cannot join, or are declared down.",
    "7946/tcp": "Members tell each other of services by it: names are not found from some nodes.",
    "7946/udp": "Members tell each other of services by it: names are not found from some nodes.",
    "4789/udp": "Overlay networks run over it: tasks on different nodes do not reach each other.",
}


def _probed(hosts: Sequence[Host], port: str) -> Iterator[tuple[Pair, bool]]:
    """From whom to whom a port was probed, and whether it is open, where both could take part at their addresses."""
    at_home = {host.name for host in hosts if host.interface is not None}
    for host, link in _links(hosts):
        if not {host.name, link["peer"]} <= at_home:
            continue
        if port in HEARD:
            yield (link["peer"], host.name), link["heard"][HEARD[port]]
        elif link["reached"][REACHED[port]] is not None:
            yield (host.name, link["peer"]), link["reached"][REACHED[port]]


def _full_size(hosts: Sequence[Host], wanted: Wanted) -> Iterator[Finding]:
    lost = {(link["peer"], host.name) for host, link in _links(hosts) if _loses_large(link)}
    if lost:
        yield _error(
            "mtu",
            _ends(lost),
            f"A packet of {wanted.mtu} bytes that must not be fragmented does not pass {_ways(lost)}, while small ones "
            "do: over overlay networks small requests would work and large ones hang. Set mtu (swarm_mtu, which the "
            "ingress network is given too) to what the path takes, and the MTU of other overlay networks alike."
            f"{_kernel_words(hosts, lost)}",
        )


def _loses_large(link: Mapping[str, Any]) -> bool:
    return bool(link["heard"]["udp_4789"] and not link["heard"]["mtu"])


def _pools(hosts: Sequence[Host], wanted: Wanted) -> Iterator[Finding]:
    if _exists(hosts):
        yield from _pool_in_use(hosts, address_pool(hosts, wanted))
        return
    bad = [pool for pool in wanted.default_addr_pool if not _is_pool(pool, wanted.subnet_size)]
    if bad:
        yield _error(
            "default_addr_pool",
            [],
            f"default_addr_pool has {_listed(bad)}, from which no IPv4 subnet with a prefix length of "
            f"{wanted.subnet_size} (subnet_size) can be taken. Write each pool as a network, as in {CANDIDATES[0]}.",
        )
        return
    overlaps = _overlaps(hosts, wanted.default_addr_pool)
    if overlaps:
        yield _error(
            "default_addr_pool",
            sorted({name for names in overlaps.values() for name in names}),
            f"default_addr_pool ({_listed(wanted.default_addr_pool)}) overlaps networks that hosts know: "
            f"{_overlap_words(overlaps)}. Containers would not reach what is there. Set another pool, which cannot be "
            "changed later, or leave default_addr_pool empty to have one chosen.",
        )
    elif not address_pool(hosts, wanted):
        yield _error(
            "default_addr_pool",
            [host.name for host in hosts],
            f"None of {_listed(CANDIDATES)} is free to take overlay networks with a prefix length of "
            f"{wanted.subnet_size} from. Set default_addr_pool to a network that no host knows.",
        )


def _pool_in_use(hosts: Sequence[Host], pools: Sequence[str]) -> Iterator[Finding]:
    """What overlaps in a swarm that cannot be given another pool."""
    overlaps = _overlaps(hosts, pools)
    if not overlaps:
        return
    subnets = {network["name"]: network["subnets"] for network in _overlay_networks(hosts)}
    hit = sorted(
        name for name, nets in subnets.items() if any(_meet(net, known) for net in nets for known, _on in overlaps)
    )
    now = f" So it is with {_listed(hit)} already." if hit else ""
    yield _warning(
        "default_addr_pool",
        sorted({name for names in overlaps.values() for name in names}),
        f"The swarm takes subnets of new networks from {_listed(pools)}, which overlaps networks that hosts know: "
        f"{_overlap_words(overlaps)}. Containers on a network with such a subnet do not reach what is there.{now} The "
        "pool of a swarm cannot be changed: give networks a subnet of their own outside of it (ipam in the Compose "
        "file), or begin the swarm anew.",
    )


def _is_pool(pool: str, subnet_size: int) -> bool:
    try:
        network = ip_network(pool)
    except ValueError:
        return False
    return network.version == 4 and network.prefixlen <= subnet_size


def _overlaps(hosts: Iterable[Host], pools: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """Known networks that overlap the pools, as (network, interface), each with the names of the hosts."""
    return _grouped(
        ((str(network), interface), host.name)
        for host in hosts
        for network, interface in host.networks()
        if any(_meet(pool, network) for pool in pools)
    )


def _within(network: Network, other: Network) -> bool:
    """Whether a network is a part of another one."""
    return network.prefixlen > other.prefixlen and network.overlaps(other)


def _meet(one: str, other: str | Network) -> bool:
    return ip_network(one).overlaps(ip_network(other))


def _overlap_words(overlaps: Mapping[tuple[str, str], Sequence[str]]) -> str:
    return "; ".join(f"{network} ({card} of {_listed(names)})" for (network, card), names in overlaps.items())


def _kernels(hosts: Sequence[Host], wanted: Wanted) -> Iterator[Finding]:
    needed = {"vxlan": True, "ip_vs": wanted.mesh, "esp4": wanted.encrypted}
    for feature, (meaning, otherwise) in FEATURES.items():
        names = [host.name for host in hosts if needed[feature] and not host.kernel.get(feature)]
        if names:
            yield _error(
                "kernel",
                names,
                f"The kernel of {_listed(names)} has no {feature}: {meaning}. Install a kernel that has it (Ubuntu "
                "keeps some modules in the package linux-modules-extra), or, if the node is a container, load "
                f"{feature} on the machine below{otherwise}.",
            )


def _clocks(hosts: Sequence[Host], wanted: Wanted) -> Iterator[Finding]:
    apart = {pair: ahead for pair, ahead in _skews(hosts).items() if abs(ahead) > wanted.max_clock_skew}
    names = _ends(apart)
    words = []
    while apart:
        # The clock that disagrees with most others is told of first, as it is the likely one to be wrong.
        name = Counter(name for pair in apart for name in pair).most_common(1)[0][0]
        own = {pair: ahead if pair[0] == name else -ahead for pair, ahead in apart.items() if name in pair}
        for sign, word in ((1, "ahead of"), (-1, "behind")):
            others = {pair[pair[0] == name]: abs(ahead) for pair, ahead in own.items() if ahead * sign > 0}
            if others:
                words.append(f"{name} is {word} {_listed(sorted(others))} by {max(others.values()):.1f} s")
        apart = {pair: ahead for pair, ahead in apart.items() if name not in pair}
    if words:
        yield _error(
            "clock",
            names,
            f"Clocks differ by more than {wanted.max_clock_skew:g} s: {'; '.join(words)}. Certificates of members may "
            "be taken as not yet valid or expired, and logs cannot be compared. Let the hosts set their clocks by NTP "
            "(timedatectl set-ntp true) and see that it has taken effect.",
        )


def _skews(hosts: Iterable[Host]) -> dict[Pair, float]:
    """By how many seconds the first host of a pair is ahead of the second one.

    What a link tells has the time on the way in it, which is taken out where both ends have told.
    """
    told = {(host.name, link["peer"]): link["clock_skew"] for host, link in _links(hosts)}
    known = {pair: skew for pair, skew in told.items() if skew is not None}
    skews: dict[Pair, float] = {}
    for (one, other), skew in sorted(known.items()):
        if (other, one) not in skews:
            skews[one, other] = (skew - known.get((other, one), -skew)) / 2
    return skews


def _disks(hosts: Iterable[Host], wanted: Wanted) -> Iterator[Finding]:
    full = {
        host.name: f"{_gib(free)} at {host.facts['docker_root']}"
        for host in hosts
        if (free := host.facts["docker_root_free"]) is not None and free < wanted.min_free_bytes
    }
    if full:
        yield _error(
            "disk",
            list(full),
            f"Less than {_gib(wanted.min_free_bytes)} is free for the engine on {_with(full)}. Images cannot be "
            "pulled, and a manager that cannot write its log drops out of the quorum. Make room (docker system prune), "
            "or enlarge the disk.",
        )


def _managers(hosts: Iterable[Host]) -> Iterator[Finding]:
    names = [host.name for host in hosts if host.manager]
    count = len(names)
    if count == 1:
        yield _warning(
            "managers",
            names,
            f"{names[0]} is the only manager: while it is down nothing in the swarm can be changed or moved, and "
            "without a backup its loss is the loss of the swarm. Make it three.",
        )
    elif count and count % 2 == 0:
        yield _warning(
            "managers",
            names,
            f"There are {count} managers, of which {majority(count)} have to be up: that survives the loss of "
            f"{count - majority(count) or 'none'}, as {count - 1} would, and is lost more easily. Have an odd number: "
            f"{count - 1} or {count + 1}.",
        )


def _locations(hosts: Sequence[Host]) -> Iterator[Finding]:
    managers = [host for host in hosts if host.manager]
    needed = majority(len(managers))
    for location, names in _grouped((host.location, host.name) for host in managers if host.location).items():
        spare = len(managers) - needed
        if len(managers) > 2 and len(names) > spare:
            yield _warning(
                "location",
                names,
                f"{len(names)} of {len(managers)} managers are in {location} ({_listed(names)}): losing that location "
                f"loses the quorum, and then nothing in the swarm can be changed or moved. With at most {spare} in "
                f"each of {-(-len(managers) // spare)} locations any one of these may be lost.",
            )


def _overlay_mtus(hosts: Sequence[Host], wanted: Wanted) -> Iterator[Finding]:
    large = [network for network in _overlay_networks(hosts) if (network["mtu"] or DEFAULT_MTU) > wanted.mtu]
    for network in large:
        size = network["mtu"] or f"{DEFAULT_MTU}, which is taken where none is set"
        remedy = (
            "Have swarm_ingress replace it (swarm_mtu), which takes that no service publishes ports through it"
            if network["ingress"]
            else f"Recreate it with the driver option com.docker.network.driver.mtu: {wanted.mtu}"
        )
        yield _warning(
            "mtu",
            [],
            f"The overlay network {network['name']} counts on an MTU of {size}, and the network below has "
            f"{wanted.mtu}: small requests work, large ones hang. {remedy}.",
        )


def _dead_nodes(hosts: Sequence[Host]) -> Iterator[Finding]:
    nodes: Sequence[Mapping[str, Any]] = next((host.swarm["nodes"] for host in hosts if host.swarm["nodes"]), ())
    live = {node["name"] for node in nodes if node["status"] != "down"}
    down = {node["id"]: node["name"] for node in nodes if node["status"] == "down"}
    twins = {key: name for key, name in down.items() if name in live}
    if twins:
        yield _warning(
            "nodes",
            sorted(set(twins.values())),
            f"The swarm still lists dead entries beside live nodes of the same name: {_ids(twins)}. A dead manager "
            "still counts for the quorum. The role swarm removes them (swarm_nodes with dead_twins: remove).",
        )
    known = live | {host.name for host in hosts} | {host.swarm["node_name"] for host in hosts}
    strangers = {key: name for key, name in down.items() if name not in known}
    if strangers:
        yield _warning(
            "nodes",
            sorted(set(strangers.values())),
            f"The swarm lists nodes that are down and that no host here has the name of: {_ids(strangers)}. A dead "
            "manager still counts for the quorum. Bring them back, or remove them (swarm_nodes with state: absent, or "
            "swarm_prune of the role swarm).",
        )


def _overlay_networks(hosts: Iterable[Host]) -> Sequence[Mapping[str, Any]]:
    """The swarm's, as the first manager tells that can."""
    return next((host.swarm["networks"] for host in hosts if host.swarm["networks"]), ())


def _exists(hosts: Iterable[Host]) -> bool:
    """Whether there is a swarm already."""
    return any(host.swarm["cluster_id"] or host.swarm["state"] in ("active", "locked") for host in hosts)


def _links(hosts: Iterable[Host]) -> Iterator[tuple[Host, Mapping[str, Any]]]:
    """All links, each with the host that has told it."""
    return ((host, link) for host in hosts for link in host.links)


def _kernel_words(hosts: Sequence[Host], pairs: Iterable[Pair]) -> str:
    """What the kernels said about any of these ways."""
    touched = {frozenset(pair) for pair in pairs}
    said = [
        f"{host.name} to {link['peer']}: {link['error']}"
        for host, link in _links(hosts)
        if link["error"] and {host.name, link["peer"]} in touched
    ]
    return f" ({_listed(said)})" if said else ""


def _ways(pairs: Collection[Pair]) -> str:
    """From whom to whom, in few words: those that are reached by the same come together."""
    ends, ways = _ends(pairs), set(pairs)
    if len(ways) == len(ends) * (len(ends) - 1):
        return f"between {_listed(ends)}"
    to = _grouped((target, source) for source, target in sorted(ways))
    alike = _grouped((tuple(sources), target) for target, sources in to.items())
    return "; ".join(f"from {_listed(sources)} to {_listed(targets)}" for sources, targets in alike.items())


def _ends(pairs: Iterable[Pair]) -> list[str]:
    return sorted({name for pair in pairs for name in pair})


def _grouped(pairs: Iterable[tuple[Any, str]]) -> dict[Any, list[str]]:
    groups: dict[Any, list[str]] = {}
    for key, name in pairs:
        groups.setdefault(key, []).append(name)
    return groups


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _with(details: Mapping[str, str]) -> str:
    return _listed(f"{name} ({detail})" for name, detail in details.items())


def _ids(nodes: Mapping[str, str]) -> str:
    return _listed(f"{name} ({key})" for key, name in nodes.items())


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def _error(subject: str, hosts: Sequence[str], message: str) -> Finding:
    return Finding("error", subject, hosts, message)


def _warning(subject: str, hosts: Sequence[str], message: str) -> Finding:
    return Finding("warning", subject, hosts, message)
