# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rendered stacks of the app and of its stores, held against the contract in ``test_voting_app_stack.yml``."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.certificates import issue
from tests.unit.roles.templating import evaluate

ROOT = Path(__file__).parents[3]
ROLE = ROOT / "roles" / "voting_app"
CONTRACT = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))
DEFAULTS: dict[str, Any] = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
STORES: dict[str, dict[str, Any]] = CONTRACT["stores"]
MEMBERS = {f"{store}-{number}": (store, number) for store in STORES for number in (1, 2, 3)}

publishings = pytest.mark.parametrize("publish", ["mesh", "edge"])
image_sets = pytest.mark.parametrize("images", ["built", "upstream"])


def render(template: str, **settings: Any) -> str:
    """A template as Ansible renders it for the role with its defaults and these settings."""
    return str(
        value(
            "{{ lookup('template', template_path) }}",
            template_path=str(ROLE / "templates" / template),
            **settings,
        )
    )


def value(expression: str, **settings: Any) -> Any:
    """What Ansible makes of an expression in a task of the role."""
    return evaluate(ROLE, expression, CONTRACT["settings"] | settings)


def app(images: str, publish: str, data: str = "single", **settings: Any) -> dict[str, Any]:
    settings |= {"voting_app_images": images, "voting_app_publish": publish, "voting_app_data": data}
    stack: dict[str, Any] = yaml.safe_load(render("docker-stack.yml.j2", **settings))
    return stack


def stores(images: str = "built", **settings: Any) -> dict[str, Any]:
    stack: dict[str, Any] = yaml.safe_load(render("data-stack.yml.j2", voting_app_images=images, **settings))
    return stack


def without(service: dict[str, Any], additions: list[str]) -> dict[str, Any]:
    """A service less what is documented as added to the article's: dotted paths, or ``list=item``."""
    service = json.loads(json.dumps(service))
    for addition in additions:
        *parents, last = addition.split(".")
        place = service
        for parent in parents:
            place = place.get(parent, {})
        key, _, item = last.partition("=")
        if item:
            place[key] = [entry for entry in place.get(key, []) if entry != item]
        else:
            place.pop(key, None)
    return {key: value for key, value in service.items() if value not in ({}, [])}


@publishings
def test_upstream_is_the_articles_stack(publish: str) -> None:
    additions = CONTRACT["additions"][publish]
    rendered = app("upstream", publish)
    services = {name: without(service, additions["services"]) for name, service in rendered["services"].items()}
    assert services == CONTRACT["article"][publish] | {
        name: services[name] for name in additions["whole_services"] if name in services
    }
    assert set(services) == set(CONTRACT["article"][publish]) | set(additions["whole_services"])
    assert set(rendered["volumes"]) == {"db-data"}


@publishings
@image_sets
@pytest.mark.parametrize("data", ["single", "replicated"])
def test_nothing_that_faces_the_internet_shares_a_network_with_a_store(images: str, publish: str, data: str) -> None:
    services = app(images, publish, data)["services"]
    facing = set(services.get("edge", {"networks": []})["networks"])
    assert not facing & (set(services["redis"]["networks"]) | set(services["db"]["networks"]))


@pytest.mark.parametrize(
    ("variable", "wanted", "runs_with"),
    [
        ("voting_app_publish", "mesh", "edge"),
        ("voting_app_publish", "edge", "mesh"),
        ("voting_app_encrypt_networks", True, False),
        ("voting_app_encrypt_networks", False, True),
        ("voting_app_network_mtu", 1400, 1450),
    ],
)
def test_what_the_networks_of_a_running_app_cannot_become_is_named(
    variable: str, wanted: object, runs_with: object
) -> None:
    running = {variable: runs_with}
    recorded = {"releases": [{"networks": yaml.safe_load(render("docker-stack.yml.j2", **running))["networks"]}]}
    unchangeable = "{{ voting_app_unchangeable }}"
    assert value(unchangeable, **running, voting_app_recorded=recorded) == []
    assert value(unchangeable, **{variable: wanted}, voting_app_recorded=recorded) == [
        f"{variable} is {wanted}, and the app runs with {runs_with}".lower()
    ]
    assert value(unchangeable, **{variable: wanted}, voting_app_recorded={"releases": []}) == []


@publishings
@image_sets
def test_only_proxies_and_accounts_reach_the_members(images: str, publish: str) -> None:
    stack = app(images, publish, "replicated")
    reaches = {
        name: [network for network in service["networks"] if network in ("queue", "database")]
        for name, service in stack["services"].items()
    }
    assert {name: networks for name, networks in reaches.items() if networks} == {
        "redis": ["queue"],
        "db": ["database"],
    } | ({"accounts": ["queue"]} if images == "built" else {})
    assert "edge" in reaches or publish == "mesh"
    # They are the members' own networks, by the names that these have as those of another stack.
    assert {name: network for name, network in stack["networks"].items() if network.get("external")} == {
        name: {"external": True, "name": f"voteapp-data_{name}"} for name in stores(images)["networks"]
    }


@publishings
@image_sets
def test_a_proxy_on_each_node_stands_for_a_store(images: str, publish: str) -> None:
    stack = app(images, publish, "replicated")
    assert "volumes" not in stack
    for name, network in (("redis", "frontend"), ("db", "backend")):
        proxy = stack["services"][name]
        assert (proxy["deploy"]["mode"], proxy["deploy"]["endpoint_mode"]) == ("global", "dnsrr")
        assert "placement" not in proxy["deploy"]
        assert not {"ports", "volumes", "secrets"} & set(proxy)
        # Where the app looks for the store, it finds the proxy.
        assert network in proxy["networks"]
        assert [config["source"] for config in proxy["configs"]] == [name]
        assert stack["configs"][name] == {"external": True}


@pytest.mark.parametrize("store", ["redis", "db"])
def test_a_proxy_knows_the_members_of_its_store_at_the_stores_port(store: str) -> None:
    configuration = render("leader.cfg.j2", store=store)
    port = STORES[store]["port"]
    assert re.findall(r"^ +server (\S+) (\S+)$", configuration, re.MULTILINE) == [
        (name, f"{name}:{port}") for name, (member_of, _) in MEMBERS.items() if member_of == store
    ]
    assert re.findall(r"^ +bind \*:(\d+)$", configuration, re.MULTILINE) == ["8082", str(port)]
    assert ("role:master" in configuration, "/primary" in configuration) == (store == "redis", store == "db")


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="there is no HAProxy on this machine")
@pytest.mark.parametrize("store", ["redis", "db"])
def test_haproxy_takes_the_configuration_of_a_proxy(store: str, tmp_path: Path) -> None:
    path = tmp_path / "haproxy.cfg"
    path.write_text(render("leader.cfg.j2", store=store), encoding="utf-8")
    check = subprocess.run(["haproxy", "-c", "-f", path], capture_output=True, text=True, check=False, timeout=20)
    assert check.returncode == 0, check.stdout + check.stderr


@image_sets
def test_each_member_is_one_task_on_the_node_of_its_number(images: str) -> None:
    stack = stores(images)
    assert set(stack["services"]) == set(MEMBERS)
    for name, (store, number) in MEMBERS.items():
        member = stack["services"][name]
        assert member["deploy"].get("mode", "replicated") == "replicated"
        assert member["deploy"].get("replicas", 1) == 1
        assert member["deploy"]["endpoint_mode"] == "dnsrr"
        assert member["deploy"]["placement"]["constraints"] == [f"node.labels.voteapp.member == {number}"]
        # The new task never meets the old one on their volume.
        assert member["deploy"]["update_config"]["order"] == "stop-first"
        assert member["networks"] == [STORES[store]["network"]]
        assert "ports" not in member
        # Names of peers that are not there have to fail at once.
        assert member["dns"] == ["127.0.0.1"]
    assert {name: network["internal"] for name, network in stack["networks"].items()} == {
        store["network"]: True for store in STORES.values()
    }


def test_a_check_before_there_are_labels_names_the_nodes() -> None:
    nodes = {"1": "node-a", "2": "node-b", "3": "node-c"}
    rendered = stores(voting_app_member_places=nodes)["services"]
    for name, (_, number) in MEMBERS.items():
        assert rendered[name]["deploy"]["placement"]["constraints"] == [f"node.hostname == {nodes[str(number)]}"]


@image_sets
def test_each_member_has_a_volume_of_its_own(images: str) -> None:
    stack = stores(images)
    mounts = {}
    for name, (store, number) in MEMBERS.items():
        (mount,) = [mount for mount in stack["services"][name]["volumes"] if isinstance(mount, str)]
        volume, _, path = mount.partition(":")
        # Each node has a volume of that name, so a number and a name have to be one member's.
        mounts[number, volume] = name
        dockerfile = (ROOT / "apps" / STORES[store]["image"] / "Dockerfile").read_text(encoding="utf-8")
        assert f"VOLUME {path}\n" in dockerfile
    assert len(mounts) == len(MEMBERS)
    assert (
        set(stack["volumes"]) == {volume for _, volume in mounts} == set(value("{{ voting_app_stores_of_a_member }}"))
    )


def test_members_know_themselves_and_each_other() -> None:
    services = stores()["services"]
    names = {store: [name for name, (member_of, _) in MEMBERS.items() if member_of == store] for store in STORES}
    for name, (store, _) in MEMBERS.items():
        environment = services[name]["environment"]
        assert environment[STORES[store]["name"]] == name
        for variable, of in STORES[store].get("knows", {}).items():
            assert environment[variable].split() == names[of]
    hosts = ",".join(f"{name}:2379" for name in names["etcd"])
    assert {services[name]["environment"]["PATRONI_ETCD3_HOSTS"] for name in names["db"]} == {hosts}


def files(service: dict[str, Any]) -> set[str]:
    """The paths of the secrets that a service is given."""
    secrets = [{"target": one} if isinstance(one, str) else one for one in service.get("secrets", [])]
    return {f"/run/secrets/{one['target']}" for one in secrets}


@pytest.mark.parametrize("data", ["single", "replicated"])
@publishings
def test_built_images_are_given_passwords_as_files_alone(publish: str, data: str) -> None:
    rendered = app("built", publish, data)
    for name, service in [*rendered["services"].items(), *stores("built")["services"].items()]:
        settings = {key: value for key, value in service.get("environment", {}).items() if "PASSWORD" in key}
        assert all(key.endswith("_FILE") for key in settings), name
        assert set(settings.values()) <= files(service), name


@pytest.mark.parametrize("data", ["single", "replicated"])
def test_the_app_has_an_account_of_its_own_and_administrators_are_elsewhere(data: str) -> None:
    rendered = app("built", "edge", data, voting_app_accounts=[3, 4], voting_app_account=3)
    services = rendered["services"]
    for name, stores_of in CONTRACT["logins"].items():
        environment = services[name]["environment"]
        assert {key: environment[key] for key in environment if key.endswith("_USER")} == {
            f"{store}_USER": "voteapp_3" for store in stores_of
        }
        assert {one["source"] for one in services[name]["secrets"]} == {
            {"REDIS": "queue_account_3", "POSTGRES": "db_account_3"}[store] for store in stores_of
        }
    administrators = {name for name, service in services.items() if "redis_password" in service.get("secrets", [])}
    assert administrators == {"accounts"} | ({"redis"} if data == "single" else set())
    assert services["accounts"]["environment"]["ACCOUNTS"] == "voteapp_3 voteapp_4"
    assert {path for path in files(services["accounts"]) if "voteapp" in path} == {
        f"/run/secrets/{store}_voteapp_{number}" for store in ("queue", "db") for number in (3, 4)
    }
    own = {f"{store}_account_{number}" for store in ("queue", "db") for number in (3, 4)}
    assert {name: secret for name, secret in rendered["secrets"].items() if name in own} == {
        name: {"external": True} for name in own
    }
    # Those of the administrators are the stores' own.
    assert {name: secret.get("name") for name, secret in rendered["secrets"].items() if name not in own} == {
        f"{store}_password": f"voteapp-data_{store}_password_v1" if data == "replicated" else None
        for store in ("redis", "db")
    }


@publishings
def test_our_containers_have_nothing_that_they_do_not_need(publish: str) -> None:
    everything = app("built", publish)["services"] | app("built", publish, "replicated")["services"]
    for name, service in (everything | stores("built")["services"]).items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name


@publishings
@image_sets
@pytest.mark.parametrize("data", ["single", "replicated"])
def test_memory_processes_and_logs_are_bounded(images: str, publish: str, data: str) -> None:
    for name, service in (app(images, publish, data)["services"] | stores(images)["services"]).items():
        assert set(service["deploy"]["resources"]["limits"]) == {"memory", "pids"}, name
        assert service["logging"]["options"]["max-size"], name
        for mount in service.get("volumes", []):
            assert isinstance(mount, str) or mount["tmpfs"]["size"] > 0, name


@pytest.mark.parametrize("data", ["single", "replicated"])
def test_health_is_looked_at_as_often_as_is_asked_for(data: str) -> None:
    settings: dict[str, Any] = {"voting_app_healthcheck": {"interval": 60}}
    services = app("built", "edge", data, **settings)["services"] | stores(**settings)["services"]
    asked = {"interval": "60s", "timeout": "10s", "start_period": "180s", "start_interval": "1s"}
    for name, service in services.items():
        told = {setting: value for setting, value in service["healthcheck"].items() if setting != "test"}
        assert told == asked, name


@pytest.mark.parametrize("data", ["single", "replicated"])
def test_whoever_runs_in_a_container_may_write_to_its_places_in_memory(data: str) -> None:
    """The engine mounts them as root's, with the mode of the directory beneath; these two are everybody's anyway."""
    for name, service in (app("built", "edge", data)["services"] | stores()["services"]).items():
        image = service["image"].rpartition("/")[2].partition(":")[0]
        recipe = (ROOT / "apps" / image / "Dockerfile").read_text(encoding="utf-8")
        for mount in service.get("volumes", []):
            if isinstance(mount, dict) and mount["target"] not in ("/dev/shm", "/tmp"):
                assert f"-m 1777 {mount['target']}\n" in recipe, name


@image_sets
@publishings
def test_tasks_that_can_be_several_are_replaced_one_by_one_and_far_from_each_other(images: str, publish: str) -> None:
    services = app(images, publish, voting_app_replicas={"vote": 6})["services"]
    for name, count in {"vote": 6, "result": 2 if images == "built" else 1, "worker": 2}.items():
        deploy = services[name]["deploy"]
        assert deploy["replicas"] == count
        assert deploy["placement"]["preferences"] == [{"spread": "node.labels.location"}]
        assert deploy["update_config"] == {"order": "start-first", "failure_action": "rollback"}
        assert deploy["rollback_config"] == {"order": "start-first"}


def test_one_service_may_have_another_version() -> None:
    services = app("built", "edge", voting_app_versions={"vote": "9.9.9"})["services"]
    versions = {name: service["image"].rpartition(":")[2] for name, service in services.items()}
    assert versions == dict.fromkeys(services, DEFAULTS["voting_app_version"]) | {"vote": "9.9.9"}


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="there is no HAProxy on this machine")
@pytest.mark.parametrize("case", CONTRACT["edges"], ids=lambda case: case["id"])
def test_haproxy_takes_the_configuration_of_the_edge(case: dict[str, Any], tmp_path: Path) -> None:
    configuration = render("edge.cfg.j2", **case["settings"])
    for line in case["has"]:
        assert re.search(rf"^ +{re.escape(line)}$", configuration, re.MULTILINE), line
    for word in case["lacks"]:
        assert word not in configuration
    certificate = tmp_path / "edge_certificate"
    issued = issue(IPv4Address("192.0.2.1"), "tests")
    # As lookups of files give it.
    given = issued.certificate.decode().rstrip() + issued.key.decode().rstrip()
    certificate.write_text(value("{{ voting_app_edge_certificate }}", voting_app_tls_certificate=given))
    path = tmp_path / "haproxy.cfg"
    path.write_text(configuration.replace("/run/secrets/edge_certificate", str(certificate)), encoding="utf-8")
    check = subprocess.run(["haproxy", "-c", "-f", path], capture_output=True, text=True, check=False, timeout=20)
    assert check.returncode == 0, check.stdout + check.stderr


def test_the_edge_is_given_as_long_to_stop_as_it_takes() -> None:
    edge = app("built", "edge", voting_app_edge_grace=25, voting_app_tls_certificate="PEM")["services"]["edge"]
    assert edge["stop_grace_period"] == "35s"
    assert edge["stop_signal"] == "SIGUSR1"
    assert edge["deploy"]["update_config"] == {"order": "stop-first", "delay": "25s", "failure_action": "rollback"}
    assert files(edge) == {"/run/secrets/edge_certificate"}


def test_upstreams_images_keep_the_password_that_is_fixed_in_them() -> None:
    assert app("upstream", "edge")["services"]["db"]["environment"]["POSTGRES_PASSWORD"] == "postgres"
    assert "secrets" not in app("upstream", "edge", "replicated")
    stack = stores("upstream")
    for number in (1, 2, 3):
        member = stack["services"][f"db-{number}"]
        assert member["environment"]["POSTGRES_PASSWORD"] == "postgres"
        assert "POSTGRES_PASSWORD_FILE" not in member["environment"]
        assert member["secrets"] == ["replication_password"]
    assert stack["secrets"] == {"replication_password": {"external": True}}


def test_the_stores_declare_the_secrets_that_members_use() -> None:
    stack = stores("built")
    used = {name: service["secrets"] for name, service in stack["services"].items() if "secrets" in service}
    secrets = {"db": ["replication_password", "db_password"], "redis": ["redis_password"]}
    secrets["sentinel"] = secrets["redis"]
    assert used == {name: secrets[store] for name, (store, _) in MEMBERS.items() if store in secrets}
    assert stack["secrets"] == {name: {"external": True} for names in secrets.values() for name in names}


@pytest.mark.parametrize(
    ("registry", "prefix"), [("", "voteapp.internal"), ("r.example:5000", "r.example:5000/voteapp")]
)
@pytest.mark.parametrize("data", ["single", "replicated"])
def test_our_images_never_pose_as_upstreams(data: str, registry: str, prefix: str) -> None:
    named = app("built", "edge", data, voting_app_registry=registry)["services"]
    # What the stores are made of is ours, whatever the app's own images are.
    named |= stores("upstream", voting_app_registry=registry)["services"]
    proxies = app("upstream", "edge", "replicated", voting_app_registry=registry)["services"]
    named |= {f"proxy of {name}": proxies[name] for name in ("redis", "db")}
    for name, service in named.items():
        assert service["image"].rpartition("/")[0] == prefix, f"{name}: {service['image']}"
        assert "." in service["image"].partition("/")[0], f"{name}: {service['image']} would be on the default registry"
    for name, (store, _) in MEMBERS.items():
        assert named[name]["image"] == f"{prefix}/{STORES[store]['image']}:{DEFAULTS['voting_app_version']}"


# A vote waits for a replica only where there is one, and only where the page can.
@pytest.mark.parametrize(
    ("images", "data", "replicas"),
    [
        ("built", "replicated", "1"),
        ("built", "single", None),
        ("upstream", "replicated", None),
        ("upstream", "single", None),
    ],
)
@publishings
def test_votes_wait_for_a_replica_where_there_is_one(
    images: str, data: str, replicas: str | None, publish: str
) -> None:
    services = app(images, publish, data)["services"]
    assert services["vote"].get("environment", {}).get("VOTE_REPLICAS") == replicas
    assert not [
        name for name in services if name != "vote" and "VOTE_REPLICAS" in services[name].get("environment", {})
    ]
