# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker's packages on a server: what is there, what is refused, and what a change does. The order matters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from testinfra.host import Host

PACKAGES = ["docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin"]
SOURCES = "/etc/apt/sources.list.d/docker.sources"
REFUSALS: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "refusals.yml").read_text(encoding="utf-8")
)
Converge = Callable[..., Any]


def starts(host: Host) -> int:
    """How often the engine was started so far."""
    journal: str = host.check_output("journalctl --unit=docker --output=cat")
    return journal.count("Started docker.service")


@pytest.fixture(scope="module")
def starts_before(engine: Host) -> int:
    return starts(engine)


@pytest.mark.parametrize("name", PACKAGES)
def test_the_packages_of_the_article_are_installed(engine: Host, name: str) -> None:
    assert engine.package(name).is_installed


@pytest.mark.parametrize("name", ["docker-ce", "docker-ce-cli"])
def test_the_version_is_the_pinned_one(engine: Host, name: str) -> None:
    assert engine.package(name).version.startswith("5:28.5.2-1~")


def test_the_engine_runs_now_and_at_boot(engine: Host, starts_before: int) -> None:
    service = engine.service("docker")
    assert service.is_running
    assert service.is_enabled
    assert engine.check_output("docker info --format '{{.Driver}}'")


def test_two_runs_started_it_once(starts_before: int) -> None:
    assert starts_before == 1


def test_the_repository_is_trusted_by_its_own_key_only(engine: Host) -> None:
    sources = engine.file(SOURCES)
    assert (sources.user, sources.group, sources.mode) == ("root", "root", 0o644)
    fields = dict(line.partition(": ")[::2] for line in sources.content_string.splitlines() if ": " in line)
    assert fields["URIs"].endswith("/good/debian") or fields["URIs"].endswith("/good/ubuntu")
    assert fields["Components"] == "stable"
    assert fields["Architectures"] == engine.check_output("dpkg --print-architecture")
    assert "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n" in sources.content_string
    assert not engine.file("/etc/apt/trusted.gpg").exists


def test_only_the_role_changes_the_engine(engine: Host) -> None:
    assert set(engine.check_output("apt-mark showhold").split()) == {"docker-ce", "docker-ce-cli", "containerd.io"}


def test_services_may_be_started_by_installations_again(engine: Host) -> None:
    assert not engine.file("/usr/sbin/policy-rc.d").exists


def test_the_registry_is_trusted(engine: Host) -> None:
    authority = engine.file("/etc/docker/certs.d/198.18.52.1:5000/ca.crt")
    assert authority.mode == 0o444
    assert authority.content_string.startswith("-----BEGIN CERTIFICATE-----")


def test_a_dry_run_tells_what_would_change_and_changes_nothing(bare: Host, converge: Converge) -> None:
    forecast = converge("--check", engine_servers="engine-1:engine-2")
    assert forecast.exit_code == 0
    assert forecast.changed > 0
    assert not bare.file(SOURCES).exists
    assert not bare.file("/etc/docker").exists


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_names_the_setting(said: dict[str, str], case: str) -> None:
    assert [word for word in REFUSALS[case]["names"] if word not in said[case]] == []


def test_a_refusal_changes_nothing(engine: Host, said: dict[str, str], starts_before: int) -> None:
    assert starts(engine) == starts_before
    assert engine.package("docker-ce").version.startswith("5:28.5.2-1~")
    assert "no-such-setting" not in engine.file("/etc/docker/daemon.json").content_string


def test_a_failed_installation_leaves_no_package(bare: Host, said: dict[str, str]) -> None:
    assert [name for name in [*PACKAGES, "docker.io", "containerd", "runc"] if bare.package(name).is_installed] == []


def test_a_failed_installation_leaves_apt_in_order(bare: Host, said: dict[str, str]) -> None:
    assert not [name for name in ("foreign", "tampered") if name in bare.file(SOURCES).content_string]
    bare.check_output("apt-get update --quiet --error-on=any")
    bare.check_output("apt-get check --quiet")


# What an engine may leave of an overlay network that its tasks were on.
LEFTOVER = """
set -e
ip link add vx-001000-aaaaa type vxlan id 4242 dstport 4790
mkdir -p /run/docker/netns
touch /run/docker/netns/1-aaaaaaaaaa
unshare --net mount --bind /proc/self/ns/net /run/docker/netns/1-aaaaaaaaaa
"""
NOTHING_LEFT = "test ! -e /sys/class/net/vx-001000-aaaaa -a ! -e /run/docker/netns/1-aaaaaaaaaa"


def test_a_changed_configuration_restarts_the_engine_once_and_without_leftovers(
    engine: Host, converge: Converge, starts_before: int
) -> None:
    engine.check_output(LEFTOVER)
    assert engine.run(NOTHING_LEFT).rc != 0
    assert converge(engine_daemon_config={"debug": True}).exit_code == 0
    assert starts(engine) == starts_before + 1
    assert engine.run(NOTHING_LEFT).rc == 0
    assert json.loads(engine.check_output("docker info --format '{{json .Debug}}'"))


def test_a_raised_version_upgrades_and_restarts_once(
    engine: Host, bare: Host, converge: Converge, starts_before: int
) -> None:
    assert converge(engine_version="29.0", engine_servers="engine-1:engine-2").exit_code == 0
    for host in (engine, bare):
        assert host.package("docker-ce").version.startswith("5:29.0.0-1~")
        test_only_the_role_changes_the_engine(host)
    assert starts(engine) == starts_before + 2
    assert starts(bare) == 1


def test_an_engine_that_does_not_start_again_stops_no_other(engine: Host, bare: Host, converge: Converge) -> None:
    # Valid by itself; only beside the arguments of the service it is one too many.
    failed = converge(
        engine_version="29.0", engine_servers="engine-1:engine-2", engine_daemon_config={"hosts": ["fd://"]}
    )
    assert "engine-1: the engine does not start" in failed.said
    assert "both as a flag and in the configuration file: hosts" in failed.said
    assert "engine_daemon_config" in failed.said
    assert not engine.service("docker").is_running
    assert bare.service("docker").is_running
    assert starts(bare) == 1


def test_an_unfinished_run_is_continued(engine: Host, bare: Host, converge: Converge, starts_before: int) -> None:
    assert converge(engine_version="29.0", engine_servers="engine-1:engine-2").exit_code == 0
    assert engine.service("docker").is_running
    assert starts(engine) == starts_before + 3
    bare.check_output("touch /etc/docker/daemon.json")
    before = starts(bare)
    assert converge(engine_version="29.0", engine_servers="engine-1:engine-2").changed == 1
    assert starts(bare) == before + 1
