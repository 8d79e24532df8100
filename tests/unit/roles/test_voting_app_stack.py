# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rendered stack, held against the contract in ``voting_app_stack.yml``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROLE = Path(__file__).parents[3] / "roles" / "voting_app"
CONTRACT = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))


def render(images: str, publish: str) -> dict[str, Any]:
    """The stack file as the role renders it with its defaults."""
    variables = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    image_sets = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))["voting_app_image_sets"]
    # Ansible's own settings of Jinja.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"), trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["to_json"] = json.dumps
    variables |= {"voting_app_built_prefix": "voteapp.internal"}
    chosen = {name: environment.from_string(image).render(variables) for name, image in image_sets[images].items()}
    text = environment.get_template("docker-stack.yml.j2").render(
        variables | {"voting_app_images": images, "voting_app_publish": publish, "voting_app_image": chosen}
    )
    stack: dict[str, Any] = yaml.safe_load(text)
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


@pytest.mark.parametrize("publish", ["mesh", "edge"])
def test_upstream_is_the_articles_stack(publish: str) -> None:
    additions = CONTRACT["additions"][publish]
    rendered = render("upstream", publish)
    services = {name: without(service, additions["services"]) for name, service in rendered["services"].items()}
    assert services == CONTRACT["article"][publish] | {
        name: services[name] for name in additions["whole_services"] if name in services
    }
    assert set(services) == set(CONTRACT["article"][publish]) | set(additions["whole_services"])
    assert set(rendered["volumes"]) == {"db-data"}


@pytest.mark.parametrize("publish", ["mesh", "edge"])
@pytest.mark.parametrize("images", ["built", "upstream"])
def test_nothing_that_faces_the_internet_shares_a_network_with_a_store(images: str, publish: str) -> None:
    services = render(images, publish)["services"]
    facing = set(services.get("edge", {"networks": []})["networks"])
    assert not facing & (set(services["redis"]["networks"]) | set(services["db"]["networks"]))


def test_built_images_carry_no_password() -> None:
    rendered = render("built", "edge")
    for service in rendered["services"].values():
        assert "POSTGRES_PASSWORD" not in service.get("environment", {})
    assert rendered["secrets"] == {"db_password": {"external": True}}


def test_our_images_never_pose_as_upstreams() -> None:
    for name, service in render("built", "edge")["services"].items():
        registry = service["image"].partition("/")[0]
        assert "." in registry, f"{name}: {service['image']} would be on the default registry"
