# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Building images with Buildah, which needs no daemon: the same files and packages give the same layers.

Every time in an image is the one that it is given, and packages that ask for the day are told that one as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lab.images.building import ImageError

_LAST_LINES = 20


class Buildah:
    """store: folder of its images and of the layers that it builds upon again. notes: folder of what is mounted."""

    def __init__(self, store: Path) -> None:
        self.store = store
        # They have to be gone after a restart of the machine.
        self.notes = Path(f"/run/triad-lab-buildah-{hashlib.sha256(str(store).encode()).hexdigest()[:8]}")

    def close(self) -> None:
        """Leave nothing but the store, even after a build that was killed: a folder with mounts cannot be removed."""
        overlay = str(self.store / "overlay")
        subprocess.run(["umount", "--lazy", overlay], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.notes, ignore_errors=True)

    def has(self, reference: str) -> bool:
        """Whether the store has an image of this name."""
        wanted = f"reference={reference}"
        return bool(self._run("images", "--quiet", "--filter", wanted).strip())

    def build(
        self,
        context: Path,
        reference: str,
        *,
        epoch: int,
        arguments: Mapping[str, str] | None = None,
    ) -> None:
        """Build a context's Dockerfile on images of the store; epoch: the time of everything in it, in seconds.

        The store then has no image with another tag of that name.
        """
        self._build(context, epoch, arguments or {}, "--tag", reference)
        name = reference.rpartition(":")[0]
        tagged = [tag for image in json.loads(self._run("images", "--json")) for tag in image.get("names") or ()]
        if others := [tag for tag in tagged if tag.rpartition(":")[0] == name and tag != reference]:
            self._run("rmi", "--force", *others)

    def take_out(self, context: Path, stage: str, folder: Path, *, epoch: int, arguments: Mapping[str, str]) -> None:
        """Put the files of a stage of a Dockerfile into a folder."""
        self._build(context, epoch, arguments, "--target", stage, "--output", f"type=local,dest={folder}")

    def unpack(self, reference: str, folder: Path) -> None:
        """Write an image as a folder: manifest.json, and configuration and layers under their digests."""
        self._run("push", "--quiet", "--disable-compression", reference, f"dir:{folder}")

    @contextmanager
    def mounted(self, reference: str) -> Iterator[Path]:
        """The files of an image as a folder."""
        container = self._run("from", "--pull-never", reference).strip()
        try:
            yield Path(self._run("mount", container).strip())
        finally:
            self._run("rm", container)

    def tidy(self) -> None:
        """Remove what no image of a name stands on."""
        self._run("rmi", "--prune", "--force")

    def clear(self) -> None:
        """Remove all images, so that everything is built anew."""
        self._run("rmi", "--all", "--force")

    def _build(self, context: Path, epoch: int, arguments: Mapping[str, str], *more: str) -> None:
        given = {**arguments, "SOURCE_DATE_EPOCH": str(epoch)}
        # The format of OCI has no place for health checks.
        self._run(
            "build", "--layers", "--timestamp", str(epoch), "--format", "docker", "--identity-label=false",
            "--isolation", "chroot", "--network", "host", "--pull-never",
            *(f"--build-arg={name}={value}" for name, value in given.items()), *more, str(context),
        )  # fmt: skip

    def _run(self, *arguments: str) -> str:
        command = ["buildah", "--root", str(self.store), "--runroot", str(self.notes), *arguments]
        # Newer ones take this variable for an option, and refuse it beside --timestamp.
        environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise ImageError("buildah is not installed; scripts/setup installs what the lab needs") from None
        if done.returncode:
            lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
            raise ImageError("\n".join([f"buildah {arguments[0]} failed:", *lines[-_LAST_LINES:]]))
        return done.stdout
