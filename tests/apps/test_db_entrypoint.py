# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decisions of the database's entrypoint, with stand-ins for PostgreSQL's programs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apps.servers import AS_NOBODY, NOBODY, copy_program, public_folder

ENTRYPOINT = Path(__file__).resolve().parents[2] / "apps" / "db" / "entrypoint"

PROGRAMS = {
    # Makes what initdb makes, as far as the entrypoint looks at it; INITDB=broken stops half-way.
    "initdb": """#!/bin/bash
for option; do case $option in
    --pgdata=*) data=${option#*=} ;;
    --pwfile=*) password=$(<"${option#*=}") ;;
    --username=*) user=${option#*=} ;;
esac; done
mkdir "$data" && echo 17 >"$data/PG_VERSION"
[[ ${INITDB:-} != broken ]] || exit 1
mkdir "$data/base"; touch "$data/postgresql.conf" "$data/pg_hba.conf"
echo "made for $user with password $password" >"$data/base/1"
""",
    "pg_controldata": """#!/bin/bash
echo 'Database cluster state:               '"${STATE:-shut down}"
""",
    "postgres": """#!/bin/bash
if [[ $1 == --single ]]; then cat >>"$3/base/1"; else echo "serving with ${*:-no arguments}"; fi
""",
}


class Volume:
    """A data directory, and the programs that a start of the container runs on it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.programs = folder / "programs"
        self.data.mkdir()
        self.programs.mkdir()
        copy_program(ENTRYPOINT, self.programs)
        for name, text in PROGRAMS.items():
            (self.programs / name).write_text(text, encoding="utf-8")
            (self.programs / name).chmod(0o755)

    def fill(self, *files: str) -> None:
        for name in files:
            path = self.data / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"old {name}", encoding="utf-8")

    def files(self) -> set[str]:
        return {str(path.relative_to(self.data)) for path in self.data.rglob("*") if path.is_file()}

    def text(self, name: str) -> str:
        return (self.data / name).read_text(encoding="utf-8")

    def start(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        if AS_NOBODY:
            for path in [self.data, *self.data.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)
        return subprocess.run(
            [self.programs / "entrypoint", *(arguments or ("postgres",))],
            env={"PATH": f"{self.programs}:{os.environ['PATH']}", "PGDATA": str(self.data), **environment},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
            **AS_NOBODY,
        )


@pytest.fixture
def volume() -> Iterator[Volume]:
    with public_folder() as folder:
        yield Volume(folder)


COMPLETE = {"PG_VERSION", "base/1", "postgresql.conf", "pg_hba.conf"}


def test_an_empty_volume_is_refused_with_the_way_out(volume: Volume) -> None:
    start = volume.start(POSTGRES_PASSWORD="x")
    assert start.returncode == 78
    assert "nobody asked for a new database" in start.stderr
    assert f"create the file {volume.data}/.initialise" in start.stderr
    assert "serving" not in start.stdout
    assert volume.files() == set()


def test_a_volume_of_something_else_is_refused_even_when_asked_for(volume: Volume) -> None:
    volume.fill(".initialise", "base/1")
    start = volume.start(POSTGRES_PASSWORD="x")
    assert start.returncode == 78
    assert "neither empty nor a database" in start.stderr
    assert volume.text("base/1") == "old base/1"


def test_a_database_is_made_where_one_is_asked_for(volume: Volume) -> None:
    volume.fill(".initialise")
    start = volume.start(POSTGRES_PASSWORD="secret", POSTGRES_USER="ann", POSTGRES_DB='my "votes"')
    assert start.returncode == 0, start.stderr
    assert "serving" in start.stdout
    assert volume.files() == COMPLETE
    assert "made for ann with password secret" in volume.text("base/1")
    assert 'CREATE DATABASE "my ""votes"""' in volume.text("base/1")
    assert "secret" not in start.stdout + start.stderr


INTERRUPTED = {
    "while building": (".initialise", ".building/PG_VERSION"),
    "before the move": (".initialise", ".built/PG_VERSION", ".built/base/1"),
    "while moving": (".initialise", "base/1", ".built/PG_VERSION"),
    "the request gone": ("base/1", ".built/PG_VERSION"),
    "after the move": (".initialise", "base/1", "PG_VERSION"),
    "while tidying": ("base/1", "PG_VERSION", ".built/left"),
    "on a volume's own file system": (".initialise", "lost+found/1"),
}


@pytest.mark.parametrize("files", INTERRUPTED.values(), ids=INTERRUPTED.keys())
def test_an_interrupted_beginning_is_brought_to_its_end(volume: Volume, files: tuple[str, ...]) -> None:
    volume.fill(*files)
    start = volume.start(POSTGRES_PASSWORD="x")
    assert start.returncode == 0, start.stderr
    assert "serving" in start.stdout
    assert {"PG_VERSION", "base/1"} <= volume.files()
    assert not [name for name in volume.files() if name.startswith(".")]


def test_a_failed_beginning_is_begun_anew(volume: Volume) -> None:
    volume.fill(".initialise")
    assert volume.start(POSTGRES_PASSWORD="x", INITDB="broken").returncode == 1
    assert ".initialise" in volume.files()
    assert volume.start(POSTGRES_PASSWORD="x").returncode == 0
    assert volume.files() == COMPLETE


def test_a_database_that_is_there_is_never_made_again(volume: Volume) -> None:
    volume.fill(".initialise", "PG_VERSION", "base/1")
    assert volume.start().returncode == 0
    assert volume.text("base/1") == "old base/1"
    assert ".initialise" not in volume.files()


PASSWORDS = {
    "none": ({}, "POSTGRES_PASSWORD_FILE"),
    "both": ({"POSTGRES_PASSWORD": "x", "POSTGRES_PASSWORD_FILE": "/etc/hostname"}, "both set"),
    "a file that is not there": ({"POSTGRES_PASSWORD_FILE": "/nowhere"}, "/nowhere"),
}


@pytest.mark.parametrize(("environment", "message"), PASSWORDS.values(), ids=PASSWORDS.keys())
def test_a_password_is_needed_to_begin(volume: Volume, environment: dict[str, str], message: str) -> None:
    volume.fill(".initialise")
    start = volume.start(**environment)
    assert start.returncode == 78
    assert message in start.stderr
    assert volume.files() == {".initialise"}


def test_the_password_may_come_from_a_file(volume: Volume) -> None:
    volume.fill(".initialise")
    secret = volume.programs / "secret"
    secret.write_text("from the file\n", encoding="utf-8")
    assert volume.start(POSTGRES_PASSWORD_FILE=str(secret)).returncode == 0
    assert "with password from the file" in volume.text("base/1")


@pytest.mark.parametrize(
    ("environment", "statement"),
    [
        ({"POSTGRES_PASSWORD": "it's"}, "ALTER ROLE \"postgres\" PASSWORD 'it''s'\n"),
        ({"POSTGRES_PASSWORD": "x", "POSTGRES_USER": 'an"n'}, 'ALTER ROLE "an""n" PASSWORD \'x\'\n'),
        ({}, ""),
        ({"POSTGRES_PASSWORD": "x", "STATE": "in production"}, ""),
    ],
)
def test_a_database_that_is_there_takes_the_password_unless_it_has_to_recover(
    volume: Volume, environment: dict[str, str], statement: str
) -> None:
    volume.fill("PG_VERSION", "base/1")
    assert "serving" in volume.start(**environment).stdout
    assert volume.text("base/1") == f"old base/1{statement}"


def test_options_go_to_the_server_and_other_programs_run_as_they_are(volume: Volume) -> None:
    volume.fill("PG_VERSION")
    assert "serving with -c work_mem=8MB" in volume.start("-c", "work_mem=8MB").stdout
    assert volume.start("echo", "hello").stdout == "hello\n"
