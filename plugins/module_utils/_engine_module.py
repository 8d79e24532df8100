# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The frame of a module that converges something of an engine's swarm: arguments in, one result or one message out.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import DOCKER_ARGUMENTS, EngineError
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def run(
    arguments: Mapping[str, Mapping[str, Any]],
    converge: Callable[[AnsibleModule, list[Step]], dict[str, Any]],
    **constraints: Any,
) -> None:
    """Run a module and exit.

    arguments: its options beside those of the engine. converge: gives the return values; the list it is handed grows by
    each step taken, so that a failure tells how far it came. constraints: as AnsibleModule takes them (required_if).
    """
    spec = {**DOCKER_ARGUMENTS, **arguments}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, **constraints)
    done: list[Step] = []
    try:
        result = converge(module, done)
    except (EngineError, Refused) as error:
        module.fail_json(msg=str(error), changed=bool(done), done=summary(done))
    module.exit_json(**result)
