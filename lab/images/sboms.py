# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Software bills of materials (SBOM) of images, in CycloneDX and in SPDX: the same image gives the same files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path

from lab.images.building import ImageError

_FORMATS = ("cdx", "spdx")


def paths(archive: Path) -> dict[str, Path]:
    """Where the SBOMs of an archive's image are, by format: beside it, under its name."""
    return {form: archive.with_suffix(f".{form}.json") for form in _FORMATS}


def write(root: Path, archive: Path, name: str, version: str, image_id: str, epoch: int, others: Path) -> None:
    """Write both SBOMs of an image beside its archive.

    root: the image's files, of which the database of Debian's packages is read. epoch: the time that the SBOMs bear,
    in seconds. others: folder of SBOMs of what else is in it, as ``*.cdx.json`` and ``*.spdx.json``.
    """
    # The number stands for the image, so that it is the same for the same one.
    number = uuid.uuid5(uuid.NAMESPACE_URL, image_id)
    when = datetime.fromtimestamp(epoch, UTC)
    common = (
        "--timestamp", when.isoformat(), "--spdx-namespace", f"urn:uuid:{number}",
        "--cdx-serialnumber", str(number), "--cdx-schema-version", "1.6",
    )  # fmt: skip
    whole = (
        "--distro-name", f"voteapp-{name}", "--distro-version", version, "--distro-summary", f"image {image_id}",
        *common,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        merged = sorted(others.iterdir())
        if not merged:
            _run("generate", "--root", str(root), "--out", str(folder / "whole"), *whole)
        else:
            debian = ("--distro-name", "debian", "--distro-version", "13", *common)
            _run("generate", "--root", str(root), "--out", str(folder / "debian"), *debian)
            for form in _FORMATS:
                parts = [folder / f"debian.{form}.json"]
                parts += [
                    _readable(path, folder / path.name, when) for path in merged if path.name.endswith(f".{form}.json")
                ]
                _run("merge", "--sbom-type", form, "--out", str(folder / "whole"), *whole, *map(str, parts))
        for form, path in paths(archive).items():
            path.write_bytes((folder / f"whole.{form}.json").read_bytes())


def _readable(path: Path, copy: Path, when: datetime) -> Path:
    """A copy that debsbom reads: npm writes milliseconds, which SPDX does not have."""
    document = json.loads(path.read_bytes())
    if "creationInfo" in document:
        document["creationInfo"]["created"] = f"{when:%Y-%m-%dT%H:%M:%SZ}"
    copy.write_text(json.dumps(document), encoding="utf-8")
    return copy


def _run(*arguments: str) -> None:
    command = [str(Path(sys.executable).with_name("debsbom")), *arguments]
    # The sequence in its SPDX follows the hashes of words.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ImageError(f"{command[0]} is not there; scripts/setup installs what the lab needs") from None
    if done.returncode:
        last = "\n".join(done.stderr.splitlines()[-5:])
        raise ImageError(f"debsbom {arguments[0]} failed:\n{last}")
