# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of the applications: built from apps/, kept as archives with their SBOMs, listed in a manifest."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.config import PROJECT, Settings
from lab.images import archives, building, debian, sboms
from lab.images.buildah import Buildah

APPS = PROJECT / "apps"
HOST_CA = Path("/etc/ssl/certs/ca-certificates.crt")
_KEPT = 3
_SBOM_STAGE = re.compile(r"^FROM\s+\S+\s+AS\s+sbom\s*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class AppImage:
    """reference: its name in an engine. image_id: the engine's id of it. archive: what ``docker load`` reads."""

    reference: str
    image_id: str
    archive: str

    def in_registry(self, registry: str) -> str:
        """Its name in a registry."""
        return f"{registry}/voteapp/{self.reference.rpartition('/')[2]}"

    @property
    def sboms(self) -> dict[str, Path]:
        """Its bills of materials, by format."""
        return sboms.paths(Path(self.archive))


def build(
    settings: Settings, say: Callable[[str], None], *, fresh: bool = False
) -> tuple[dict[str, AppImage], list[str]]:
    """Every application's image by name, and the names of those that had to be built; writes the manifest.

    fresh: build all of them anew, with the packages of today.
    """
    version = (APPS / "VERSION").read_text(encoding="utf-8").strip()
    epoch = source_date()
    images, built = {}, []
    with building.alone(settings.cache), closing(_buildah(settings)) as store:
        workshop = _Workshop(settings, store, epoch, say, fresh=fresh)
        for folder in sorted(path.parent for path in APPS.glob("*/Dockerfile")):
            digest = building.content_hash(folder, debian.recipe(epoch), version)
            archive = None if fresh else _kept(settings, folder.name, digest)
            if archive is None:
                archive = workshop.build(folder, version, digest)
                built.append(folder.name)
            image = f"voteapp.internal/{folder.name}:{version}"
            images[folder.name] = AppImage(image, archives.image_id(archive), str(archive))
        if built:
            store.tidy()
    manifest = manifest_path(settings)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({name: asdict(image) for name, image in images.items()}, indent=2), "utf-8")
    return images, built


def clear_away(settings: Settings) -> None:
    """Undo what a build that was killed had no time to; one that is under way does so itself."""
    with suppress(OSError), (settings.cache / building.LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _buildah(settings).close()


def manifest_path(settings: Settings) -> Path:
    """The file {name: {reference, image_id, archive}} that the last build wrote."""
    return settings.state / "images" / "images.json"


def source_date() -> int:
    """The time of everything in the images, in seconds: SOURCE_DATE_EPOCH, else the one that comes with the sources."""
    given = os.environ.get("SOURCE_DATE_EPOCH") or (APPS / "SOURCE_DATE_EPOCH").read_text(encoding="ascii").split()[-1]
    try:
        return int(given)
    except ValueError:
        raise building.ImageError(f"SOURCE_DATE_EPOCH is a number of seconds, not '{given}'") from None


class _Workshop:
    """Where images are built; what they stand on is made when the first one is."""

    def __init__(
        self, settings: Settings, store: Buildah, epoch: int, say: Callable[[str], None], *, fresh: bool
    ) -> None:
        self._settings = settings
        self._store = store
        self._epoch = epoch
        self._say = say
        self._fresh = fresh

    def build(self, folder: Path, version: str, digest: str) -> Path:
        """Build an application's image; returns its archive, which has its SBOMs beside it."""
        base = self._base()
        self._say(f"building {folder.name}")
        kept = self._settings.cache / "images"
        with building.workplace(kept) as place:
            context, unpacked, others, made = (place / name for name in ("context", "unpacked", "others", "made"))
            for path in (context, others, made):
                path.mkdir()
            building.lay_out(folder, context, self._epoch)
            # Only build stages use it, where packages come through a host whose certificates are its own.
            if HOST_CA.exists():
                shutil.copyfile(HOST_CA, context / "host-ca.crt")
            reference, arguments = f"localhost/{folder.name}:{digest}", {"BASE": base}
            self._store.build(context, reference, epoch=self._epoch, arguments=arguments)
            if _SBOM_STAGE.search((folder / "Dockerfile").read_text(encoding="utf-8")):
                self._store.take_out(context, "sbom", others, epoch=self._epoch, arguments=arguments)
            self._store.unpack(reference, unpacked)
            archive = made / f"{folder.name}-{version}.tar"
            image_id = archives.write(unpacked, f"voteapp.internal/{folder.name}:{version}", archive)
            with self._store.mounted(reference) as root:
                sboms.write(root, archive, folder.name, version, image_id, self._epoch, others)
            # Content that was built with other packages has another id, and clones may still use the older one.
            home = kept / f"{folder.name}-{digest}-{image_id.partition(':')[2][:12]}"
            home.mkdir(exist_ok=True)
            # The archive comes last: where it is, all is.
            for path in sorted(made.iterdir()):
                path.replace(home / path.name)
        _forget_old(kept, folder.name)
        return home / archive.name

    def _base(self) -> str:
        reference = f"localhost/base:{debian.recipe(self._epoch)}"
        if self._fresh:
            self._store.clear()
        if self._fresh or not self._store.has(reference):
            self._say("making Debian from its packages")
            tarball = debian.tarball(self._settings, self._epoch, fresh=self._fresh)
            with building.workplace(tarball.parent) as context:
                (context / "base.tar").hardlink_to(tarball)
                (context / "Dockerfile").write_text('FROM scratch\nADD base.tar /\nCMD ["bash"]\n', encoding="ascii")
                self._store.build(context, reference, epoch=self._epoch)
            self._fresh = False
        return reference


def _buildah(settings: Settings) -> Buildah:
    return Buildah(settings.cache / "buildah")


def _kept(settings: Settings, name: str, digest: str) -> Path | None:
    """The newest archive of this content, if the cache has one."""
    found = (settings.cache / "images").glob(f"{name}-{digest}-*/*.tar")
    newest = max(found, key=lambda path: path.parent.stat().st_mtime, default=None)
    if newest is not None:
        newest.parent.touch()
    return newest


def _forget_old(kept: Path, name: str) -> None:
    for old in sorted(kept.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()
