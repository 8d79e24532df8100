# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main job on the lab, as ``make demo`` runs it: from nothing to a vote counted on every node, with its times."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lab import playbook
from lab.config import PROJECT, Settings

console = Console(highlight=False, soft_wrap=True)
LAST_LINES = 20


def lab(*arguments: str) -> str:
    """Output of a ``lab`` command that must succeed."""
    command = [str(PROJECT / ".venv/bin/lab"), *arguments]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def bring_up() -> None:
    """Start the lab; it shows its own progress."""
    subprocess.run([str(PROJECT / ".venv/bin/lab"), "up"], check=True)


def status() -> dict[str, Any]:
    """What ``lab status --json`` says."""
    told: dict[str, Any] = json.loads(lab("status", "--json"))
    return told


def environment() -> dict[str, str]:
    """What ``lab env`` tells a shell, as a mapping."""
    lines = (line.removeprefix("export ") for line in lab("env").splitlines() if "=" in line)
    return {name: value.strip("'\"") for name, _, value in (line.partition("=") for line in lines)}


def converge(state: Path, *arguments: str) -> playbook.Run:
    """Run site.yml as the demo does, showing each phase as it goes."""
    shown: list[str] = []
    with console.status("Ansible starts") as spinner:

        def progress(phase: str, task: str) -> None:
            if phase not in shown:
                shown.append(phase)
                console.print(f"  {phase}")
            spinner.update(f"{phase}: {task.rpartition(' : ')[2]}")

        return playbook.run(
            "site.yml",
            project=PROJECT,
            environment=environment(),
            log=state / "logs" / "site.jsonl",
            arguments=("-e", "verify_cast_votes=true", *arguments),
            progress=progress,
        )


def silent_servers() -> list[str]:
    """Servers that no SSH connection can be opened to."""
    return [server["name"] for server in status()["servers"] if not answers(server["name"])]


def answers(server: str) -> bool:
    command = [str(PROJECT / ".venv/bin/lab"), "ssh", server, "-oConnectTimeout=5", "true"]
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


class Timings:
    """Seconds of each step, beside those of the first run in this folder, which had nothing prepared."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self.now: dict[str, float] = {}

    def measure(self, step: str, work: Callable[[], None]) -> None:
        began = time.monotonic()
        work()
        self.now[step] = time.monotonic() - began

    def keep(self) -> None:
        if not self.first:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.now, indent=1), encoding="utf-8")

    def table(self) -> Table:
        table = Table("step", *(["first run here, s"] if self.first else []), "this run, s", box=None, pad_edge=False)
        for step, seconds in self.now.items():
            first = [f"{self.first[step]:7.1f}" if step in self.first else ""] if self.first else []
            table.add_row(step, *first, f"{seconds:7.1f}")
        return table


def main(*arguments: str) -> int:
    """Returns the exit code: 0 when a vote through every node was seen counted on every node.

    arguments: more of them for ansible-playbook.
    """
    state = Settings.from_environment().state
    timings = Timings(state / "timings.json")
    console.print("[bold]The lab[/bold]: a Hetzner Cloud on this machine")
    timings.measure("lab", bring_up)

    console.print("\n[bold]playbooks/site.yml[/bold]: from nothing to counted votes")
    run = converge(state, *arguments)
    timings.now |= {phase: seconds for phase, seconds in run.phases.items() if phase != "Start"}
    if run.exit_code != 0:
        explain(run, state)
        return run.exit_code
    timings.keep()
    show_result(run, timings)
    return 0


def explain(run: playbook.Run, state: Path) -> None:
    """Say what failed and where to look; of servers that did not come up, what they printed last."""
    console.print("\n[bold red]It failed[/bold red]")
    for failure in run.failures:
        console.print(f"  {failure}", markup=False)
    for name in silent_servers():
        console.print(f"\n{name} does not answer; its console ended with (all of it: lab console {name})")
        for line in lab("console", name).splitlines()[-LAST_LINES:]:
            console.print(f"  {line}", markup=False)
    console.print(f"Every event is in {state}/logs/site.jsonl. Mend it and run make demo again: it goes on.")


def show_result(run: playbook.Run, timings: Timings) -> None:
    """Print nodes, services, votes, addresses and times."""
    told = status()
    servers = told["servers"]
    backend = told["backend"]
    console.print(f"\n[bold]Servers[/bold] of kind {backend['name']} ({backend['why']}): {backend['runs']}")
    first = servers[0]["name"]
    for title, command in {
        "Nodes": "docker node ls",
        "Services": "docker service ls",
    }.items():
        console.print(f"\n[bold]{title}[/bold] ({command})")
        console.print(lab("ssh", first, command).rstrip(), markup=False)

    report = run.reports["triad.hetzner_swarm.voting_app : Report"][0]
    console.print(f"\n[bold]Votes[/bold] {report['votes']}: {report['pairs']}")
    for server in servers:
        if server["image_stand_in"]:
            console.print(f"{server['name']} runs {server['image_actual']}: {server['image']} cannot be had here")
    console.print("\n[bold]Open[/bold]")
    for server in servers:
        address = server["public_ipv4"]
        console.print(f"  {server['name']:14} vote http://{address}:8080   result http://{address}:8081")

    console.print()
    console.print(timings.table())
    hosts = ", ".join(f"{host} changed={counts['changed']}" for host, counts in run.hosts.items())
    console.print(f"\n{'Nothing changed' if run.changed == 0 else 'Done'}: {hosts}")
    console.print("Run make demo again to see that nothing changes, make demo-down to remove all of it.")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
