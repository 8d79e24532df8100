# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each server's own edge, asked for its health by another server all the time, and what the answers come to."""

from __future__ import annotations

import base64
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.config import PROJECT
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.stage import Stage
from tests.acceptance.updates.drill import Span

PROGRAM = Path(__file__).parent / "programs" / "probe.py"
PORT = 8080
INTERVAL = 0.05
SECONDS_TO_END = 30
# No server dies here. One that is silent is busy, and has a minute to speak again.
PATIENT = ("-oConnectTimeout=20", "-oServerAliveInterval=10", "-oServerAliveCountMax=6")
UNREADY = "503"


@dataclass(frozen=True)
class Probe:
    """began: seconds since 1970. status: HTTP's, or the name of the error."""

    began: float
    status: str

    @property
    def is_refused(self) -> bool:
        """Whether nobody answered."""
        return not self.status.isdecimal()

    @property
    def is_unready(self) -> bool:
        """Whether the edge says that nobody shall come to it."""
        return self.status == UNREADY


def read(text: str) -> list[Probe]:
    """The probes in the order they began, but for one that is just being written."""
    lines = (line.split() for line in text.rpartition("\n")[0].splitlines())
    return sorted((Probe(float(began), status) for began, status in lines), key=lambda probe: probe.began)


def spans(probes: Sequence[Probe], chosen: Callable[[Probe], bool]) -> list[Span]:
    """From the first probe of each run of chosen ones to the next one that is none, or to the last of all."""
    found: list[Span] = []
    since: float | None = None
    for probe in probes:
        if chosen(probe):
            since = probe.began if since is None else since
        elif since is not None:
            found.append((since, probe.began))
            since = None
    if since is not None:
        found.append((since, probes[-1].began))
    return found


def within(found: Sequence[Span], since: float, until: float) -> list[Span]:
    """Of each span what is between two moments, where that is something."""
    inside = ((max(begin, since), min(end, until)) for begin, end in found)
    return [(begin, end) for begin, end in inside if end > begin]


def seconds(found: Sequence[Span]) -> float:
    """How long spans are together."""
    return sum(end - begin for begin, end in found)


@contextmanager
def probed(stage: Stage, problems: list[str]) -> Iterator[Mapping[str, Path]]:
    """By server, the file of what its edge answers while the context lasts.

    A server asks the next one at its private address: with a load balancer the public ones are closed. One that does
    not ask until the end is added to the problems.
    """
    private = blueprint_addresses()
    names = list(private)
    files = {name: stage.state / "logs" / f"probes-of-{name}.txt" for name in names}
    with ExitStack() as stack:
        for name, asker in zip(names, [*names[1:], names[0]], strict=True):
            stack.enter_context(_asking(asker, private[name], files[name], problems))
        yield files


@contextmanager
def _asking(server: str, address: str, file: Path, problems: list[str]) -> Iterator[None]:
    text = base64.b64encode(PROGRAM.read_bytes()).decode()
    program = ["python3", "-c", f"import base64; exec(base64.b64decode('{text}'))", address, str(PORT)]
    command = [str(PROJECT / ".venv/bin/lab"), "ssh", server, *PATIENT, shlex.join(program)]
    with file.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.DEVNULL)
    try:
        yield
        if process.poll() is not None:
            problems.append(f"{server} asks {address} until the end (ssh has ended with {process.returncode})")
    finally:
        # The end of its input is the program's end.
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
