# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages under Docker's names, with Docker's relations, that hold the distribution's engine.

They install, start and upgrade as Docker's do; what runs is the distribution's build, whose own version is what
``docker version`` tells.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path


@dataclass(frozen=True)
class Release:
    """The distribution that packages are built for, as os-release and dpkg name it."""

    distribution: str
    number: str
    codename: str
    architecture: str

    @property
    def suffix(self) -> str:
        """What Docker puts behind its own version."""
        return f"~{self.distribution}.{self.number}~{self.codename}"


@dataclass(frozen=True)
class Recipe:
    """takes: packages of the distribution whose files and scripts it holds, those that exist; the first one's scripts
    are its own. versions: without the release's suffix. relations: control fields beside the dependencies, which are
    those of the packages taken and ``depends``.
    """

    name: str
    versions: tuple[str, ...]
    takes: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    relations: tuple[tuple[str, str], ...] = ()


ENGINE_VERSIONS = ("5:28.5.2-1", "5:29.0.0-1")
_OLD_ENGINES = "docker-engine, docker.io, lxc-docker"

RECIPES = (
    Recipe(
        "docker-ce",
        ENGINE_VERSIONS,
        takes=("docker.io",),
        depends=("containerd.io (>= 1.7.27)", "docker-ce-cli"),
        relations=(("Conflicts", _OLD_ENGINES), ("Replaces", "docker-engine")),
    ),
    Recipe(
        "docker-ce-cli",
        ENGINE_VERSIONS,
        takes=("docker-cli",),
        relations=(("Conflicts", f"{_OLD_ENGINES}, docker-cli"), ("Replaces", "docker-cli")),
    ),
    Recipe(
        "containerd.io",
        ("1.7.28-1",),
        takes=("containerd", "runc"),
        relations=(("Provides", "runc"), ("Conflicts", "containerd, runc"), ("Replaces", "containerd, runc")),
    ),
    Recipe("docker-buildx-plugin", ("0.29.1-1",)),
    Recipe("docker-compose-plugin", ("2.40.2-1",)),
)


def build(debs: Path, pool: Path, work: Path, release: Release) -> None:
    """Build every version of every recipe from the distribution's .deb files in ``debs`` into ``pool``."""
    found = {path.name.partition("_")[0]: path for path in debs.glob("*.deb")}
    with ThreadPoolExecutor() as threads:
        for built in [threads.submit(_build, recipe, found, pool, work / recipe.name, release) for recipe in RECIPES]:
            built.result()


def _build(recipe: Recipe, found: Mapping[str, Path], pool: Path, tree: Path, release: Release) -> None:
    taken = {name for other in RECIPES for name in other.takes}
    originals = [_unpack(found[name], tree) for name in reversed(recipe.takes) if name in found]
    inherited = [entry for control in originals for entry in _dependencies(control) if _named(entry) not in taken]
    for version in recipe.versions:
        _write_control(tree, recipe, f"{version}{release.suffix}", release.architecture, inherited)
        deb = pool / f"{recipe.name}_{version.rpartition(':')[2]}_{release.architecture}.deb"
        # Compression is weak and quick: the file travels over a virtual cable, once.
        command = ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", str(tree), str(deb)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _unpack(deb: Path, tree: Path) -> Message:
    """Unpack a package over what is in the tree; its control files take the place of those there."""
    control = tree / "DEBIAN"
    shutil.rmtree(control, ignore_errors=True)
    subprocess.run(["dpkg-deb", "--raw-extract", str(deb), str(tree)], check=True)
    (control / "md5sums").unlink(missing_ok=True)
    return Parser().parsestr((control / "control").read_text(encoding="utf-8"))


def _dependencies(control: Message) -> list[str]:
    fields = (control.get(field, "") for field in ("Pre-Depends", "Depends"))
    return [entry.strip() for field in fields for entry in field.split(",") if entry.strip()]


def _named(dependency: str) -> str:
    return dependency.split(maxsplit=1)[0]


def _write_control(tree: Path, recipe: Recipe, version: str, architecture: str, inherited: Iterable[str]) -> None:
    fields = {
        "Package": recipe.name,
        "Version": version,
        "Architecture": architecture,
        "Maintainer": "Tests of triad.hetzner_swarm <tests@example.com>",
        "Depends": ", ".join((*inherited, *recipe.depends)),
        **dict(recipe.relations),
        "Description": f"stands for {recipe.name} in tests",
    }
    (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
    text = "".join(f"{name}: {value}\n" for name, value in fields.items() if value)
    (tree / "DEBIAN" / "control").write_text(text, encoding="utf-8")
