# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The official SDK drives whole lives of servers and of what belongs to them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hcloud import APIException
from hcloud.actions import ActionFailedException
from hcloud.firewalls import FirewallResource, FirewallResourceLabelSelector, FirewallRule
from hcloud.images import Image
from hcloud.load_balancer_types import LoadBalancerType
from hcloud.locations import Location
from hcloud.networks import NetworkRoute, NetworkSubnet
from hcloud.server_types import ServerType
from hcloud.servers import ServerCreatePublicNetwork

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1vQy0vTQ0oK7n1oJ2hVhX4m4V9gR0bX0mJm6b8k1aB contract"


def _create(sdk: Any, name: str = "one", **fields: Any) -> Any:
    answer = sdk.servers.create(
        name=name,
        server_type=ServerType("cpx22"),
        **{"image": Image(name="ubuntu-22.04"), "location": Location("fsn1")} | fields,
    )
    for action in (answer.action, *answer.next_actions):
        action.wait_until_finished()
    return sdk.servers.get_by_id(answer.server.id)


def _network(sdk: Any) -> Any:
    subnet = NetworkSubnet(type="cloud", network_zone="eu-central", ip_range="10.0.0.0/24")
    return sdk.networks.create("net", "10.0.0.0/16", subnets=[subnet])


def test_a_server_is_created_step_by_step(serve: Callable[..., Any]) -> None:
    sdk = serve(latencies={"create_server": 0.2}).sdk
    net, wall = _network(sdk), sdk.firewalls.create("wall").firewall
    answer = sdk.servers.create(
        name="one",
        server_type=ServerType("cpx22"),
        image=Image(name="ubuntu-22.04"),
        location=Location("nbg1"),
        ssh_keys=[sdk.ssh_keys.create("key", KEY)],
        networks=[net],
        firewalls=[wall],
        labels={"role": "web"},
    )
    assert (answer.server.status, answer.server.locked, answer.server.private_net) == ("initializing", True, [])
    assert answer.root_password is None
    assert (answer.action.command, answer.action.status, answer.action.progress) == ("create_server", "running", 0)
    assert [step.command for step in answer.next_actions] == ["apply_firewall", "attach_to_network", "start_server"]
    for action in (answer.action, *answer.next_actions):
        action.wait_until_finished()
        assert (action.progress, action.error) == (100, None)
    server = sdk.servers.get_by_name("one")
    assert (server.status, server.locked, server.location.name) == ("running", False, "nbg1")
    assert server.public_net.ipv4.ip == "198.51.100.2"
    assert server.public_net.ipv6.ip == "2001:db8:51ab:1::/64"
    assert [firewall.status for firewall in server.public_net.firewalls] == ["applied"]
    assert server.private_net[0].ip == "10.0.0.2"
    assert server.private_net[0].mac_address.startswith("86:00:00:")
    assert {ip.name for ip in sdk.primary_ips.get_all()} == {
        f"primary_ip-{server.public_net.primary_ipv4.id}",
        f"primary_ip-{server.public_net.primary_ipv6.id}",
    }


def test_a_server_gets_a_fixed_private_address_before_it_starts(api: Any) -> None:
    net = _network(api.sdk)
    server = _create(api.sdk, start_after_create=False)
    assert server.status == "off"
    server.attach_to_network(net, ip="10.0.0.7", alias_ips=["10.0.0.8"]).wait_until_finished()
    server.power_on().wait_until_finished()
    server.reload()
    assert (server.status, server.private_net[0].ip, server.private_net[0].alias_ips) == (
        "running",
        "10.0.0.7",
        ["10.0.0.8"],
    )
    assert _create(api.sdk, "two", networks=[net]).private_net[0].ip == "10.0.0.2"
    server.change_alias_ips(net, ["10.0.0.9"]).wait_until_finished()
    assert api.sdk.servers.get_by_id(server.id).private_net[0].alias_ips == ["10.0.0.9"]
    server.detach_from_network(net).wait_until_finished()
    assert api.sdk.servers.get_by_id(server.id).private_net == []


def test_power_goes_through_its_states(api: Any) -> None:
    server = _create(api.sdk)
    for act, status in (
        ("shutdown", "off"),
        ("power_on", "running"),
        ("reboot", "running"),
        ("reset", "running"),
        ("power_off", "off"),
    ):
        getattr(server, act)().wait_until_finished()
        server.reload()
        assert server.status == status, act


def test_a_server_is_changed_in_place(api: Any) -> None:
    sdk = api.sdk
    server = _create(sdk)
    server = server.update(name="renamed", labels={"a": "b"})
    assert (server.name, server.labels) == ("renamed", {"a": "b"})
    server.enable_backup().wait_until_finished()
    server.change_protection(delete=True, rebuild=True).wait_until_finished()
    server.change_dns_ptr(server.public_net.ipv4.ip, "one.example").wait_until_finished()
    server.reload()
    assert (server.backup_window, server.protection) == ("22-02", {"delete": True, "rebuild": True})
    assert server.public_net.ipv4.dns_ptr == "one.example"
    for refused in (server.delete, lambda: server.rebuild(Image(name="debian-13"))):
        with pytest.raises(APIException) as error:
            refused()
        assert error.value.code == "protected"
    server.change_protection(delete=False, rebuild=False).wait_until_finished()
    server.disable_backup().wait_until_finished()
    server.rebuild(Image(name="debian-13")).action.wait_until_finished()
    server.reload()
    assert (server.status, server.image.name, server.backup_window) == ("running", "debian-13", None)


def test_type_and_placement_change_while_stopped(api: Any) -> None:
    sdk = api.sdk
    server = _create(sdk, start_after_create=False)
    group = sdk.placement_groups.create("group", "spread").placement_group
    server.add_to_placement_group(group).wait_until_finished()
    assert sdk.placement_groups.get_by_name("group").servers == [server.id]
    server.change_type(ServerType("cpx32"), upgrade_disk=False).wait_until_finished()
    server.reload()
    assert (server.status, server.server_type.name, server.primary_disk_size) == ("running", "cpx32", 80)
    server.remove_from_placement_group().wait_until_finished()
    assert sdk.servers.get_by_id(server.id).placement_group is None


def test_deleting_a_server_frees_what_it_had(api: Any) -> None:
    sdk = api.sdk
    net, wall = _network(sdk), sdk.firewalls.create("wall").firewall
    kept = sdk.primary_ips.create("ipv4", "kept", location=Location("fsn1")).primary_ip
    public = ServerCreatePublicNetwork(ipv4=kept)
    server = _create(sdk, networks=[net], firewalls=[wall], public_net=public)
    assert server.public_net.ipv4.ip == kept.ip
    server.delete().wait_until_finished()
    assert sdk.servers.get_all() == []
    assert [(ip.name, ip.assignee_id) for ip in sdk.primary_ips.get_all()] == [("kept", None)]
    assert sdk.networks.get_by_id(net.id).servers == []
    assert sdk.firewalls.get_by_id(wall.id).delete()


def test_a_server_locks_while_an_action_runs(serve: Callable[..., Any]) -> None:
    api = serve(latencies={"reboot_server": 0.3})
    server = _create(api.sdk)
    reboot = server.reboot()
    for refused in (server.power_off, server.delete, server.enable_backup):
        with pytest.raises(APIException) as error:
            refused()
        assert error.value.code == "locked"
    assert server.update(labels={"still": "possible"}).labels == {"still": "possible"}
    reboot.wait_until_finished()
    server.power_off().wait_until_finished()


def test_a_network_refuses_two_changes_at_once(serve: Callable[..., Any]) -> None:
    api = serve(latencies={"add_subnet": 0.3})
    net = _network(api.sdk)
    subnet = {"type": "cloud", "network_zone": "eu-central"}
    first = api.do("POST", f"/networks/{net.id}/actions/add_subnet", subnet)["action"]
    refused = api.do("POST", f"/networks/{net.id}/actions/add_subnet", subnet, expect=409)
    assert refused["error"]["code"] == "conflict"
    api.wait(first)
    assert [item.ip_range for item in api.sdk.networks.get_by_id(net.id).subnets] == ["10.0.0.0/24", "10.0.1.0/24"]


def test_a_network_changes_shape(api: Any) -> None:
    net = _network(api.sdk)
    subnet = NetworkSubnet(type="cloud", network_zone="eu-central", ip_range="10.0.8.0/24")
    net.add_subnet(subnet).wait_until_finished()
    route = NetworkRoute(destination="192.168.0.0/16", gateway="10.0.8.2")
    net.add_route(route).wait_until_finished()
    net.change_ip_range("10.0.0.0/15").wait_until_finished()
    net.reload()
    assert (net.ip_range, [item.gateway for item in net.subnets]) == ("10.0.0.0/15", ["10.0.0.1", "10.0.0.1"])
    net.delete_route(route).wait_until_finished()
    net.delete_subnet(subnet).wait_until_finished()
    net.change_protection(delete=True).wait_until_finished()
    net.reload()
    assert (len(net.subnets), net.routes) == (1, [])
    with pytest.raises(APIException) as error:
        net.delete()
    assert error.value.code == "protected"


def test_deleting_a_network_detaches_its_servers(api: Any) -> None:
    net = _network(api.sdk)
    server = _create(api.sdk, networks=[net])
    net.delete()
    api.wait(*api.do("GET", f"/servers/{server.id}/actions")["actions"])
    assert api.sdk.servers.get_by_id(server.id).private_net == []


def test_firewalls_follow_servers_and_labels(api: Any) -> None:
    sdk = api.sdk
    server = _create(sdk, labels={"role": "web"})
    rule = FirewallRule(direction="in", protocol="tcp", port="22", source_ips=["0.0.0.0/0", "2001:DB8:0::/48"])
    by_label = FirewallResource(
        type=FirewallResource.TYPE_LABEL_SELECTOR,
        label_selector=FirewallResourceLabelSelector(selector="role=web"),
    )
    created = sdk.firewalls.create("wall", rules=[rule], resources=[by_label])
    for action in created.actions:
        action.wait_until_finished()
    wall = sdk.firewalls.get_by_name("wall")
    assert wall.rules[0].source_ips == ["0.0.0.0/0", "2001:db8::/48"]
    assert [item.server.id for item in wall.applied_to[0].applied_to_resources] == [server.id]
    with pytest.raises(APIException) as error:
        wall.remove_from_resources([FirewallResource(type="server", server=server)])
    assert error.value.code == "firewall_managed_by_label_selector"
    assert [action.command for action in wall.set_rules([])] == ["set_firewall_rules", "apply_firewall"]
    server.update(labels={})
    assert sdk.servers.get_by_id(server.id).public_net.firewalls == []
    for action in wall.apply_to_resources([FirewallResource(type="server", server=server)]):
        action.wait_until_finished()
    assert [item.status for item in sdk.servers.get_by_id(server.id).public_net.firewalls] == ["applied"]


def test_primary_ips_move_between_stopped_servers(api: Any) -> None:
    sdk = api.sdk
    bare = ServerCreatePublicNetwork(enable_ipv4=False, enable_ipv6=False)
    server = _create(sdk, start_after_create=False, public_net=bare)
    ip = sdk.primary_ips.create("ipv4", "ip", location=Location("fsn1"), labels={"a": "b"}).primary_ip
    ip.assign(server.id, "server").wait_until_finished()
    assert sdk.servers.get_by_id(server.id).public_net.ipv4.ip == ip.ip
    ip.unassign().wait_until_finished()
    ip.change_dns_ptr(ip.ip, "ip.example").wait_until_finished()
    ip.change_protection(delete=True).wait_until_finished()
    with pytest.raises(APIException) as error:
        ip.delete()
    assert error.value.code == "protected"
    ip.change_protection(delete=False).wait_until_finished()
    ip.reload()
    assert (ip.assignee_id, ip.dns_ptr[0]["dns_ptr"]) == (None, "ip.example")
    assert ip.delete()


def test_a_failing_machine_fails_the_action(serve: Callable[..., Any], machines: Any) -> None:
    api = serve(machines)
    server = _create(api.sdk, start_after_create=False)
    machines.refuse["start"] = "no memory left"
    with pytest.raises(ActionFailedException, match="no memory left"):
        server.power_on().wait_until_finished()
    assert api.sdk.servers.get_by_id(server.id).status == "off"


def test_a_volume_lives_beside_a_server(api: Any) -> None:
    sdk = api.sdk
    server = _create(sdk)
    created = sdk.volumes.create(10, "data", server=server, format="ext4", labels={"a": "b"})
    for action in (created.action, *created.next_actions):
        action.wait_until_finished()
    volume = sdk.volumes.get_by_name("data")
    assert (volume.status, volume.size, volume.server.id, volume.location.name) == ("available", 10, server.id, "fsn1")
    assert volume.linux_device == f"/dev/disk/by-id/scsi-0HC_Volume_{volume.id}"
    assert [item.id for item in sdk.servers.get_by_id(server.id).volumes] == [volume.id]
    volume.resize(20).wait_until_finished()
    volume.detach().wait_until_finished()
    volume.change_protection(delete=True).wait_until_finished()
    volume = volume.update(name="kept", labels={})
    assert (volume.name, volume.size, volume.server, volume.protection) == ("kept", 20, None, {"delete": True})
    volume.attach(server, automount=True).wait_until_finished()
    server.delete().wait_until_finished()
    volume.reload()
    assert volume.server is None
    with pytest.raises(APIException, match="protected"):
        volume.delete()
    volume.change_protection(delete=False).wait_until_finished()
    assert volume.delete()


def test_a_server_is_made_with_volumes(api: Any) -> None:
    volumes = []
    for name in ("one", "two"):
        created = api.sdk.volumes.create(10, name, location=Location("fsn1"))
        created.action.wait_until_finished()
        volumes.append(created.volume)
    server = _create(api.sdk, volumes=volumes)
    assert [volume.id for volume in server.volumes] == [volume.id for volume in volumes]


def test_a_floating_ip_moves_between_servers(api: Any) -> None:
    sdk = api.sdk
    one, two = _create(sdk), _create(sdk, "two")
    created = sdk.floating_ips.create("ipv4", description="entrance", name="float", server=one, labels={"a": "b"})
    created.action.wait_until_finished()
    ip = sdk.floating_ips.get_by_name("float")
    assert (ip.server.id, ip.home_location.name, ip.blocked) == (one.id, "fsn1", False)
    assert ip.ip not in {server.public_net.ipv4.ip for server in (one, two)}
    ip.assign(two).wait_until_finished()
    owned = [sdk.servers.get_by_id(server.id).public_net.floating_ips for server in (one, two)]
    assert [[item.id for item in items] for items in owned] == [[], [ip.id]]
    ip.change_dns_ptr(ip.ip, "entrance.example").wait_until_finished()
    ip.unassign().wait_until_finished()
    ip.change_protection(delete=True).wait_until_finished()
    ip = ip.update(name="other", description="exit")
    assert (ip.name, ip.description, ip.server) == ("other", "exit", None)
    assert ip.dns_ptr == [{"ip": ip.ip, "dns_ptr": "entrance.example"}]
    ip.change_protection(delete=False).wait_until_finished()
    assert ip.delete()
    assert sdk.floating_ips.create("ipv6", home_location=Location("hel1")).floating_ip.ip.endswith("::/64")


def test_images_are_made_from_servers_and_servers_from_images(api: Any) -> None:
    sdk = api.sdk
    server = _create(sdk)
    made = server.create_image(description="first", type="snapshot", labels={"a": "b"})
    assert (made.image.status, made.image.created_from.id) == ("creating", server.id)
    made.action.wait_until_finished()
    image = sdk.images.get_list(type=["snapshot"], label_selector="a=b").images[0]
    assert (image.status, image.description, image.bound_to) == ("available", "first", None)
    copy = _create(sdk, "copy", image=image)
    assert copy.image.id == image.id
    with pytest.raises(APIException, match="backups are not enabled"):
        server.create_image(type="backup")
    server.enable_backup().wait_until_finished()
    for _ in range(2):
        server.create_image(type="backup").action.wait_until_finished()
    kept, lost = sdk.images.get_list(bound_to=[str(server.id)]).images
    kept.update(type="snapshot", description="kept", labels={})
    server.disable_backup().wait_until_finished()
    assert {item.description for item in sdk.images.get_list(type=["snapshot", "backup"]).images} == {"first", "kept"}
    assert lost.id not in [item.id for item in sdk.images.get_all()]
    image.change_protection(delete=True).wait_until_finished()
    with pytest.raises(APIException, match="protected"):
        image.delete()
    image.change_protection(delete=False).wait_until_finished()
    assert image.delete()


def test_a_server_is_looked_after(api: Any) -> None:
    sdk = api.sdk
    server = _create(sdk)
    rescue = server.enable_rescue(ssh_keys=[sdk.ssh_keys.create("key", KEY).id])
    rescue.action.wait_until_finished()
    assert (bool(rescue.root_password), sdk.servers.get_by_id(server.id).rescue_enabled) == (True, True)
    server.reset().wait_until_finished()
    assert not sdk.servers.get_by_id(server.id).rescue_enabled
    server.disable_rescue().wait_until_finished()
    server.attach_iso(sdk.isos.get_by_name("debian-13-amd64-netinst.iso")).wait_until_finished()
    assert sdk.servers.get_by_id(server.id).iso.architecture == "x86"
    server.detach_iso().wait_until_finished()
    assert sdk.servers.get_by_id(server.id).iso is None
    console = server.request_console()
    console.action.wait_until_finished()
    assert (console.wss_url.startswith("wss://"), bool(console.password)) == (True, True)
    reset = server.reset_password()
    reset.action.wait_until_finished()
    assert reset.root_password
    end = datetime.now(UTC)
    metrics = server.get_metrics(["cpu", "disk", "network"], end - timedelta(hours=1), end).metrics
    assert (len(metrics.time_series), metrics.step) == (9, 18)
    assert all(series == {"values": []} for series in metrics.time_series.values())


def test_a_load_balancer_has_metrics_of_its_own(api: Any) -> None:
    balancer = api.sdk.load_balancers.create("lb", LoadBalancerType("lb11"), location=Location("fsn1")).load_balancer
    end = datetime.now(UTC)
    metrics = balancer.get_metrics(["bandwidth", "open_connections"], end - timedelta(days=1), end, step=60).metrics
    assert (set(metrics.time_series), metrics.step) == ({"bandwidth.in", "bandwidth.out", "open_connections"}, 172.8)


def test_the_catalogue_is_complete(api: Any) -> None:
    sdk = api.sdk
    assert sdk.server_types.get_by_name("cpx22").locations[0].available
    assert sdk.locations.get_by_name("hel1").network_zone == "eu-central"
    assert {iso.architecture for iso in sdk.isos.get_all()} == {"x86", "arm"}
    assert len(sdk.isos.get_list(architecture=["arm"]).isos) == 1
    assert sdk.images.get_by_name_and_architecture("debian-13", "arm").os_version == "13"


def test_protection_without_a_word_stays(api: Any) -> None:
    network = _network(api.sdk)
    network.change_protection(delete=True).wait_until_finished()
    network.change_protection().wait_until_finished()
    assert api.sdk.networks.get_by_id(network.id).protection == {"delete": True}
