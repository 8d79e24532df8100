# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What decides whether an image is built again, and what a build reads."""

from __future__ import annotations

import ssl
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from lab import certificates
from lab.images.apps import AppImage
from lab.images.building import content_hash, lay_out, workplace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    app = tmp_path / "app"
    (app / "static").mkdir(parents=True)
    (app / "Dockerfile").write_text("FROM x\n")
    (app / "static" / "a.css").write_text("a {}\n")
    return app


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda app: (app / "Dockerfile").write_text("FROM y\n"), id="content"),
        pytest.param(lambda app: (app / "new").write_text(""), id="a new file"),
        pytest.param(lambda app: (app / "Dockerfile").chmod(0o755), id="executable"),
        pytest.param(lambda app: (app / "static" / "a.css").rename(app / "static" / "b.css"), id="a name"),
    ],
)
def test_a_change_is_noticed(folder: Path, change: Callable[[Path], object]) -> None:
    before = content_hash(folder)
    change(folder)
    assert content_hash(folder) != before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda app: (app / "Dockerfile").touch(), id="time"),
        pytest.param(lambda app: (app / "Dockerfile").chmod(0o600), id="who may read it"),
        pytest.param(lambda app: (app / "node_modules").mkdir(), id="what was installed beside it"),
    ],
)
def test_what_does_not_reach_the_image_changes_nothing(folder: Path, change: Callable[[Path], object]) -> None:
    before = content_hash(folder)
    change(folder)
    assert content_hash(folder) == before


def test_what_a_build_reads_has_nothing_of_this_machine(folder: Path, tmp_path: Path) -> None:
    (folder / "Dockerfile").chmod(0o700)
    (folder / "static").chmod(0o700)
    target = tmp_path / "context"
    target.mkdir(mode=0o700)
    lay_out(folder, target, 17)
    files = {path.relative_to(target): path.stat() for path in (target, *target.rglob("*"))}
    assert {str(name): f"{status.st_mode & 0o777:o}" for name, status in files.items()} == {
        ".": "755", "Dockerfile": "755", "static": "755", "static/a.css": "644",
    }  # fmt: skip
    assert {status.st_mtime for status in files.values()} == {17}
    assert content_hash(target) == content_hash(folder)


def test_what_a_killed_build_left_goes_with_the_next_one(tmp_path: Path) -> None:
    images = tmp_path / "images"
    (images / ".new-killed").mkdir(parents=True)
    (images / ".new-killed" / "layer").write_text("")
    (images / "kept").mkdir()
    with workplace(images) as place:
        assert set(images.iterdir()) == {images / "kept", place}
    assert set(images.iterdir()) == {images / "kept"}


def test_the_base_counts(folder: Path) -> None:
    assert content_hash(folder, "base:1") != content_hash(folder, "base:2")


def test_an_image_in_the_registry_keeps_its_name_and_version() -> None:
    image = AppImage("voteapp.internal/vote:0.1.0", "sha256:1", "/x.tar")
    assert image.in_registry("198.51.100.1:5000") == "198.51.100.1:5000/voteapp/vote:0.1.0"


def test_certificates_are_those_of_a_server_at_the_address(tmp_path: Path) -> None:
    issued = certificates.issue(IPv4Address("198.51.100.1"), "lab")
    (tmp_path / "server.crt").write_bytes(issued.certificate)
    (tmp_path / "server.key").write_bytes(issued.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    client = ssl.create_default_context(cadata=issued.authority.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    _handshake(client, server, "198.51.100.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(client, server, "198.51.100.2")


def _handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (near, far, near, far):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
