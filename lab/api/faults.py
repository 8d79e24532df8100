# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults put into the API by rule, for tests of its clients."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lab.api.settings import Fault


@dataclass
class _Rule:
    fault: Fault
    seen: int = 0
    effects: int = 0

    def strikes(self) -> bool:
        """Count one match and say whether it takes effect."""
        self.seen += 1
        wanted = self.fault.nth is None or self.seen == self.fault.nth
        spent = self.fault.times is not None and self.effects >= self.fault.times
        if not wanted or spent:
            return False
        self.effects += 1
        return True


class Faults:
    """The rules in force. The first rule that strikes wins; the matches of the others are counted too."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self._rules = [_Rule(fault) for fault in faults]

    def replace(self, faults: list[Fault]) -> None:
        self._rules = [_Rule(fault) for fault in faults]

    def add(self, fault: Fault) -> None:
        self._rules.append(_Rule(fault))

    def describe(self) -> list[dict[str, object]]:
        """Every rule with how often it matched and took effect."""
        return [
            rule.fault.model_dump(mode="json") | {"seen": rule.seen, "effects": rule.effects} for rule in self._rules
        ]

    def for_request(self, method: str, path: str) -> Fault | None:
        return self._strike(
            rule
            for rule in self._rules
            if rule.fault.on == "request"
            and re.fullmatch(rule.fault.method, method)
            and re.fullmatch(rule.fault.path, path)
        )

    def for_action(self, command: str) -> Fault | None:
        return self._strike(
            rule for rule in self._rules if rule.fault.on == "action" and re.fullmatch(rule.fault.command, command)
        )

    def for_interface(self) -> Fault | None:
        return self._strike(rule for rule in self._rules if rule.fault.on == "interface")

    @staticmethod
    def _strike(matching: Iterable[_Rule]) -> Fault | None:
        striking = [rule.fault for rule in matching if rule.strikes()]
        return striking[0] if striking else None
