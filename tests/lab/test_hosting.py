# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which kind of machine a lab's servers are, and what is found out about how they run; nothing is started."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from lab import hosting
from lab.config import Settings
from lab.hosting import Hosting, HostingError
from lab.machines.base import MachineError
from lab.machines.platforms import Emulation, NodeImage
from lab.machines.vm import emulation
from lab.machines.vm.emulation import Attempt
from lab.machines.vm.qemu import DiskImage

if TYPE_CHECKING:
    import docker

    from lab.engine import Engine
    from lab.fabric import Fabric

CLIENT = cast("docker.DockerClient", None)
IMAGE = NodeImage("/cache/disks/abc", "Debian 13 (trixie)", "debian-13")
KVM = Emulation("kvm", "disk", 5.0)
TCG = Emulation("tcg", "kernel", 60.0, ("TCG does not boot it (disk): it died",))


def say(_: str) -> None:
    """Nobody listens."""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What this host can do; images are there already."""
    world: dict[str, Any] = {"kvm": Attempt(KVM), "tcg": Attempt(TCG), "machine": "x86_64", "device": True}
    monkeypatch.setattr(hosting.bases, "node", lambda *_: NodeImage("triad-lab/node:abc", IMAGE.actual, IMAGE.serves))
    monkeypatch.setattr(hosting.disks, "disk", lambda *_: IMAGE)
    monkeypatch.setattr(emulation, "boots", lambda accelerator, *_: world[accelerator])
    monkeypatch.setattr(hosting.platform, "machine", lambda: world["machine"])
    monkeypatch.setattr(hosting, "KVM_DEVICE", Path("/dev/null"))
    return world


def lab(state: Path, machines: str) -> Hosting:
    state.mkdir(exist_ok=True)
    settings = Settings.from_environment({"LAB_STATE": str(state), "LAB_MACHINES": machines})
    return Hosting(settings, cast("Engine", None), cast("Fabric", None))


def test_containers_unless_asked_otherwise(tmp_path: Path, world: dict[str, Any]) -> None:
    decided = lab(tmp_path, "").prepare(CLIENT, say)
    assert (decided.kind, decided.emulation) == ("container", None)
    assert "the default" in decided.why


def test_auto_takes_virtual_machines_where_kvm_works(tmp_path: Path, world: dict[str, Any]) -> None:
    decided = lab(tmp_path, "auto").prepare(CLIENT, say)
    assert (decided.kind, decided.emulation) == ("vm", KVM)
    assert "KVM works" in decided.why


def test_auto_takes_containers_elsewhere_and_says_why(tmp_path: Path, world: dict[str, Any]) -> None:
    world["kvm"] = Attempt(None, "KVM does not boot it (disk): emulation failure")
    decided = lab(tmp_path, "auto").prepare(CLIENT, say)
    assert decided.kind == "container"
    assert "emulation failure" in decided.why


def test_without_the_device_nothing_is_built_to_try_it(
    tmp_path: Path, world: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "KVM_DEVICE", tmp_path / "kvm")
    monkeypatch.setattr(hosting.disks, "disk", lambda *_: pytest.fail("a disk is built"))
    assert "no " in lab(tmp_path, "auto").prepare(CLIENT, say).why


def test_without_kvm_virtual_machines_are_emulated(tmp_path: Path, world: dict[str, Any]) -> None:
    world["kvm"] = Attempt(None, "no KVM")
    decided = lab(tmp_path, "vm").prepare(CLIENT, say)
    assert decided.emulation is not None
    assert (decided.emulation.accelerator, decided.emulation.boot) == ("tcg", "kernel")
    assert decided.emulation.tried == ("no KVM", *TCG.tried)
    assert "with the kernel of their image; no KVM; TCG does not boot it (disk): it died" in str(decided.emulation)


def test_where_nothing_boots_every_reason_is_told(tmp_path: Path, world: dict[str, Any]) -> None:
    world |= {"kvm": Attempt(None, "no KVM"), "tcg": Attempt(None, "it died")}
    with pytest.raises(MachineError, match="no KVM; it died"):
        lab(tmp_path, "vm").prepare(CLIENT, say)


def test_on_other_processors_virtual_machines_are_refused(tmp_path: Path, world: dict[str, Any]) -> None:
    world["machine"] = "aarch64"
    with pytest.raises(HostingError, match=r"LAB_MACHINES.*aarch64.*container"):
        lab(tmp_path, "vm").prepare(CLIENT, say)
    assert "aarch64" in lab(tmp_path, "auto").prepare(CLIENT, say).why


@pytest.mark.parametrize("later", ["", "auto", "vm"])
def test_what_was_decided_holds(tmp_path: Path, world: dict[str, Any], later: str) -> None:
    first = lab(tmp_path, "vm").prepare(CLIENT, say)
    assert lab(tmp_path, later).prepare(CLIENT, say) == first
    assert lab(tmp_path, later).platform == first


def test_the_other_kind_is_refused_until_the_lab_is_down(tmp_path: Path, world: dict[str, Any]) -> None:
    lab(tmp_path, "vm").prepare(CLIENT, say)
    with pytest.raises(HostingError, match=r"LAB_MACHINES.*lab down"):
        lab(tmp_path, "container").prepare(CLIENT, say)
    lab(tmp_path, "").forget()
    assert lab(tmp_path, "container").prepare(CLIENT, say).kind == "container"


def test_a_lab_that_is_not_up_is_told_of(tmp_path: Path, world: dict[str, Any]) -> None:
    with pytest.raises(HostingError, match="lab up"):
        lab(tmp_path, "").machines()


def test_a_boot_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the disk first, then with the kernel given; the cache remembers how it went."""
    tried: list[str] = []

    def boot(_image: DiskImage, how: Emulation, _cache: Path) -> float:
        tried.append(how.boot)
        if how.boot == "disk":
            raise MachineError("it died")
        return 7.0

    monkeypatch.setattr(emulation, "_boot", boot)
    monkeypatch.setattr(emulation, "_circumstances", lambda *_: "here")
    for _ in range(2):
        attempt = emulation.boots("tcg", DiskImage(tmp_path / "image"), tmp_path, say)
        assert attempt.emulation == Emulation("tcg", "kernel", 7.0, ("TCG does not boot it (disk): it died",))
    assert tried == ["disk", "kernel"]
