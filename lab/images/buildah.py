# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Building images with Buildah, which needs no daemon: the same files and packages give the same layers.

Every time in an image is the one that it is given, and packages that ask for the day are told that one as well.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lab.images.building import ImageError

_LAST_LINES = 20


class Buildah:
    """store: folder of its images and of the layers that it builds upon again."""

    def __init__(self, store: Path) -> None:
        # What it notes of mounts has to be gone after a restart of the machine.
        run = Path(f"/run/triad-lab-buildah-{hashlib.sha256(str(store).encode()).hexdigest()[:8]}")
        self._command = ("buildah", "--root", str(store), "--runroot", str(run))

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
        """Build a context's Dockerfile on images of the store; epoch: the time of everything in it, in seconds."""
        self._build(context, epoch, arguments or {}, "--tag", reference)

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
        try:
            done = subprocess.run([*self._command, *arguments], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise ImageError("buildah is not installed; scripts/setup installs what the lab needs") from None
        if done.returncode:
            lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
            raise ImageError("\n".join([f"buildah {arguments[0]} failed:", *lines[-_LAST_LINES:]]))
        return done.stdout
