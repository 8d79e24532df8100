# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of the applications: that the same sources give the same ones, what their SBOMs hold, how they are pushed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from lab.config import Settings
from lab.images import apps, archives, debian, publishing, sboms
from lab.images.apps import AppImage
from lab.images.buildah import Buildah
from lab.images.building import ImageError
from lab.images.publishing import Publisher
from tests.lab.oci_registry import serving

MISSING = [program for program in ("buildah", "mmdebstrap") if shutil.which(program) is None]
built_here = pytest.mark.skipif(
    bool(MISSING) or os.geteuid() != 0, reason=f"needs root and programs; missing: {', '.join(MISSING) or 'root'}"
)
pushed_here = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")

EPOCH = 1795651200
STATUS = """\
Package: adduser
Status: install ok installed
Maintainer: Debian Adduser Developers <adduser@packages.debian.org>
Architecture: all
Version: 3.152
Description: add and remove users and groups

Package: dpkg
Status: install ok installed
Maintainer: Dpkg Developers <debian-dpkg@lists.debian.org>
Architecture: amd64
Version: 1.22.21+deb13u1
Description: Debian package management system
"""
NPM = {
    "eta.cdx.json": {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": "urn:uuid:6b4c1ea0-8a42-4cc5-9a1e-6a8b1f4f8e11",
        "metadata": {
            "timestamp": "2026-11-27T04:55:32.895Z",
            "component": {"bom-ref": "app@1", "type": "library", "name": "app", "version": "1"},
        },
        "components": [
            {"bom-ref": "eta@4.6.0", "type": "library", "name": "eta", "version": "4.6.0", "purl": "pkg:npm/eta@4.6.0"}
        ],
        "dependencies": [{"ref": "app@1", "dependsOn": ["eta@4.6.0"]}, {"ref": "eta@4.6.0"}],
    },
    "eta.spdx.json": {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "app@1",
        "documentNamespace": "http://spdx.org/spdxdocs/app-1-f0f0",
        "creationInfo": {"created": "2026-11-27T04:55:32.895Z", "creators": ["Tool: npm/cli-11"]},
        "documentDescribes": ["SPDXRef-Package-eta-4.6.0"],
        "packages": [
            {
                "name": "eta",
                "SPDXID": "SPDXRef-Package-eta-4.6.0",
                "versionInfo": "4.6.0",
                "downloadLocation": "NOASSERTION",
                "filesAnalyzed": False,
                "externalRefs": [
                    {
                        "referenceCategory": "PACKAGE-MANAGER",
                        "referenceType": "purl",
                        "referenceLocator": "pkg:npm/eta@4.6.0",
                    }
                ],
            }
        ],
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relatedSpdxElement": "SPDXRef-Package-eta-4.6.0",
                "relationshipType": "DESCRIBES",
            }
        ],
    },
}


def told(container: str) -> dict[str, Any]:
    """A configuration as Buildah writes it, with what is of one build in it."""
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-11-26T00:00:00Z",
        "container": container,
        "container_config": {"Hostname": container[:12]},
        "parent": f"sha256:{container}",
        "config": {"Hostname": container[:12], "User": "nobody", "Healthcheck": {"Test": ["CMD", "true"]}},
        "history": [{"created": "2026-11-26T00:00:00Z", "created_by": "RUN x", "comment": f"FROM {container}"}],
        "rootfs": {"type": "layers", "diff_ids": []},
    }


def test_an_image_is_what_it_is_wherever_it_was_built() -> None:
    configuration = archives.configured(told("a" * 64))
    assert configuration == archives.configured(told("b" * 64))
    assert configuration["config"] == {"User": "nobody", "Healthcheck": {"Test": ["CMD", "true"]}}
    assert configuration["history"] == [{"created": "2026-11-26T00:00:00Z", "created_by": "RUN x"}]


def unpacked(folder: Path, container: str) -> Path:
    """An image of one layer, as Buildah unpacks it."""
    folder.mkdir()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as layer:
        layer.addfile(tarfile.TarInfo("file"))
    content = stream.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    (folder / digest).write_bytes(content)
    configuration = told(container)
    configuration["rootfs"]["diff_ids"] = [f"sha256:{digest}"]
    (folder / "c0").write_text(json.dumps(configuration))
    layers = [{"digest": f"sha256:{digest}"}]
    (folder / "manifest.json").write_text(json.dumps({"config": {"digest": "sha256:c0"}, "layers": layers}))
    return folder


def image_of(folder: Path, container: str = "a" * 64) -> AppImage:
    """An application's image, with its archive and SBOMs in a folder."""
    folder.mkdir()
    archive = folder / "vote-0.4.0.tar"
    image_id = archives.write(unpacked(folder / "unpacked", container), "voteapp.internal/vote:0.4.0", archive)
    image = AppImage("voteapp.internal/vote:0.4.0", image_id, str(archive))
    for form, path in image.sboms.items():
        path.write_text(json.dumps({"form": form}))
    return image


def test_the_same_image_has_the_same_archive(tmp_path: Path) -> None:
    one, other = image_of(tmp_path / "1", "a" * 64), image_of(tmp_path / "2", "b" * 64)
    assert one.image_id == other.image_id == archives.image_id(tmp_path / "1" / "vote-0.4.0.tar")
    assert (tmp_path / "1" / "vote-0.4.0.tar").read_bytes() == (tmp_path / "2" / "vote-0.4.0.tar").read_bytes()


def test_the_time_in_the_images_is_the_sources_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert str(apps.source_date()) in (apps.APPS / "SOURCE_DATE_EPOCH").read_text()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "17")
    assert apps.source_date() == 17
    assert debian.recipe(17) != debian.recipe(18)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "today")
    with pytest.raises(ImageError, match="number of seconds, not 'today'"):
        apps.source_date()


def purls(path: Path) -> set[str]:
    """The package URLs in an SBOM of either format, without those of sources; with a plain + in them."""
    found = re.findall(r'"(?:purl|referenceLocator)": "(pkg:[^"]+)"', path.read_text())
    return {unquote(purl) for purl in found if not purl.endswith("arch=source")}


def test_an_sbom_holds_the_packages_of_debian_and_of_npm(tmp_path: Path) -> None:
    root, others = tmp_path / "root", tmp_path / "others"
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text(STATUS)
    others.mkdir()
    deb = {"pkg:deb/debian/adduser@3.152?arch=all", "pkg:deb/debian/dpkg@1.22.21+deb13u1?arch=amd64"}
    contents = []
    for run in ("1", "2"):
        archive = tmp_path / run / "result-0.4.0.tar"
        archive.parent.mkdir()
        sboms.write(root, archive, "result", "0.4.0", "sha256:1", EPOCH, others)
        for path in sboms.paths(archive).values():
            assert purls(path) == deb
        for name, document in NPM.items():
            # What npm makes up at each run.
            changed = (
                json.dumps(document).replace("f0f0", run).replace("32.895", f"3{run}.895").replace("6b4c1ea", run * 7)
            )
            (others / name).write_text(changed)
        sboms.write(root, archive, "result", "0.4.0", "sha256:1", EPOCH, others)
        for path in sboms.paths(archive).values():
            assert purls(path) == {*deb, "pkg:npm/eta@4.6.0"}
            assert "sha256:1" in path.read_text()
        contents.append([path.read_text() for path in sboms.paths(archive).values()])
        for path in others.iterdir():
            path.unlink()
    assert contents[0] == contents[1]


def test_the_time_of_an_image_is_told_by_options_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "buildah"
    program.write_text('#!/bin/sh\nprintf %s "${SOURCE_DATE_EPOCH-untold}" >"$0.told"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "17")
    Buildah(tmp_path / "store").tidy()
    assert (tmp_path / "buildah.told").read_text() == "untold"


@built_here
def test_a_store_has_one_image_of_a_name_and_leaves_nothing_elsewhere(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY file /\n")
    references = ["localhost/one:1", "localhost/other:1", "localhost/one:2"]
    with closing(Buildah(tmp_path / "store")) as store:
        for reference in references:
            (context / "file").write_text(reference)
            store.build(context, reference, epoch=EPOCH)
        assert [store.has(reference) for reference in references] == [False, True, True]
        # As a build that is killed leaves it.
        overlay = tmp_path / "store" / "overlay"
        overlay.mkdir(exist_ok=True)
        subprocess.run(["mount", "--bind", overlay, overlay], check=True)
    assert not store.notes.exists()
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


@built_here
def test_two_builds_from_nothing_are_one_image_whose_sbom_holds_every_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "apps"
    shutil.copytree(apps.APPS / "edge", sources / "edge")
    for name in ("VERSION", "SOURCE_DATE_EPOCH"):
        shutil.copy(apps.APPS / name, sources / name)
    # Debian's files are made once for all tests on this machine.
    base = debian.tarball(Settings.from_environment(), apps.source_date())
    monkeypatch.setattr(apps, "APPS", sources)
    images = []
    for run in ("1", "2"):
        settings = Settings(cache=tmp_path / run, state=tmp_path / f"state-{run}")
        (settings.cache / "bases").mkdir(parents=True)
        shutil.copy(base, settings.cache / "bases")
        made, built = apps.build(settings, lambda _text: None)
        assert built == ["edge"]
        assert apps.build(settings, lambda _text: None) == (made, [])
        images.append(made["edge"])
        assert not Buildah(settings.cache / "buildah").notes.exists()
        shutil.rmtree(settings.cache / "buildah")
    assert images[0].image_id == images[1].image_id
    # What another day would change.
    assert f"haproxy:!:{apps.source_date() // 86400}:" in in_top_layer(images[0], "etc/shadow")
    packages = installed(in_top_layer(images[0], "var/lib/dpkg/status"))
    assert "haproxy" in dict(packages)
    for form, path in images[0].sboms.items():
        assert path.read_bytes() == images[1].sboms[form].read_bytes()
        assert packages == {
            tuple(purl.partition("?")[0].removeprefix("pkg:deb/debian/").split("@")) for purl in purls(path)
        }


def in_top_layer(image: AppImage, name: str) -> str:
    """A file that the last layer of an image has."""
    with tarfile.open(image.archive) as archive:
        top = json.load(archive.extractfile("manifest.json") or io.BytesIO())[0]["Layers"][-1]
        with tarfile.open(fileobj=archive.extractfile(top)) as layer:
            return (layer.extractfile(name) or io.BytesIO()).read().decode()


def installed(status: str) -> set[tuple[str, str]]:
    """Name and version of the packages that are installed, by dpkg's database."""
    return {
        (entry["Package"], entry["Version"])
        for entry in (dict(re.findall(r"^(\S+): (.*)$", block, re.MULTILINE)) for block in status.split("\n\n"))
        if entry.get("Status", "").endswith(" installed")
    }


@pytest.mark.parametrize(
    "registry",
    [
        "registry.example.com",
        "registry.example.com/team",
        "registry.example.com:5000/team/a-b",
        "localhost",
        "hub:5000",
    ],
)
def test_a_registry_is_a_host_and_a_path(registry: str) -> None:
    Publisher(registry)


@pytest.mark.parametrize(
    "registry",
    ["team", "https://registry.example.com", "registry.example.com/", "registry.example.com/Team", "a.b/c:1"],
)
def test_what_is_no_registry_is_refused_with_an_example(registry: str) -> None:
    with pytest.raises(ImageError, match=re.escape("such as registry.example.com/team")):
        Publisher(registry)


@pytest.mark.parametrize(
    ("problem", "advice"),
    [
        ("unauthorized: authentication required", "docker login a.example.com"),
        ("requested access to the resource is denied", "docker login a.example.com"),
        ("http: server gave HTTP response to HTTPS client", "PLAIN_HTTP=yes"),
        ("tls: first record does not look like a TLS handshake", "PLAIN_HTTP=yes"),
        ("x509: certificate signed by unknown authority", "/etc/docker/certs.d/a.example.com/ca.crt"),
        ("dial tcp: lookup a.example.com: no such host", "reachable"),
    ],
)
def test_a_failure_says_what_to_do(problem: str, advice: str) -> None:
    said = publishing.explained("a.example.com/team/voteapp/vote:0.4.0", problem)
    assert problem in said
    assert advice in said


@pushed_here
def test_an_image_is_pushed_with_its_sboms(tmp_path: Path) -> None:
    image = image_of(tmp_path / "image")
    with serving() as registry:
        pushed = Publisher(f"{registry.address}/team", plain_http=True).push(image)
    assert pushed.sbom_problem == ""
    name, _, digest = pushed.reference.partition("@")
    assert name == f"{registry.address}/team/voteapp/vote:0.4.0"
    _, manifest = registry.manifests[f"team/voteapp/vote@{digest}"]
    assert registry.manifests["team/voteapp/vote:0.4.0"][1] == manifest
    assert json.loads(manifest)["config"]["digest"] == image.image_id
    _, index = registry.manifests[f"team/voteapp/vote:{digest.replace(':', '-')}"]
    artifacts = [
        json.loads(registry.manifests[f"team/voteapp/vote@{entry['digest']}"][1])
        for entry in json.loads(index)["manifests"]
    ]
    assert [artifact["artifactType"] for artifact in artifacts] == [
        "application/vnd.cyclonedx+json",
        "application/spdx+json",
    ]
    for artifact, path in zip(artifacts, image.sboms.values(), strict=True):
        assert artifact["subject"] == {
            "mediaType": json.loads(manifest)["mediaType"],
            "digest": digest,
            "size": len(manifest),
        }
        assert registry.blobs[artifact["layers"][0]["digest"]] == path.read_bytes()


@pushed_here
def test_plain_http_is_not_taken_unasked(tmp_path: Path) -> None:
    with serving() as registry, pytest.raises(ImageError, match="PLAIN_HTTP=yes"):
        Publisher(registry.address).push(image_of(tmp_path / "image"))


@pushed_here
def test_who_is_not_logged_in_is_told_how(tmp_path: Path) -> None:
    image = image_of(tmp_path / "image")
    with serving() as registry:
        registry.refuses = True
        with pytest.raises(ImageError, match=f"docker login {registry.address}"):
            Publisher(registry.address, plain_http=True).push(image)
