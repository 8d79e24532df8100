# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be done to bring a stack to its Compose file. Pure.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._compose import (
    Compose,
    effective,
    full_name,
    ignored_options,
    networks_of,
    volumes_of,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._placement import satisfies_all
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Step
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_contents import Made
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_masking import flattened, shown, shown_beside
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_releases import Release
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import (
    State,
    image_of,
    key_name,
    spec_digests,
)

# Changes of these leave running tasks alone; any other change of a service replaces them.
_KEEPS_TASKS = re.compile(
    r"deploy\.(replicas$|labels\b|update_config\b|rollback_config\b|placement\.(constraints|preferences)$)"
)
_CONSTRAINTS = "deploy.placement.constraints"


@dataclass(frozen=True)
class Desired:
    """A stack as it shall be.

    compose: normalised, images pinned, secrets and configs by full name.
    images: the pinned reference of every reference.
    made: secrets and configs that the module makes. contents: of those from files, by full name.
    hash_key: what contents were named with. prune: remove what the file no longer declares.
    keep_releases: how many. restores: the number of the release that it is the file of, if it is one's.
    self_named: secrets from files under a name that the file gives, full name by key.
    complete: whether it is all that the file says. waiting: services that stay though the file says otherwise of them.
    """

    stack: str
    compose: Compose
    images: Mapping[str, str]
    hash_key: str
    made: tuple[Made, ...] = ()
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    prune: bool = True
    keep_releases: int = 5
    restores: int | None = None
    self_named: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True
    waiting: tuple[str, ...] = ()

    @property
    def uses_key(self) -> bool:
        return bool(self.contents) or any(item.content is not None for item in self.made)


def plan(desired: Desired, state: State) -> list[Step]:
    """The steps: services that go, what services need, services, then what nothing needs any more."""
    steps = [
        *_services_that_go(desired, state),
        *_secrets_and_configs(desired, state),
        *_networks(desired, state),
        *_volumes(desired, state),
        *_services(desired, state),
    ]
    if deploys(steps):
        steps += _jobs_again(desired, state, {step.name for step in steps if step.kind == "service"})
    steps += _completion(desired, state, steps)
    staying = _staying(desired, state.releases, records(steps))
    for old in state.releases:
        if old not in staying:
            note = "older than those kept" if old.complete else "a step on the way"
            steps.append(Step("remove", "release", old.name(state.stack), before={"number": old.number}, note=note))
    return [*steps, *(_removals(desired, state, staying) if desired.prune else ())]


def plan_absent(state: State, volumes: Iterable[str]) -> list[Step]:
    """The steps that remove a stack. volumes: full names of those that go, too; all others stay."""
    gone = [("service", name) for name in state.services]
    gone += [("network", name) for name in state.owned(state.networks)]
    gone += [("secret", name) for name in state.owned(state.secrets)]
    gone += [("config", name) for name in state.owned(state.configs)]
    gone += [("key", key_name(state.stack))] if state.hash_key else []
    gone += [("release", release.name(state.stack)) for release in state.releases]
    gone += [("volume", name) for name in volumes]
    return [Step("remove", kind, name, before={"name": name}) for kind, name in gone]


def deploys(steps: Iterable[Step]) -> bool:
    """Whether the steps send the Compose file to the engine; clearing away leftovers alone does not."""
    return any(step.kind == "service" or step.verb == "create" for step in steps)


def records(steps: Iterable[Step]) -> bool:
    """Whether the steps end in a new release."""
    steps = list(steps)
    return deploys(steps) or any(step.verb == "record" for step in steps)


def notes(desired: Desired, state: State) -> list[str]:
    """What a person should know and the steps do not say, one line each."""
    lines = [f"note: deploying ignores {option}" for option in ignored_options(desired.compose)]
    lines += [f"note: {words}" for words in (*_fixed_volumes(desired, state), *_fixed_secrets(desired, state))]
    if not desired.prune:
        extra = sorted(state.services.keys() - desired.compose["services"].keys())
        lines += [f"note: service {name} is not in the Compose file and stays, because prune is off" for name in extra]
    if desired.waiting:
        lines.append(f"note: not as the Compose file says, and left so: {', '.join(desired.waiting)}")
    return lines


def _secrets_and_configs(desired: Desired, state: State) -> Iterator[Step]:
    for item in desired.made:
        if item.name not in (state.secrets if item.kind == "secret" else state.configs):
            size = f"{len(item.content)} bytes" if item.content is not None else f"{item.length} random characters"
            after = {"name": item.name, "content": size}
            yield Step("create", item.kind, item.name, after=after, note=item.note, payload={"made": item})
    for kind, existing in (("secrets", state.secrets), ("configs", state.configs)):
        for key, declared in desired.compose.get(kind, {}).items():
            name = full_name(desired.compose, desired.stack, kind, key)
            if not declared.get("external") and name not in existing:
                yield Step("create", kind.rstrip("s"), name, after={"name": name, "file": declared.get("file")})


def network_names(desired: Desired) -> dict[str, str]:
    """The full names of the networks that deploying makes, by key: declared, used by a service and not external."""
    declared = desired.compose.get("networks", {})
    used = {key for service in desired.compose["services"].values() for key in networks_of(service)}
    return {
        key: full_name(desired.compose, desired.stack, "networks", key)
        for key in sorted(used)
        if not (declared.get(key) or {}).get("external")
    }


def _networks(desired: Desired, state: State) -> Iterator[Step]:
    for key, name in network_names(desired).items():
        if name not in state.networks:
            options = desired.compose.get("networks", {}).get(key) or {}
            yield Step("create", "network", name, after={"name": name, **options})


def _volumes(desired: Desired, state: State) -> Iterator[Step]:
    """Volumes that no service of the last release mounted. Whether a node has one of the name is the node's to know."""
    known = _mounted(state.release.compose, desired.stack) if state.release else {}
    for name, options in _mounted(desired.compose, desired.stack).items():
        if name not in known:
            note = "on each node that gets a task which mounts it, where it is not there"
            yield Step("create", "volume", name, after={"name": name, **options}, note=note)


def _fixed_volumes(desired: Desired, state: State) -> Iterator[str]:
    known = _mounted(state.release.compose, desired.stack) if state.release else {}
    for name, options in _mounted(desired.compose, desired.stack).items():
        if known.get(name, options) != options:
            yield (
                f"the volume {name} keeps the options that it has on nodes where it is there: declare one of another "
                "name, or remove it on its nodes first"
            )


def _fixed_secrets(desired: Desired, state: State) -> Iterator[str]:
    for key, name in desired.self_named.items():
        if name in state.secrets:
            yield (
                f"secrets.{key} is there under the name that the file gives it, and whether its value is that of the "
                "file cannot be seen; if it is not, the engine refuses it: leave the name out, and it follows the value"
            )


def _mounted(compose: Compose, stack: str) -> dict[str, dict[str, Any]]:
    """What is declared of the named volumes that services mount, by full name."""
    return {name: told for service in compose["services"] for name, told in volumes_of(compose, stack, service).items()}


def _services(desired: Desired, state: State) -> Iterator[Step]:
    for name in desired.compose["services"]:
        step = _service(name, desired, state)
        if step:
            yield step


def _services_that_go(desired: Desired, state: State) -> Iterator[Step]:
    """First of all, as the command line does it, so that the ports that they publish are free."""
    for name in sorted(state.services.keys() - desired.compose["services"].keys()) if desired.prune else ():
        yield Step("remove", "service", name, before={"name": name}, note="not in the Compose file")


def _service(name: str, desired: Desired, state: State) -> Step | None:
    wanted = flattened(effective(desired.compose, desired.stack, name))
    actual, release = state.services.get(name), state.release
    if actual is None:
        missing = release is not None and name in release.compose["services"]
        note = f"it was part of release {release.number}" if release and missing else ""
        return Step("create", "service", name, after=shown(wanted), note=note)
    if release is None or name not in release.compose["services"]:
        note = "it runs, and no release of this module tells from what file: deployed again"
        return Step(
            "update", "service", name, before={"image": image_of(actual["Spec"])}, after=shown(wanted), note=note
        )
    return _change(name, wanted, release, actual, state)


def _jobs_again(desired: Desired, state: State, planned: set[str]) -> Iterator[Step]:
    for name, service in desired.compose["services"].items():
        is_job = service.get("deploy", {}).get("mode", "").endswith("-job")
        if is_job and name in state.services and name not in planned:
            yield Step("run", "job", name, after={"run": "again"}, note="sending the file starts every job of it again")


def _change(
    name: str, wanted: dict[str, Any], release: Release, actual: Mapping[str, Any], state: State
) -> Step | None:
    released = flattened(effective(release.compose, state.stack, name))
    fields = sorted(path for path in wanted.keys() | released.keys() if wanted.get(path) != released.get(path))
    drift = drifted(release.specs.get(name, {}), actual["Spec"])
    if not fields and not drift:
        return None
    before = {path: released[path] for path in fields if path in released}
    after = {path: wanted[path] for path in fields if path in wanted}
    note = _effect(fields, drift, before, after, state)
    if drift:
        note += f"; it is not as release {release.number} left it: {', '.join(drift)}"
        before.update(dict.fromkeys(drift, f"not as release {release.number} left it"))
        after.update(dict.fromkeys(drift, "as the Compose file says"))
    return Step("update", "service", name, before=shown_beside(before, after), after=shown(after), note=note)


def _effect(
    fields: Sequence[str], drift: Sequence[str], before: Mapping[str, Any], after: Mapping[str, Any], state: State
) -> str:
    """What becomes of the tasks of a service, in words."""
    if not all(_KEEPS_TASKS.match(path) for path in fields) or any(path.startswith("TaskTemplate") for path in drift):
        return "replaces its tasks"
    if _CONSTRAINTS in fields:
        old, new = before.get(_CONSTRAINTS, []), after.get(_CONSTRAINTS, [])
        keeping = [node for node in state.nodes if node["Spec"].get("Availability") != "drain"]
        fitting = [node for node in keeping if satisfies_all(node, old)]
        if not all(satisfies_all(node, new) for node in fitting):
            return "its tasks keep running where their node still fits, and are replaced elsewhere"
    return "its tasks keep running"


def drifted(released: Mapping[str, str], spec: Mapping[str, Any]) -> list[str]:
    """The parts of a service's spec that are not as the release left them, by path."""
    actual = spec_digests(spec)
    return sorted(path for path in released.keys() | actual.keys() if released.get(path) != actual.get(path))


def drifts(state: State, but: Container[str] = ()) -> list[str]:
    """How services, ``but`` these, are not as the newest release left them, one line for each."""
    release = state.release
    if release is None:
        return []
    found = []
    for name in release.compose["services"]:
        if name in but:
            continue
        if name not in state.services:
            found.append(f"{name} is gone")
        elif parts := drifted(release.specs.get(name, {}), state.services[name]["Spec"]):
            found.append(f"{name} differs in {', '.join(parts)}")
    return found


def strangers(state: State, but: Container[str] = ()) -> list[str]:
    """Services of the stack, ``but`` these, that the newest release does not have, one line for each."""
    release = state.release
    if release is None:
        return []
    strange = state.services.keys() - release.compose["services"].keys()
    return [f"{name} is not in release {release.number}" for name in sorted(strange) if name not in but]


def _completion(desired: Desired, state: State, steps: Sequence[Step]) -> Iterator[Step]:
    """A step that has become all that the file says, or the file all that the step has, is a complete release."""
    release = state.release
    if release is None or release.complete or not desired.complete or deploys(steps):
        return
    yield Step(
        "record",
        "release",
        f"{state.stack}.release.{release.number + 1}",
        after={"number": release.number + 1, "complete": True},
        note=f"all services are as the Compose file says, and release {release.number} is a step",
    )


def _removals(desired: Desired, state: State, staying: Sequence[Release]) -> Iterator[Step]:
    made = set(network_names(desired).values())
    for name in sorted(state.owned(state.networks)):
        if name not in made:
            yield Step("remove", "network", name, before={"name": name}, note="no service uses it any more")
    for kind, existing in (("secrets", state.secrets), ("configs", state.configs)):
        needed = _named(kind, desired.stack, [desired.compose, *(release.compose for release in staying)])
        for name in sorted(state.owned(existing)):
            if name not in needed:
                note = "no kept release names it"
                yield Step("remove", kind.rstrip("s"), name, before={"name": name}, note=note)


def _staying(desired: Desired, releases: Sequence[Release], recorded: bool) -> list[Release]:
    """The releases that are kept: the newest complete ones, and the newest steps since the last of them.

    recorded: whether another one comes. It counts among its like, and a complete one ends all steps.
    """
    complete = [release for release in releases if release.complete]
    steps = [release for release in releases if not complete or release.number > complete[-1].number]
    keep = desired.keep_releases
    if recorded and desired.complete:
        return [*_newest(complete, keep - 1)]
    return [*_newest(complete, keep), *_newest(steps, keep - recorded)]


def _newest(releases: Sequence[Release], number: int) -> Sequence[Release]:
    return releases[max(0, len(releases) - number) :]


def _named(kind: str, stack: str, files: Iterable[Compose]) -> set[str]:
    return {full_name(compose, stack, kind, key) for compose in files for key in compose.get(kind, {})}
