# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Compose file can say, deployed in one stack; and each part edited by itself, which a plan must show alone."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage

NAME = "corpus of Compose features, each edited by itself"
PLAY = str(Path(__file__).parents[1] / "plays" / "corpus.yml")
NOTE = "note: "
STEP = re.compile(r"(.*?)(?:_[0-9a-f]{12})?(?: \(.*\))?")
"""A line of a plan: the step, then the hash that ends the name of what is named by its content, and why."""
LEFT = "for kind in service network secret config; do docker $kind ls --filter name=corpus --format '{{.Name}}'; done"

Fragment = dict[str, Any] | str


class Feature(BaseModel):
    """stack: what the file says of it. edit: what it says instead. What the plan of the edit comes to is one of these:

    changes: the paths that change, by service that is updated; also: other steps. None of both: nothing is done.
    refused: words of the refusal.

    note: how a note begins that the plan has, of the edit or of what is deployed.
    """

    model_config = ConfigDict(extra="forbid")

    feature: str
    stack: Fragment
    edit: Fragment
    changes: dict[str, list[str]] = {}
    also: list[str] = []
    refused: str = ""
    note: str = ""

    @property
    def steps(self) -> list[str]:
        """The steps of the edit, but for jobs that run again."""
        return [*(f"update service {name}" for name in self.changes), *self.also]


class Corpus(BaseModel):
    """files: what the Compose file names, by name. every_service: what each service has that does not say else."""

    model_config = ConfigDict(extra="forbid")

    files: dict[str, str]
    every_service: dict[str, Any]
    features: list[Feature]

    @classmethod
    def load(cls) -> Corpus:
        return cls.model_validate(yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")))

    def united(self, edited: Collection[str] = ()) -> dict[str, Any]:
        """All fragments that are not texts, those of the features ``edited`` as the edit has them."""
        whole: dict[str, Any] = {}
        for fragment in self._fragments(edited):
            if not isinstance(fragment, str):
                _unite(whole, fragment)
        whole["services"] = {name: self.every_service | service for name, service in whole["services"].items()}
        return whole

    def options(self, edited: Collection[str] = ()) -> dict[str, Any]:
        """What the playbook gives to swarm_stack: files and variables."""
        whole = self.united(edited)
        variables = whole.pop("variables", {})
        texts = [fragment for fragment in self._fragments(edited) if isinstance(fragment, str)]
        # JSON is YAML that no reader takes for something else.
        files = [{"content": text} for text in (json.dumps(whole, ensure_ascii=False), *texts)]
        return {"files": files, "variables": variables}

    def jobs(self) -> list[str]:
        """The services that run once."""
        services = self.united()["services"]
        return [name for name, told in services.items() if told.get("deploy", {}).get("mode", "").endswith("-job")]

    def _fragments(self, edited: Collection[str]) -> list[Fragment]:
        return [one.edit if one.feature in edited else one.stack for one in self.features]


def judge(stage: Stage) -> Finding:
    """One run of a playbook, as the plans of so many edits are."""
    stage.reach("swarm")
    stage.level = None
    corpus = Corpus.load()
    manager = next(iter(blueprint_addresses()))
    folder = stage.state / "corpus"
    edits = _write(corpus, folder)
    run = stage.play(PLAY, {"corpus_host": manager, "corpus_folder": str(folder), "corpus_edits": edits})
    problems = unmet({f"the playbook succeeds ({'; '.join(map(str, run.failures))})": run.exit_code == 0})
    if "Tell the plans" not in run.reports:
        return Finding("the corpus is not deployed", problems)
    base, plans = run.reports["Tell the second plan"][0], run.reports["Tell the plans"][0]
    last = run.reports.get("Tell the last plan", [{"plan": []}])[0]
    common = _notes(base["plan"])
    unasked = [note for note in common if not any(one.note and note.startswith(one.note) for one in corpus.features)]
    steps = {"deployed": _steps(base["plan"]), "all edits deployed": _steps(last["plan"])}
    problems += unmet(
        {
            **{f"{case}: the plan is empty ({', '.join(left)})": not left for case, left in steps.items()},
            f"each note is about a feature that has one ({unasked})": not unasked,
        }
    )
    flaws = {
        feature.feature: flaw
        for feature, told in zip(corpus.features, plans, strict=True)
        if (flaw := _flaws(feature, told, corpus.jobs(), common))
    }
    problems += [f"{feature}: {words}" for feature, flaw in flaws.items() for words in flaw]
    if run.exit_code == 0:
        left = stage.on(manager, LEFT).split()
        problems += unmet({f"nothing is left of it ({', '.join(left)})": not left})
        # But for volumes, which nothing else mounts.
        stage.level = None if left else "swarm"
    data = {
        **_counts(corpus, base["services"]),
        "steps planned again": sum(map(len, steps.values())),
        "edits that appear as themselves": len(corpus.features) - len(flaws),
        "seconds": {phase: round(seconds, 1) for phase, seconds in run.phases.items() if phase != "Start"},
    }
    return Finding(_figure(data), problems, data=data)


def _counts(corpus: Corpus, services: Sequence[Any]) -> dict[str, int]:
    return {
        "features": len(corpus.features),
        "services": len(services),
        "refused": sum(bool(feature.refused) for feature in corpus.features),
        "without a step": sum(not (feature.steps or feature.refused) for feature in corpus.features),
    }


def _figure(data: Mapping[str, Any]) -> str:
    return (
        f"{data['features']} features in {data['services']} services: {data['steps planned again']} steps planned "
        f"again, {data['edits that appear as themselves']} of {data['features']} edits appear as themselves alone "
        f"({data['refused']} as a refusal, {data['without a step']} as nothing to do); "
        + ", ".join(f"{phase} {seconds:.0f} s" for phase, seconds in data["seconds"].items())
    )


def _write(corpus: Corpus, folder: Path) -> list[str]:
    """Write what the playbook deploys; returns the names of the edits."""
    (folder / "files").mkdir(parents=True, exist_ok=True)
    for name, content in corpus.files.items():
        (folder / "files" / name).write_text(content, encoding="utf-8")
    edits = {f"edit-{number:03}": [feature.feature] for number, feature in enumerate(corpus.features, 1)}
    together = [feature.feature for feature in corpus.features if feature.steps]
    for variant, edited in {"base": [], "together": together, **edits}.items():
        (folder / f"{variant}.json").write_text(json.dumps(corpus.options(edited)), encoding="utf-8")
    return list(edits)


def _unite(whole: dict[str, Any], fragment: Mapping[str, Any]) -> None:
    """Put a fragment in: maps are united, lists joined. ValueError where two of them say different things."""
    for key, value in fragment.items():
        before = whole.get(key)
        if before is None:
            whole[key] = deepcopy(value)
        elif isinstance(before, dict) and isinstance(value, dict):
            _unite(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            before += value
        elif value is not None and value != before:
            raise ValueError(f"{key} is {before!r} of one feature and {value!r} of another")


def _flaws(feature: Feature, told: Mapping[str, Any], jobs: Sequence[str], common: Collection[str]) -> list[str]:
    """What is wrong with the plan of an edit. common: the notes of the stack without it."""
    said = told.get("msg", "")
    if feature.refused:
        return unmet({f"it is refused: {feature.refused} ({said})": feature.refused in said})
    if said:
        return [f"it is planned ({said})"]
    steps, notes = _steps(told["plan"]), _notes(told["plan"])
    expected = feature.steps
    if any(step.startswith("create ") or " service " in step for step in expected):
        # Sending the file starts every job of it again.
        expected += [f"run job {name}" for name in jobs if name not in feature.changes]
    changes = {
        entry["before_header"].removeprefix("service "): sorted(entry["before"].keys() | entry["after"].keys())
        for entry in told["diff"]
        if re.fullmatch(r"service .* \(update\)", entry["after_header"])
    }
    strange = [note for note in notes if note not in common and not (feature.note and note.startswith(feature.note))]
    return unmet(
        {
            f"the plan is {sorted(expected)} ({sorted(steps)})": sorted(expected) == sorted(steps),
            f"the diff is {feature.changes} ({changes})": changes
            == {service: sorted(paths) for service, paths in feature.changes.items()},
            f"the plan notes: {feature.note} ({notes})": not feature.note
            or any(note.startswith(feature.note) for note in [*notes, *common]),
            f"it notes nothing else ({strange})": not strange,
        }
    )


def _steps(plan: Sequence[str]) -> list[str]:
    """The steps of a plan, without hashes and reasons."""
    matches = (STEP.fullmatch(line) for line in plan if not line.startswith(NOTE))
    return [match[1] for match in matches if match]


def _notes(plan: Sequence[str]) -> list[str]:
    return [line.removeprefix(NOTE) for line in plan if line.startswith(NOTE)]
