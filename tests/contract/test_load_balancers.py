# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers and certificates: the official SDK drives their lives, and what runs is told so."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest
from hcloud import APIException
from hcloud.actions import ActionFailedException
from hcloud.load_balancer_types import LoadBalancerType
from hcloud.load_balancers import (
    LoadBalancerAlgorithm,
    LoadBalancerHealthCheck,
    LoadBalancerService,
    LoadBalancerServiceHttp,
    LoadBalancerTarget,
    LoadBalancerTargetIP,
    LoadBalancerTargetLabelSelector,
)
from hcloud.locations import Location
from hcloud.servers import Server

from lab.balancers.base import Attachment, BalancerError, BalancerSpec, Target
from lab.balancers.none import NoBalancers
from tests.contract.conftest import self_signed


class FailingBalancers(NoBalancers):
    """Refuses to run what listens on port 666."""

    async def apply(self, spec: BalancerSpec) -> None:
        if any(service.listen_port == 666 for service in spec.services):
            raise BalancerError("load balancer cannot run: the port is cursed")
        await super().apply(spec)


def create(sdk: Any, name: str = "lb", **fields: Any) -> Any:
    answer = sdk.load_balancers.create(
        name=name, **{"load_balancer_type": LoadBalancerType("lb11"), "location": Location("fsn1")} | fields
    )
    answer.action.wait_until_finished()
    return sdk.load_balancers.get_by_id(answer.load_balancer.id)


def to_server(server: dict[str, Any], **fields: Any) -> LoadBalancerTarget:
    return LoadBalancerTarget(type="server", server=Server(id=server["id"]), **fields)


def to_label(selector: str, **fields: Any) -> LoadBalancerTarget:
    label = LoadBalancerTargetLabelSelector(selector=selector)
    return LoadBalancerTarget(type="label_selector", label_selector=label, **fields)


def tcp(port: int) -> LoadBalancerService:
    return LoadBalancerService(protocol="tcp", listen_port=port, destination_port=port)


def test_a_load_balancer_is_created_with_all_it_needs(serve: Callable[..., Any]) -> None:
    api = serve(latencies={"create_load_balancer": 0.2})
    net = api.network()
    one, two = api.server("one", networks=[net["id"]]), api.server("two", labels={"role": "web"})
    own = api.sdk.certificates.create("own", **self_signed("example.com", "www.example.com"))
    answer = api.sdk.load_balancers.create(
        name="lb",
        load_balancer_type=LoadBalancerType("lb11"),
        network_zone="eu-central",
        network=api.sdk.networks.get_by_id(net["id"]),
        labels={"a": "b"},
        services=[
            LoadBalancerService(
                protocol="https",
                http=LoadBalancerServiceHttp(certificates=[own], redirect_http=True, sticky_sessions=True),
            ),
            tcp(5432),
        ],
        targets=[to_server(one, use_private_ip=True), to_label("role=web")],
    )
    assert (answer.action.command, answer.action.status) == ("create_load_balancer", "running")
    with pytest.raises(APIException) as error:
        answer.load_balancer.change_algorithm(LoadBalancerAlgorithm("least_connections"))
    assert error.value.code == "locked"
    answer.action.wait_until_finished()
    balancer = api.sdk.load_balancers.get_by_name("lb")
    assert (balancer.location.name, balancer.algorithm.type, balancer.labels) == ("fsn1", "round_robin", {"a": "b"})
    assert (balancer.public_net.ipv4.ip, balancer.public_net.ipv6.ip) == ("198.51.100.4", "2001:db8:51ab:3::1")
    assert [item.ip for item in balancer.private_net] == ["10.0.0.3"]
    https, plain = balancer.services
    assert (https.listen_port, https.destination_port, https.proxyprotocol) == (443, 80, False)
    assert (https.http.cookie_name, https.http.cookie_lifetime, https.http.timeout_idle) == ("HCLBSTICKY", 300, 50)
    check = https.health_check
    assert (check.protocol, check.port, check.interval, check.timeout, check.retries) == ("http", 80, 15, 10, 3)
    assert (check.http.path, check.http.status_codes, check.http.tls) == ("/", ["2??", "3??"], False)
    assert (plain.health_check.protocol, plain.health_check.port) == ("tcp", 5432)
    server, selected = balancer.targets
    assert [(status.listen_port, status.status) for status in server.health_status] == [
        (443, "unknown"),
        (5432, "unknown"),
    ]
    assert [target.server.id for target in selected.targets] == [two["id"]]
    spec = api.balancers.specs[balancer.id]
    assert spec.public == (IPv4Address("198.51.100.4"), IPv6Address("2001:db8:51ab:3::1"))
    assert spec.private == Attachment(net["id"], IPv4Address("10.0.0.1"), IPv4Address("10.0.0.3"))
    assert spec.targets == (
        Target(IPv4Address("10.0.0.2"), private=True),
        Target(IPv4Address(two["public_net"]["ipv4"]["ip"]), private=False),
    )
    assert spec.services[0].certificates[0].pem.count("-----BEGIN") == 2
    assert api.do("GET", f"/networks/{net['id']}")["network"]["load_balancers"] == [balancer.id]
    assert api.do("GET", f"/servers/{one['id']}")["server"]["load_balancers"] == [balancer.id]
    assert [user["id"] for user in api.do("GET", "/certificates")["certificates"][0]["used_by"]] == [balancer.id]


def test_a_load_balancer_is_changed_in_place(api: Any) -> None:
    sdk, net, server = api.sdk, api.network(), api.server()
    balancer = create(sdk)
    balancer = balancer.update(name="renamed", labels={"a": "b"})
    network = sdk.networks.get_by_id(net["id"])
    for action in (
        lambda: balancer.attach_to_network(network, ip="10.0.0.9"),
        lambda: balancer.add_service(LoadBalancerService(protocol="http")),
        lambda: balancer.add_service(tcp(22)),
        lambda: balancer.update_service(
            LoadBalancerService(
                protocol="http",
                listen_port=80,
                proxyprotocol=True,
                http=LoadBalancerServiceHttp(sticky_sessions=True),
                health_check=LoadBalancerHealthCheck(interval=3),
            )
        ),
        lambda: balancer.delete_service(tcp(22)),
        lambda: balancer.add_target(to_server(server)),
        lambda: balancer.add_target(to_label("x", use_private_ip=True)),
        lambda: balancer.remove_target(to_server(server)),
        lambda: balancer.change_algorithm(LoadBalancerAlgorithm("least_connections")),
        lambda: balancer.change_type(LoadBalancerType("lb21")),
        lambda: balancer.change_protection(delete=True),
        lambda: balancer.change_dns_ptr(balancer.public_net.ipv4.ip, "lb.example"),
        balancer.disable_public_interface,
    ):
        action().wait_until_finished()
    balancer.reload()
    assert (balancer.name, balancer.labels, balancer.public_net.enabled) == ("renamed", {"a": "b"}, False)
    assert (balancer.load_balancer_type.name, balancer.algorithm.type) == ("lb21", "least_connections")
    assert (balancer.private_net[0].ip, balancer.public_net.ipv4.dns_ptr) == ("10.0.0.9", "lb.example")
    (service,) = balancer.services
    assert (service.proxyprotocol, service.http.sticky_sessions, service.http.timeout_idle) == (True, True, 50)
    assert (service.health_check.interval, service.health_check.retries, service.health_check.port) == (3, 3, 80)
    assert [target.type for target in balancer.targets] == ["label_selector"]
    spec = api.balancers.specs[balancer.id]
    assert (spec.public, spec.algorithm, spec.max_connections) == ((), "least_connections", 20_000)
    with pytest.raises(APIException) as error:
        balancer.add_target(to_server(server))
    assert error.value.code == "load_balancer_public_interface_disabled"
    with pytest.raises(APIException) as error:
        balancer.delete()
    assert error.value.code == "protected"
    balancer.enable_public_interface().wait_until_finished()
    balancer.detach_from_network(network).wait_until_finished()
    balancer.change_protection(delete=False).wait_until_finished()
    deletion = balancer.delete().action
    assert deletion.command == "delete_load_balancer"
    deletion.wait_until_finished()
    assert (sdk.load_balancers.get_all(), api.balancers.specs) == ([], {})


def test_types_limit_what_a_load_balancer_holds(api: Any) -> None:
    balancer = create(api.sdk, load_balancer_type=LoadBalancerType("lb21"), services=[tcp(at) for at in range(1, 7)])
    with pytest.raises(APIException) as error:
        balancer.change_type(LoadBalancerType("lb11"))
    assert error.value.code == "invalid_load_balancer_type"
    labels = {"role": "many"}
    for number in range(26):
        api.do(
            "POST", "/servers", {"name": f"s{number}", "server_type": "cpx22", "image": "debian-13", "labels": labels}
        )
    with pytest.raises(APIException) as error:
        create(api.sdk, "small", targets=[to_label("role=many")])
    assert error.value.code == "resource_limit_exceeded"


def test_targets_follow_servers_labels_and_networks(api: Any) -> None:
    net = api.network()
    one, two = api.server("one", networks=[net["id"]]), api.server("two", labels={"role": "web"})
    targets = [to_server(one, use_private_ip=True), to_label("role=web")]
    network = api.sdk.networks.get_by_id(net["id"])
    balancer = create(api.sdk, network=network, targets=targets)

    def addresses() -> list[str]:
        return [str(target.address) for target in api.balancers.specs[balancer.id].targets]

    two_public = two["public_net"]["ipv4"]["ip"]
    assert addresses() == ["10.0.0.2", two_public]
    api.do("PUT", f"/servers/{two['id']}", {"labels": {}})
    assert addresses() == ["10.0.0.2"]
    three = api.server("three", labels={"role": "web"})
    assert addresses() == ["10.0.0.2", three["public_net"]["ipv4"]["ip"]]
    detached = api.do("POST", f"/servers/{one['id']}/actions/detach_from_network", {"network": net["id"]})
    api.wait(detached["action"])
    assert addresses() == [three["public_net"]["ipv4"]["ip"]]
    api.wait(*(api.do("DELETE", f"/servers/{server['id']}")["action"] for server in (one, three)))
    assert addresses() == []
    balancer.reload()
    assert [(target.type, target.targets) for target in balancer.targets] == [("label_selector", [])]
    network.delete()
    api.wait(*api.do("GET", f"/load_balancers/{balancer.id}/actions")["actions"])
    balancer.reload()
    assert (balancer.private_net, api.balancers.specs[balancer.id].private) == ([], None)


def test_a_server_can_be_a_target_by_its_ipv6_address(api: Any) -> None:
    server = api.server()
    address = server["public_net"]["ipv6"]["ip"].replace("/64", "7")
    target = {"type": "server", "server": {"id": server["id"], "ip": address}}
    balancer = create(api.sdk, targets=[to_server(server)])
    for action in ("add_target", "remove_target"):
        api.wait(api.do("POST", f"/load_balancers/{balancer.id}/actions/{action}", target)["action"])
        shown = [item["server"]["ip"] for item in api.do("GET", "/load_balancers")["load_balancers"][0]["targets"]]
        assert (address in shown) == (action == "add_target")


def test_dedicated_servers_are_targets_by_ip(serve: Callable[..., Any]) -> None:
    api = serve(root_server_ips=["203.0.113.7"])
    target = LoadBalancerTarget(type="ip", ip=LoadBalancerTargetIP(ip="203.0.113.7"))
    balancer = create(api.sdk, services=[tcp(80)], targets=[target])
    assert [item.ip.ip for item in balancer.targets] == ["203.0.113.7"]
    assert [status.status for status in balancer.targets[0].health_status] == ["unknown"]
    balancer.remove_target(target).wait_until_finished()


def test_what_cannot_run_is_not_recorded(serve: Callable[..., Any]) -> None:
    api = serve(balancers=FailingBalancers())
    with pytest.raises(ActionFailedException, match="the port is cursed"):
        create(api.sdk, services=[tcp(666)])
    assert api.sdk.load_balancers.get_all() == []
    balancer = create(api.sdk, services=[tcp(80)])
    assert balancer.public_net.ipv4.ip == "198.51.100.2"
    with pytest.raises(ActionFailedException, match="the port is cursed"):
        balancer.add_service(tcp(666)).wait_until_finished()
    balancer.reload()
    assert [service.listen_port for service in balancer.services] == [80]


def test_load_balancers_run_again_after_a_restart(serve: Callable[..., Any], tmp_path: Path) -> None:
    state = tmp_path / "lab.sqlite3"
    first = serve(state_file=state)
    server = first.server(networks=[first.network()["id"]])
    network = first.sdk.networks.get_by_name("net")
    balancer = create(first.sdk, network=network, services=[tcp(80)], targets=[to_server(server, use_private_ip=True)])
    before, specs = first.do("GET", "/load_balancers"), first.balancers.specs
    first.stop()
    second = serve(state_file=state)
    assert second.do("GET", "/load_balancers") == before
    assert second.balancers.specs == specs == {balancer.id: second.balancers.specs[balancer.id]}


def test_lists_filter_by_name_and_label(api: Any) -> None:
    for name, role in (("a", "web"), ("b", "db")):
        create(api.sdk, name, labels={"role": role})
    assert [item.name for item in api.sdk.load_balancers.get_all(label_selector="role=db")] == ["b"]
    assert [item.name for item in api.sdk.load_balancers.get_all(name="a")] == ["a"]
    assert [item["name"] for item in api.do("GET", "/load_balancers?per_page=1&page=2")["load_balancers"]] == ["b"]


def test_an_uploaded_certificate_tells_what_is_in_it(api: Any) -> None:
    own = api.sdk.certificates.create("own", **self_signed("example.com", "www.example.com"), labels={"a": "b"})
    assert (own.type, own.domain_names) == ("uploaded", ["example.com", "www.example.com"])
    assert (own.not_valid_before.year, own.not_valid_after.year) == (2026, 2036)
    assert len(own.fingerprint.split(":")) == 32
    assert "private_key" not in api.do("GET", f"/certificates/{own.id}")["certificate"]
    assert own.update(name="renamed", labels={}).name == "renamed"
    assert [item.name for item in api.sdk.certificates.get_all(label_selector="a")] == []
    assert own.delete()


def test_a_managed_certificate_says_why_nobody_issues_it(api: Any) -> None:
    answer = api.sdk.certificates.create_managed("wanted", ["example.com"])
    assert answer.certificate.status.issuance == "pending"
    with pytest.raises(ActionFailedException, match="DNS zone not found for"):
        answer.action.wait_until_finished()
    wanted = api.sdk.certificates.get_by_name("wanted")
    assert (wanted.status.issuance, wanted.status.error.code) == ("failed", "dns_zone_not_found")
    with pytest.raises(ActionFailedException):
        wanted.retry_issuance().wait_until_finished()
    assert wanted.delete()
