# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether and how virtual machines run here, found out by booting one.

A device /dev/kvm, or an emulator that knows an option, proves nothing: kernels have been seen to die in both.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from pydantic import TypeAdapter

from lab.daemons import wait_for
from lab.locking import locked
from lab.machines.base import MachineError
from lab.machines.platforms import Emulation
from lab.machines.vm import qemu
from lab.machines.vm.monitor import Monitor
from lab.machines.vm.qemu import DiskImage, Machine

Accelerator = Literal["kvm", "tcg"]
# Long enough for a host that has much else to do; a kernel that dies is noticed at once.
_SECONDS = {"kvm": 120, "tcg": 600}
_BOOTED = "login:"
_DIED = ("Kernel panic", "KVM internal error", "emulation failure", "No bootable device")
_LAST_LINES = 15
_SECONDS_TO_BEGIN = 30
_TRIAL_MEMORY = 1024  # MiB
_TRIAL_DISK = 4  # GB


@dataclass(frozen=True)
class Attempt:
    """What a boot came to. emulation: None where it failed, for the reason in words."""

    emulation: Emulation | None
    reason: str = ""


_ATTEMPT = TypeAdapter(Attempt)


def find(image: DiskImage, cache: Path, say: Callable[[str], None]) -> Emulation:
    """The best emulation that boots the image. MachineError with the end of the console where none does."""
    tried: list[str] = []
    accelerators: tuple[Accelerator, ...] = ("kvm", "tcg")
    for accelerator in accelerators:
        attempt = boots(accelerator, image, cache, say)
        if attempt.emulation is not None:
            emulation = attempt.emulation
            return Emulation(emulation.accelerator, emulation.boot, emulation.seconds, (*tried, *emulation.tried))
        tried.append(attempt.reason)
    raise MachineError("no virtual machine boots here: " + "; ".join(tried))


def boots(accelerator: Accelerator, image: DiskImage, cache: Path, say: Callable[[str], None]) -> Attempt:
    """Whether the image boots with an accelerator, from its own disk or else with its kernel given.

    Tried once for the same image, kernel of the host and emulator; the cache remembers.
    """
    if accelerator == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Attempt(None, "no KVM: /dev/kvm is not there, or not for this user")
    known = cache / "emulation" / f"{_circumstances(accelerator, image)}.json"
    with locked(cache / "emulation.lock"):
        with contextlib.suppress(FileNotFoundError):
            return _ATTEMPT.validate_json(known.read_bytes())
        attempt = _try_out(accelerator, image, cache, say)
        known.parent.mkdir(parents=True, exist_ok=True)
        known.write_bytes(_ATTEMPT.dump_json(attempt))
    return attempt


def _try_out(accelerator: Accelerator, image: DiskImage, cache: Path, say: Callable[[str], None]) -> Attempt:
    reasons: list[str] = []
    ways: tuple[Literal["disk", "kernel"], ...] = ("disk", "kernel")
    for boot in ways:
        say(f"booting one with {accelerator.upper()}, {boot} first, to see whether that works here")
        emulation = Emulation(accelerator, boot, 0)
        try:
            seconds = _boot(image, emulation, cache)
        except MachineError as error:
            reasons.append(f"{accelerator.upper()} does not boot it ({boot}): {error}")
        else:
            return Attempt(Emulation(accelerator, boot, round(seconds, 1), tuple(reasons)))
    return Attempt(None, "; ".join(reasons))


def _boot(image: DiskImage, emulation: Emulation, cache: Path) -> float:
    """Seconds until the login prompt; MachineError says what was on the console instead."""
    with (
        tempfile.TemporaryDirectory(dir=cache, prefix="boot-") as folder,
        # The path of a socket may be 107 characters long, and that of the cache is anybody's choice.
        tempfile.TemporaryDirectory(dir="/run", prefix="triad-lab-boot-") as run_folder,
    ):
        disk, console = Path(folder) / "disk.qcow2", Path(folder) / "console.log"
        machine = Machine("trial", None, 1, _TRIAL_MEMORY, disk, console, Path(run_folder) / "monitor")
        subprocess.run(qemu.make_disk(image, disk, _TRIAL_DISK), check=True)
        with (
            (Path(folder) / "emulator.log").open("w+", encoding="utf-8") as log,
            _running(qemu.run(machine, image, emulation), log) as process,
        ):
            return _await_login(process, machine, _SECONDS[emulation.accelerator], log)


@contextlib.contextmanager
def _running(command: list[str], log: IO[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _await_login(process: subprocess.Popen[bytes], machine: Machine, seconds: float, log: IO[str]) -> float:
    def printed() -> str:
        return machine.console.read_text(errors="replace") if machine.console.exists() else ""

    def ended() -> bool:
        return process.poll() is not None

    began = time.monotonic()
    if wait_for(lambda: machine.monitor.exists() or ended(), seconds=_SECONDS_TO_BEGIN) and not ended():
        # An accelerator that does not work may take the emulator down in this moment.
        with contextlib.suppress(MachineError):
            Monitor(machine.monitor).start([])
    over = (_BOOTED, *_DIED)
    wait_for(lambda: ended() or any(words in printed() for words in over), seconds=seconds, interval=0.2)
    text = printed()
    if _BOOTED in text:
        return time.monotonic() - began
    if ended():
        log.seek(0)
        raise MachineError(log.read().strip().rpartition("\n")[2] or "the emulator ended without a word")
    said = next((words for words in _DIED if words in text), f"no login prompt within {seconds:g} s")
    raise MachineError(f"{said}; its console ended with: {' / '.join(text.splitlines()[-_LAST_LINES:])}")


def _circumstances(accelerator: str, image: DiskImage) -> str:
    version = subprocess.run([qemu.EMULATOR, "--version"], capture_output=True, check=True, text=True).stdout
    told = f"{accelerator} {image.folder.name} {version} {platform.release()} {platform.version()}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]
