# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A package repository laid out as Docker's, made and signed here, and copies of it that must not be trusted.

Below the folder, each with ``<distribution>/gpg`` and ``<distribution>/dists/<codename>``:
``good``; ``foreign``, signed by another key than it offers; ``tampered``, whose list of packages was changed after it
was signed; ``damaged``, whose engine package was.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import httpx

from lab.daemons import Daemon
from tests.engine.packages import Release, build


class Signer:
    """Two keys in a keyring that ends with it; ``main`` is the one the repositories offer."""

    def __init__(self, home: Path) -> None:
        self._command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode=loopback"]
        for name in ("main", "other"):
            self._run("--passphrase=", "--quick-generate-key", name, "ed25519", "sign", "1d")

    def public_key(self) -> str:
        return self._run("--armor", "--export", "main")

    def sign(self, text: str, key: str) -> str:
        """The text with a signature of the key, as in an InRelease file."""
        return self._run("--passphrase=", "--local-user", key, "--clearsign", stdin=text)

    def _run(self, *arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run([*self._command, *arguments], input=stdin, text=True, stdout=subprocess.PIPE, check=True)
        return done.stdout


@contextmanager
def signer() -> Iterator[Signer]:
    with tempfile.TemporaryDirectory(prefix="keys-") as home:
        try:
            yield Signer(Path(home))
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


def make(folder: Path, debs: Path, release: Release) -> None:
    """Make the repositories below a folder, from the distribution's own packages in ``debs``."""
    shutil.rmtree(folder, ignore_errors=True)
    good = folder / "good" / release.distribution
    (good / "pool").mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="packages-") as work:
        build(debs, good / "pool", Path(work), release)
    packages = _package_list(good)
    index = f"stable/binary-{release.architecture}/Packages"
    listing = _listing(release, index, packages)
    with signer() as keys:
        _publish(good, release, {"InRelease": keys.sign(listing, "main"), index: packages}, keys.public_key())
        variants = {
            "foreign": {"InRelease": keys.sign(listing, "other"), index: packages},
            "tampered": {"InRelease": keys.sign(listing, "main"), index: packages.replace("stands", "standz")},
            "damaged": {"InRelease": keys.sign(listing, "main"), index: packages},
        }
        for name, files in variants.items():
            _publish(folder / name / release.distribution, release, files, keys.public_key())
    for name in ("foreign", "tampered"):
        (folder / name / release.distribution / "pool").symlink_to(good / "pool")
    _damage(good / "pool", folder / "damaged" / release.distribution / "pool")


def _package_list(root: Path) -> str:
    stanzas = []
    for deb in sorted((root / "pool").glob("*.deb")):
        control = subprocess.run(
            ["dpkg-deb", "--field", str(deb)], text=True, stdout=subprocess.PIPE, check=True
        ).stdout
        digest = hashlib.sha256(deb.read_bytes()).hexdigest()
        stanzas.append(f"{control}Filename: {deb.relative_to(root)}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n")
    return "\n".join(stanzas)


def _listing(release: Release, index: str, packages: str) -> str:
    content = packages.encode()
    fields = {
        "Origin": "Docker",
        "Suite": release.codename,
        "Codename": release.codename,
        "Date": format_datetime(datetime.now(UTC), usegmt=True),
        "Architectures": release.architecture,
        "Components": "stable",
        "SHA256": f"\n {hashlib.sha256(content).hexdigest()} {len(content)} {index}",
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def _publish(root: Path, release: Release, files: dict[str, str], public_key: str) -> None:
    """Write the files below the release's folder, and the key beside it."""
    for name, text in files.items():
        path = root / "dists" / release.codename / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (root / "gpg").write_text(public_key, encoding="utf-8")


def _damage(good: Path, pool: Path) -> None:
    """The same packages, the engine's with another byte in the middle of each."""
    pool.mkdir()
    for deb in good.glob("*.deb"):
        if not deb.name.startswith("docker-ce_"):
            (pool / deb.name).symlink_to(deb)
            continue
        content = bytearray(deb.read_bytes())
        content[len(content) // 2] ^= 0xFF
        (pool / deb.name).write_bytes(content)


def server(folder: Path) -> Daemon:
    """The web server of a folder; it is found again by any later call."""
    return Daemon(f"packages-of{folder}", "server", folder.with_suffix(".log"))


def serve(folder: Path, address: str, port: int) -> None:
    """Serve a folder in the background until ``stop``."""
    command = [sys.executable, "-m", "http.server", str(port), "--bind", address, "--directory", str(folder)]

    def answers() -> bool:
        try:
            return httpx.get(f"http://{address}:{port}/", trust_env=False).is_success
        except httpx.HTTPError:
            return False

    server(folder).start(command, ready=answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="make the repositories from the .deb files of a folder")
    serving = commands.add_parser("serve", help="serve them in the background")
    stopping = commands.add_parser("stop", help="stop serving them")
    for command in (making, serving, stopping):
        command.add_argument("folder", type=Path)
    making.add_argument("debs", type=Path)
    for name in ("distribution", "number", "codename", "architecture"):
        making.add_argument(name)
    serving.add_argument("address")
    serving.add_argument("port", type=int)
    given = parser.parse_args()
    match given.command:
        case "make":
            # dpkg-deb takes no package that others than its maker could not read.
            os.umask(0o022)
            release = Release(given.distribution, given.number, given.codename, given.architecture)
            make(given.folder.resolve(), given.debs, release)
        case "serve":
            serve(given.folder.resolve(), given.address, given.port)
        case "stop":
            print("stopped" if server(given.folder.resolve()).stop() else "nothing ran")


if __name__ == "__main__":
    main()
