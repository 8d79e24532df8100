# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What building images begins with, and images that the engine builds: once for the same content, under its hash."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, BuildError, ImageNotFound

from lab.locking import locked

LOCK = "build.lock"
_LAST_LINES = 20


class ImageError(Exception):
    """An image that cannot be built or had; the message holds the end of the build's output."""


def content_hash(folder: Path, *more: str) -> str:
    """Short hash of the files below a folder (names, content, executable or not) and of whatever else matters."""
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(f"{path.relative_to(folder)}\0{_mode(path):o}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for text in more:
        digest.update(f"{text}\0".encode())
    return digest.hexdigest()[:16]


def find(client: docker.DockerClient, reference: str) -> Any:
    """The image of a reference, or None."""
    try:
        return client.images.get(reference)
    except ImageNotFound:
        return None


def build(
    client: docker.DockerClient,
    folder: Path,
    reference: str,
    *,
    arguments: Mapping[str, str],
    target: str | None = None,
) -> Any:
    """Build a folder's Dockerfile, or the stage ``target`` of it, on the host's network; returns the image."""
    context = _context(folder)
    try:
        image, _ = client.images.build(
            fileobj=context, custom_context=True, encoding="identity", tag=reference, buildargs=dict(arguments),
            target=target, network_mode="host", rm=True, forcerm=True,
        )  # fmt: skip
    except BuildError as error:
        lines = "".join(entry.get("stream", "") for entry in error.build_log).splitlines()
        raise ImageError("\n".join([f"{reference}: {error.msg}", *lines[-_LAST_LINES:]])) from None
    except APIError as error:
        raise ImageError(f"{reference}: {error.explanation or error}") from None
    return image


def alone(cache: Path) -> AbstractContextManager[None]:
    """One builder at a time for all labs of a cache, so that nothing is built twice."""
    return locked(cache / LOCK)


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """A folder to make something in, which is kept by moving it into ``folder``. For who builds alone.

    Those of builds that were killed are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".new-*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as place:
        yield Path(place)


def lay_out(folder: Path, target: Path, epoch: int) -> None:
    """Copy the files that content_hash reads, with nothing of this machine's: neither times nor who may read them."""
    for path in _files(folder):
        copy = target / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        copy.chmod(_mode(path))
    for path in (target, *target.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
        os.utime(path, (epoch, epoch))


def _context(folder: Path) -> io.BytesIO:
    """A tar archive that is the same for the same content, so that the engine's cache finds its layers."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path in _files(folder):
            content = path.read_bytes()
            entry = tarfile.TarInfo(str(path.relative_to(folder)))
            entry.size, entry.mode = len(content), _mode(path)
            archive.addfile(entry, io.BytesIO(content))
    stream.seek(0)
    return stream


def _files(folder: Path) -> list[Path]:
    ignored = {"node_modules", "__pycache__"}
    return sorted(path for path in folder.rglob("*") if path.is_file() and not ignored & set(path.parts))


def _mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & 0o100 else 0o644
