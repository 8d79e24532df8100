# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command ``lab``."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from docker.errors import DockerException
from rich.console import Console
from rich.table import Table

from lab import inventory
from lab.api.server import PortError, listen
from lab.api.server import serve as serve_api
from lab.api.store import StoreError
from lab.balancers.base import BalancerError
from lab.config import Settings, SettingsError
from lab.daemons import DaemonError
from lab.engine import EngineError
from lab.fabric import FabricError
from lab.hosting import HostingError
from lab.images import apps
from lab.images.building import ImageError
from lab.images.publishing import Publisher
from lab.machines.base import MachineError
from lab.machines.records import Record
from lab.operations import Lab, LabError

EXPECTED = (
    SettingsError, DaemonError, EngineError, FabricError, ImageError, MachineError, BalancerError, HostingError,
    LabError, PortError, StoreError,
    DockerException,
)  # fmt: skip

app = typer.Typer(
    help="A local Hetzner Cloud: its API, and real machines behind it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console(highlight=False, soft_wrap=True)

Name = Annotated[str, typer.Argument(help="The server's name.")]


class Steps:
    """Prints each step with the time it took, and what it is doing meanwhile."""

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        began = time.monotonic()
        with out.status(f"{title} ...") as spinner:

            def say(text: str) -> None:
                spinner.update(f"{title}: {text} ...")
                if not out.is_terminal:
                    out.print(f"  {title}: {text} ...", markup=False)

            yield say
        out.print(f"  {title:28} {time.monotonic() - began:6.1f} s", markup=False)


def this_lab() -> Lab:
    return Lab(Settings.from_environment())


@app.command()
def up() -> None:
    """Start the lab: engine, networks, registry, API; builds images that are missing. Again: changes nothing."""
    lab = this_lab()
    began = time.monotonic()
    changed = lab.up(Steps())
    _hand_over(lab.settings.state)
    took = time.monotonic() - began
    said = "is up" if changed else "is already up"
    out.print(f"lab {lab.settings.name} {said}: {lab.settings.endpoint} ({took:.1f} s)", markup=False)
    if (platform := lab.hosting.known) is not None and platform.image.serves != "ubuntu-22.04":
        out.print(f"note: {platform.image.actual} stands in for ubuntu-22.04, which cannot be had here", markup=False)


@app.command()
def down() -> None:
    """Remove the lab: machines, networks, processes; built images stay in the cache."""
    lab = this_lab()
    gone = lab.down(Steps())
    said = f"is down; removed: {', '.join(gone)}" if gone else "was not up: there was nothing to remove"
    out.print(f"lab {lab.settings.name} {said}", markup=False)


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show where the API is, and which servers and load balancers there are."""
    told = this_lab().status()
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    out.print(f"lab {told['name']} is {'up' if told['up'] else 'down'}; API {told['api']}", markup=False)
    backend = told["backend"]
    out.print(f"machines: {backend['name']} ({backend['why']}); {backend['runs'] or 'not running'}", markup=False)
    if told["registry"]:
        out.print(f"registry: {told['registry']['address']}, mirror: {told['mirror'] or 'none'}", markup=False)
    table = Table("server", "status", "location", "image", "public", "private", box=None, pad_edge=False)
    for server in told["servers"]:
        stand_in = f" (really {server['image_actual']})" if server["image_stand_in"] else ""
        image = f"{server['image']}{stand_in}"
        table.add_row(server["name"], server["status"], server["location"], image, *_addresses(server))
    if told["servers"]:
        out.print(table)
    table = Table("load balancer", "type", "targets, by port", "public", "private", box=None, pad_edge=False)
    for balancer in told["load_balancers"]:
        health = "\n".join(
            f"{port}: {', '.join(f'{count} {status}' for status, count in sorted(counts.items())) or 'none'}"
            for port, counts in balancer["health"].items()
        )
        table.add_row(balancer["name"], balancer["type"], health, *_addresses(balancer))
    if told["load_balancers"]:
        out.print(table)


@app.command()
def env() -> None:
    """Print what a shell needs to use the lab: eval "$(lab env)"."""
    for name, value in inventory.environment(this_lab().settings).items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def ssh(name: Name, command: Annotated[list[str] | None, typer.Argument(help="What to run there.")] = None) -> None:
    """Open a shell on a server, or run a command there."""
    lab = this_lab()
    record = lab.hosting.machines().records.named(name)
    # Of two values of an option ssh takes the first, and that is to be the one that was asked for.
    given = list(takewhile(re.compile("-o.").match, command or []))
    arguments = [*given, *_ssh_arguments(lab.settings, record), *(command or [])[len(given) :]]
    os.execvp("ssh", ["ssh", *arguments])  # noqa: S606 - no shell is meant


@app.command()
def console(name: Name) -> None:
    """Print what a server has printed on its console since it was made."""
    machines = this_lab().hosting.machines()
    typer.echo(machines.console(machines.records.named(name).spec.server_id))


@app.command()
def kill(name: Name) -> None:
    """Let a server die: its packets stop without a word, then its power."""
    machines = this_lab().hosting.machines()
    machines.stop(machines.records.named(name).spec.server_id)


@app.command()
def start(name: Name) -> None:
    """Power a server on."""
    machines = this_lab().hosting.machines()
    machines.start(machines.records.named(name).spec.server_id)


@app.command()
def partition(name: Name) -> None:
    """Cut a server's cables, public and private: it runs on, its packets vanish."""
    machines = this_lab().hosting.machines()
    machines.partition(machines.records.named(name).spec.server_id)


@app.command()
def heal(name: Name) -> None:
    """Mend a server's cables."""
    machines = this_lab().hosting.machines()
    machines.heal(machines.records.named(name).spec.server_id)


@app.command()
def serve(
    machines: Annotated[str, typer.Option(help="container, vm, auto, or none for the API alone.")] = "",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 0,
    token: Annotated[str, typer.Option(help="Token to accept.", envvar="LAB_TOKEN")] = "",
    state: Annotated[
        Path | None,
        typer.Option(
            help="Folder of state and token. Without machines and folder, all is in memory.", envvar="LAB_STATE"
        ),
    ] = None,
    latency: Annotated[
        list[str] | None, typer.Option(help="COMMAND=SECONDS an action takes before its work; * for all others.")
    ] = None,
    faults: Annotated[Path | None, typer.Option(help="YAML or JSON file of rules of things going wrong.")] = None,
    rate_limit: Annotated[int | None, typer.Option(help="Requests an hour; the cloud allows 3600.")] = None,
) -> None:
    """Serve the API in the foreground; ``lab up`` does it in the background."""
    options = {"machines": machines, "api_port": port, "token": token, "state": state}
    settings = Settings.from_environment().changed({name: value for name, value in options.items() if value})
    kept = state is not None or settings.machines != "none"
    made = "" if kept or settings.token else secrets.token_hex(32)
    if made:
        settings = settings.changed({"token": made})
    lab = Lab(settings)
    api = lab.api_settings(
        **({} if kept else {"state_file": None}),
        **({} if rate_limit is None else {"rate_limit": rate_limit}),
        latencies=dict(_latency(entry) for entry in latency or []),
        faults=[] if faults is None else _rules(faults),
    )
    with listen(api.host, api.port) as listener:
        where = api.state_file or "memory"
        out.print(f"serving {settings.endpoint}, state in {where}" + (f", token {made}" if made else ""), markup=False)
        serve_api(api, lab.hosting.backend(), lab.balancers(), listener)


@app.command()
def images(
    registry: Annotated[
        str, typer.Option(help="HOST[:PORT][/PATH] to push them to; else the lab's own while it is up.")
    ] = "",
    plain_http: Annotated[
        bool, typer.Option("--plain-http", help="Let that registry speak HTTP, or show any certificate.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Build all anew, with the packages of today.")] = False,
) -> None:
    """Build the applications' images where something changed, each with its SBOMs, and push them."""
    settings = Settings.from_environment()
    publisher = Publisher(registry, plain_http=plain_http) if registry else None
    lab = None if registry else this_lab()
    with Steps().step("images of the applications") as say:
        images, built = apps.build(settings, say, fresh=fresh)
    _hand_over(settings.state)
    out.print(f"built: {', '.join(built)}" if built else "images are up to date", markup=False)
    for image in images.values():
        out.print(f"\n{image.reference}\n  id       {image.image_id}\n  archive  {image.archive}", markup=False)
        for form, path in image.sboms.items():
            out.print(f"  {form:8} {path}", markup=False)
        if publisher is not None:
            pushed = publisher.push(image)
            out.print(f"  pushed   {pushed.reference}", markup=False)
            if pushed.sbom_problem:
                out.print(f"  note: without its SBOMs: {pushed.sbom_problem}", markup=False)
    if lab is not None and lab.registry.is_up:
        pushed_names = [name for name, image in images.items() if lab.registry.push(image)]
        out.print(f"\npushed to the lab: {', '.join(pushed_names) or 'nothing new'}", markup=False)


def _latency(entry: str) -> tuple[str, str]:
    command, equals, seconds = entry.partition("=")
    if not equals:
        raise SettingsError(f"--latency: write COMMAND=SECONDS, not '{entry}'")
    return command, seconds


def _rules(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"--faults: {file} cannot be read: {error}") from None


def _api_alone() -> bool:
    """Whether no machines are meant, which needs no root."""
    given = " ".join(sys.argv[1:]).replace("=", " ")
    return os.environ.get("LAB_MACHINES") == "none" or "--machines none" in given


def _addresses(told: dict[str, Any]) -> tuple[str, str]:
    """Public and private addresses, one a line."""
    public = filter(None, (told["public_ipv4"], told["public_ipv6"]))
    return "\n".join(public), "\n".join(f"{ip} {network}" for network, ip in told["private_ips"].items())


def _ssh_arguments(settings: Settings, record: Record) -> list[str]:
    """The playbooks' key, and their record of host keys where it has one of this server; else one of the lab's own."""
    spec = record.spec
    address = spec.public_net.ipv4 or (spec.public_net.ipv6 and spec.public_net.ipv6.ip)
    if address is None:
        raise LabError(f"{spec.name} has no public address; reach it through another server")
    alias = f"{spec.name}.{spec.server_id}"
    key, known = settings.ssh / "id_ed25519", settings.ssh / "known_hosts"
    recorded = known.exists() and f"{alias} " in known.read_text(encoding="utf-8")
    if not recorded:
        known = settings.state / "known_hosts"
    options = {
        "HostKeyAlias": alias,
        "UserKnownHostsFile": str(known),
        "StrictHostKeyChecking": "yes" if recorded else "accept-new",
        "LogLevel": "ERROR",
        # A machine that goes away leaves a connection open that nobody answers any more.
        "ServerAliveInterval": "10",
        "ServerAliveCountMax": "6",
        **({"IdentityFile": str(key), "IdentitiesOnly": "yes"} if key.exists() else {}),
    }
    return [*(f"-o{name}={value}" for name, value in options.items()), f"root@{address}"]


def _hand_over(folder: Path) -> None:
    """What root wrote for somebody who used sudo belongs to them."""
    owner = os.environ.get("SUDO_UID")
    if owner is None:
        return
    group = int(os.environ["SUDO_GID"])
    for path in (folder, *folder.rglob("*")):
        os.chown(path, int(owner), group, follow_symlinks=False)


def _become_root() -> None:
    """Machines and networks need root; everything else about the call stays the same."""
    settings = Settings.from_environment()
    os.environ["LAB_CACHE"] = str(settings.cache)
    known = ("DOCKER_HOST", "SOURCE_DATE_EPOCH")
    kept = ",".join(name for name in os.environ if name.startswith("LAB_") or name in known)
    command = ["sudo", f"--preserve-env={kept}", "--", sys.executable, "-m", "lab.cli", *sys.argv[1:]]
    try:
        os.execvp("sudo", command)  # noqa: S606 - no shell is meant
    except FileNotFoundError:
        raise LabError("the lab needs root: run this as root, or install sudo") from None


def main() -> None:
    """Entry point; expected failures are one message, not a traceback."""
    try:
        if os.geteuid() != 0 and not _api_alone() and not {"--help", "env"} & set(sys.argv):
            _become_root()
        app()
    except EXPECTED as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"lab: {error}", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
