#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gates that see the collection as its users get it, apart from this repository.

``sanity``, ``units``: what ``ansible-test`` says of it, in a copy under the path that ansible-test insists on.
``package``: what is built and installed works with only meta/, plugins/, roles/ and playbooks/ left of it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from ast import literal_eval
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from ansible_test._internal.python_requirements import get_venv_packages

ROOT = Path(__file__).resolve().parent.parent
INSTALLED = ROOT / ".ansible" / "collections" / "ansible_collections"
NODE_PYTHON = ROOT / ".venv-node" / "bin" / "python"
PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
NAMESPACE, NAME = "triad", "hetzner_swarm"
# What ansible-test judges: the collection and its own tests. The lab and the applications have gates of their own.
JUDGED = (
    "CHANGELOG.rst",
    "CODE_OF_CONDUCT.md",
    "LICENSE",
    "README.md",
    "changelogs",
    "galaxy.yml",
    "inventory",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "requirements.yml",
    "roles",
    "tests/config.yml",
    "tests/unit/plugins",
)
# What must be enough for the collection to work.
ESSENTIAL = {"meta", "playbooks", "plugins", "roles"}
# ansible-test fetches a script that puts pip into an environment. Python's own ensurepip needs no address for that.
PIP_BOOTSTRAP = """\
import ensurepip

ensurepip.bootstrap()
"""


def call(*command: str | Path, cwd: Path, **environment: str) -> None:
    print("+", *command, flush=True)
    subprocess.run(command, check=True, cwd=cwd, env=os.environ | environment)


def output(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What the command prints, stdout alone."""
    environ = os.environ | environment
    return subprocess.run(command, check=True, cwd=cwd, env=environ, text=True, stdout=subprocess.PIPE).stdout


@contextmanager
def collections_folder() -> Iterator[Path]:
    """A temporary ``ansible_collections`` with the collections that ours depends on."""
    with tempfile.TemporaryDirectory(prefix="triad-collection-") as parent:
        folder = Path(parent) / "ansible_collections"
        folder.mkdir()
        for namespace in INSTALLED.iterdir():
            if namespace.name != NAMESPACE:
                (folder / namespace.name).symlink_to(namespace)
        yield folder


def copy_judged_files(folder: Path) -> Path:
    """Copy the judged files of the checkout, less what git ignores."""
    copy = folder / NAMESPACE / NAME
    listing = output("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *JUDGED, cwd=ROOT)
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def home_for_ansible_test() -> Path:
    """A home folder that keeps ansible-test's environments, and tells pip in them what pip is told here.

    ansible-test hands on HOME, and none of the PIP_* variables.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "triad-lab" / "ansible-test"
    told = [
        line.partition("=") for line in output(sys.executable, "-m", "pip", "config", "list", cwd=ROOT).splitlines()
    ]
    # Environment variables come first in the list, and win.
    settings = {name.rpartition(".")[2]: literal_eval(value) for name, _, value in reversed(told)} | {"quiet": "1"}
    lines = [f"{name} = {value.strip().replace(chr(10), chr(10) + '    ')}" for name, value in settings.items()]
    keep(home / ".config" / "pip" / "pip.conf", "\n".join(["[global]", *lines, ""]))
    version = get_venv_packages(SimpleNamespace(version=PYTHON_VERSION))["pip"]
    keep(home / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py", PIP_BOOTSTRAP)
    return home


def keep(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def refuse_to_judge_nothing(copy: Path) -> None:
    """ansible-test passes when it finds no files, as in a folder that git ignores."""
    seen = set(output("ansible-test", "env", "--list-files", cwd=copy).split())
    modules = {str(path.relative_to(copy)) for path in copy.glob("plugins/modules/*.py")}
    if not modules or not modules <= seen:
        sys.exit(f"ansible-test does not see these modules: {', '.join(sorted(modules - seen)) or 'there are none'}")


def ansible_test(command: str, *targets: str) -> None:
    ours = f"{PYTHON_VERSION}@{sys.executable}"
    options = [
        "--color=no",
        f"--controller=origin:python={ours}",
        *(f"--target-python={it}" for it in (ours, *targets)),
    ]
    # ansible-test makes environments of its own from the first python3.10 of PATH, which may be a broken shim.
    path = f"{Path(sys.executable).parent}:{NODE_PYTHON.parent}:{os.environ['PATH']}"
    with collections_folder() as folder:
        copy = copy_judged_files(folder)
        refuse_to_judge_nothing(copy)
        call("ansible-test", command, *options, cwd=copy, PATH=path, HOME=str(home_for_ansible_test()))


def sanity() -> None:
    ansible_test("sanity", *([f"3.10@{NODE_PYTHON}"] if NODE_PYTHON.exists() else []))


def units() -> None:
    ansible_test("units")


def package() -> None:
    with collections_folder() as folder:
        call("ansible-galaxy", "collection", "build", "--output-path", folder.parent, cwd=ROOT)
        (archive,) = folder.parent.glob("*.tar.gz")
        config = folder.parent / "ansible.cfg"
        config.touch()
        on_its_own = {"ANSIBLE_CONFIG": str(config), "ANSIBLE_COLLECTIONS_PATH": str(folder.parent)}
        call(
            *("ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", folder.parent, archive),
            cwd=folder.parent,
            **on_its_own,
        )
        installed = folder / NAMESPACE / NAME
        print("The archive holds:", *sorted(path.name for path in installed.iterdir()))
        for path in installed.iterdir():
            if path.name not in ESSENTIAL:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        use_what_is_left(installed, folder.parent, on_its_own)


def use_what_is_left(installed: Path, cwd: Path, on_its_own: dict[str, str]) -> None:
    prefix = f"{NAMESPACE}.{NAME}."
    modules = [prefix + path.stem for path in sorted(installed.glob("plugins/modules/*.py"))]
    roles = [prefix + path.name for path in sorted(installed.glob("roles/*"))]
    playbooks = [prefix + path.stem for path in sorted(installed.glob("playbooks/*.yml"))]
    for kind, names in (("module", modules), ("role", roles)):
        documented = json.loads(output("ansible-doc", "--json", "--type", kind, *names, cwd=cwd, **on_its_own))
        if missing := set(names) - set(documented):
            sys.exit(f"ansible-doc does not know these {kind}s: {', '.join(sorted(missing))}")
    call("ansible-playbook", "--syntax-check", "--inventory", "localhost,", *playbooks, cwd=cwd, **on_its_own)
    print(f"{len(modules)} modules, {len(roles)} roles and {len(playbooks)} playbooks work on their own")


def main() -> None:
    gates = {"sanity": sanity, "units": units, "package": package}
    if len(sys.argv) != 2 or sys.argv[1] not in gates:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(gates)}")
    try:
        gates[sys.argv[1]]()
    except subprocess.CalledProcessError as error:
        sys.exit(f"exit {error.returncode}: {' '.join(map(str, error.cmd))}")


if __name__ == "__main__":
    main()
