# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Labels and the language that selects by them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Labels = Mapping[str, str]

_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?")
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SET = re.compile(r"(?P<key>\S+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)")
_COMPARISON = re.compile(r"(?P<key>[^\s=!]+)\s*(?P<op>==|=|!=)\s*(?P<value>\S*)")
_PRESENCE = re.compile(r"(?P<absent>!?)\s*(?P<key>[^\s=!]+)")
_COMMA_OUTSIDE_SET = re.compile(r",(?![^(]*\))")


def check_labels(labels: Labels) -> list[str]:
    """What is wrong with labels; empty when nothing is."""
    problems = [problem for key in labels if (problem := _key_problem(key))]
    problems += [f"label value '{value}' is not valid" for value in labels.values() if value and not _valid(value)]
    return problems


def _valid(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def _key_problem(key: str) -> str | None:
    prefix, slash, name = key.rpartition("/")
    if prefix == "hetzner.cloud":
        return f"label key '{key}' uses a reserved prefix"
    prefix_ok = not slash or (len(prefix) <= 253 and all(_DNS_LABEL.fullmatch(part) for part in prefix.split(".")))
    return None if prefix_ok and _valid(name) else f"label key '{key}' is not valid"


@dataclass(frozen=True)
class Selector:
    """A parsed label selector; all of its terms must hold."""

    terms: tuple[Callable[[Labels], bool], ...]

    def matches(self, labels: Labels) -> bool:
        return all(term(labels) for term in self.terms)


EVERYTHING = Selector(())


def parse(text: str) -> Selector:
    """Parse a selector such as ``env in (a,b),!old,role=web``. Raises ValueError for what cannot be parsed."""
    return Selector(tuple(_term(part.strip()) for part in _COMMA_OUTSIDE_SET.split(text)))


def _term(text: str) -> Callable[[Labels], bool]:
    if match := _SET.fullmatch(text):
        values = _values(match["values"], text)
        return _membership(_key(match["key"]), values, wanted=match["op"] == "in")
    if match := _COMPARISON.fullmatch(text):
        values = frozenset({_value(match["value"], text)})
        return _membership(_key(match["key"]), values, wanted=match["op"] != "!=")
    if match := _PRESENCE.fullmatch(text):
        key, present = _key(match["key"]), not match["absent"]
        return lambda labels: (key in labels) is present
    raise ValueError(f"label selector: cannot understand '{text}'")


def _membership(key: str, values: frozenset[str], *, wanted: bool) -> Callable[[Labels], bool]:
    return lambda labels: (key in labels and labels[key] in values) is wanted


def _key(key: str) -> str:
    if problem := _key_problem(key):
        raise ValueError(f"label selector: {problem}")
    return key


def _value(value: str, term: str) -> str:
    if value and not _valid(value):
        raise ValueError(f"label selector: value in '{term}' is not valid")
    return value


def _values(text: str, term: str) -> frozenset[str]:
    return frozenset(_value(value.strip(), term) for value in text.split(","))
