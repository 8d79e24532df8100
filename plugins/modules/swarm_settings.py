#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, Triad contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

"""The settings of a swarm itself."""

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_settings
short_description: Converge the settings of a Docker Swarm
description:
  - Gives the swarm itself its settings, such as heartbeat, certificates and autolock. Runs on a manager, once for the
    swarm.
  - Replaces join tokens, unlock key and root certificate by new ones where O(rotate) asks for it.
  - A setting that is not given stays as it is, as does whatever else the swarm holds.
author:
  - Triad contributors (@triad)
extends_documentation_fragment:
  - triad.hetzner_swarm.docker
attributes:
  check_mode:
    support: full
    description: What would be refused is refused in check mode too. No key is read.
  diff_mode:
    support: full
    description: Shows the settings that change, and which tokens, keys and certificates are replaced, never their text.
  idempotent:
    support: partial
    description: Settings that are as asked for are left as they are. What O(rotate) names is replaced every time.
options:
  dispatcher_heartbeat:
    description:
      - Seconds between two signs of life of a node, at least 1. Docker's default is 5.
      - A silent node is declared down after 3 of them, or 6 after a change of leader.
    type: int
  task_history_limit:
    description: How many old tasks are remembered for each slot of a service. Docker's default is 5.
    type: int
  snapshot_interval:
    description: Entries of the managers' Raft log between two snapshots, at least 1. Docker's default is 10000.
    type: int
  keep_old_snapshots:
    description: How many snapshots are kept beside the latest one. Docker's default is 0.
    type: int
  log_entries_for_slow_followers:
    description:
      - Entries of the Raft log that are kept after a snapshot, for managers that lag behind. Docker's default is 500.
    type: int
  node_cert_expiry:
    description:
      - Hours that the certificate of a node is valid, at least 1. Docker's default is 2160, which is 90 days.
      - Nodes renew theirs long before it ends. It counts from the next renewal.
    type: int
  autolock:
    description:
      - Whether a manager is locked when its engine has restarted, until it is given the unlock key, see
        O(triad.hetzner_swarm.swarm_member#module:unlock_key).
      - With V(true) the call that switches it on returns RV(unlock_key). Keep it outside the swarm. Without it, no
        manager that restarts comes back.
      - Docker cannot rebuild a locked swarm that has lost the majority of its managers
        (U(https://github.com/moby/moby/issues/36852)), so
        O(triad.hetzner_swarm.swarm_member#module:force_new_cluster) is out of the question then.
    type: bool
  rotate:
    description:
      - What is replaced by a new one. This is done every time it is asked for.
      - V(worker_join_token) and V(manager_join_token) make the token known so far useless. Members stay.
      - V(unlock_key) needs O(autolock). A manager that is down, or has not heard of the new key when it restarts, still
        needs the old one, so keep both until all managers have restarted once.
      - V(ca_certificate) gives the swarm a new root certificate, every node a new certificate of it, and at its end the
        swarm new join tokens. It is refused while a node is down, which could not take part.
    type: list
    elements: str
    choices: [worker_join_token, manager_join_token, unlock_key, ca_certificate]
    default: []
  include_unlock_key:
    description:
      - Whether to return the unlock key even if it was not made in this call.
      - Whoever holds it and a manager's disk can read what is secret in the swarm, so give the task C(no_log=true).
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds to wait for an election that is under way to end before anything is planned, and with V(ca_certificate)
        in O(rotate) for all nodes to have their new certificate.
    type: int
    default: 120
seealso:
  - module: triad.hetzner_swarm.swarm_info
  - module: triad.hetzner_swarm.swarm_member
"""

EXAMPLES = r"""
- name: Notice dead nodes sooner
  triad.hetzner_swarm.swarm_settings:
    dispatcher_heartbeat: 2
    node_cert_expiry: 720

- name: Lock managers that restart
  triad.hetzner_swarm.swarm_settings:
    autolock: true
    include_unlock_key: true
  register: locked
  no_log: true

- name: Keep the key outside the swarm
  ansible.builtin.copy:
    content: "{{ locked.unlock_key }}"
    dest: ~/.swarm-unlock-key
    mode: "0600"
  delegate_to: localhost
  when: not ansible_check_mode
  no_log: true

- name: Make tokens useless that may have been seen
  triad.hetzner_swarm.swarm_settings:
    rotate: [worker_join_token, manager_join_token]
"""

RETURN = r"""
settings:
  description: The settings afterwards by option, in check mode the present ones.
  returned: success
  type: dict
  sample:
    dispatcher_heartbeat: 5
    task_history_limit: 5
    snapshot_interval: 10000
    keep_old_snapshots: 0
    log_entries_for_slow_followers: 500
    node_cert_expiry: 2160
    autolock: false
unlock_key:
  description:
    - The key that unlocks a manager whose engine has restarted. None without autolock and in check mode.
    - Give the task C(no_log=true) wherever it is returned.
  returned: when O(include_unlock_key=true), when O(autolock) was switched on, or when O(rotate) names V(unlock_key)
  type: str
  sample: SWMKEY-1-...
plan:
  description: What was done, or in check mode would be done, one line a step.
  returned: success
  type: list
  elements: str
  sample:
    - update swarm r7fmj8b1kvktsrsfjlsqq1q4y (dispatcher_heartbeat 2)
    - rotate join token of the workers
done:
  description: The steps that the engine has taken before the error.
  returned: failure
  type: list
  elements: str
  sample: []
"""

from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _engine_module, _nodes, _settings, _swarm
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import (
    EngineError,
    connect,
    engine_errors,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Step, diff, summary
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._poll import holds_within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible.module_utils.basic import AnsibleModule
    from docker import APIClient

ARGUMENTS: dict[str, dict[str, Any]] = {
    **{option: {"type": "int"} for option in _settings.NUMBERS},
    "autolock": {"type": "bool"},
    "rotate": {"type": "list", "elements": "str", "choices": list(_settings.ROTATIONS), "default": []},
    "include_unlock_key": {"type": "bool", "default": False, "no_log": False},
    "wait_timeout": {"type": "int", "default": 120},
}

KEY_ELSEWHERE = "docker swarm unlock-key on a manager tells it, or this module with include_unlock_key: true"


class Managers:
    """The swarm as its managers tell of it.

    swarm, cluster: what was read last. done: the steps the engine has taken.
    """

    def __init__(self, api: APIClient, wait_timeout: float, done: list[Step]) -> None:
        self.api = api
        self.done = done
        self.wait_timeout = wait_timeout
        holds_within(wait_timeout, self.has_leader)
        _nodes.check_manager(self.swarm)
        self.cluster = self.read()

    def has_leader(self) -> bool:
        """Whether no election is under way, as far as this engine can see. Reads the swarm anew."""
        self.swarm = _swarm.read(self.api)
        return not self.swarm.leaderless

    def read(self) -> _settings.Cluster:
        with engine_errors("read the settings of the swarm"):
            return _settings.Cluster.from_api(self.api.inspect_swarm())

    def take(self, steps: Sequence[Step], wish: _settings.Wish) -> None:
        """Carry all steps out at once, on the settings as they are when the engine takes them."""
        for _attempt in range(_swarm.UPDATE_ATTEMPTS):
            if self.update(wish):
                self.done.extend(steps)
                return
            self.cluster = self.read()
        raise EngineError("Cannot update the swarm: something else keeps changing it; run this again.")

    def update(self, wish: _settings.Wish) -> bool:
        """Whether the update was taken; False where another writer was faster."""
        try:
            with engine_errors("update the swarm"):
                self.api.update_swarm(
                    self.cluster.version,
                    _settings.granted(wish, self.cluster.spec),
                    rotate_worker_token="worker_join_token" in wish.rotate,
                    rotate_manager_token="manager_join_token" in wish.rotate,
                    rotate_manager_unlock_key="unlock_key" in wish.rotate,
                )
        except EngineError as error:
            if "out of sequence" in error.reason:
                return False
            raise
        return True

    def unlock_key(self) -> str:
        with engine_errors(f"read the unlock key, without which no manager that restarts comes back ({KEY_ELSEWHERE})"):
            key: str = self.api.get_unlock_key()["UnlockKey"]
        if not key:
            raise EngineError(f"The engine gives no unlock key although autolock is on; {KEY_ELSEWHERE}.")
        return key

    def see(self, wish: _settings.Wish) -> None:
        """Read what was taken; a new root certificate is waited for until all nodes have one of it."""
        self.cluster = self.read()
        if "ca_certificate" not in wish.rotate:
            return

        def renewed() -> bool:
            if self.has_leader():
                self.cluster = self.read()
            return not self.cluster.rotating

        if not holds_within(self.wait_timeout, renewed):
            with engine_errors("list the nodes that have no new certificate yet"):
                names = _settings.behind(self.cluster, self.api.nodes())
            raise EngineError(
                f"{self.wait_timeout:g} s after the rotation of the root certificate not every node has its new one: "
                f"{', '.join(names) or 'the managers are about to end it'}. The swarm works, trusts both roots and "
                "goes on by itself; do not rotate again. See that these nodes reach a manager on port 2377/tcp, or "
                "remove those that are dead."
            )


def converge(module: AnsibleModule, done: list[Step]) -> dict[str, Any]:
    """The return values; ``done`` grows by the steps taken, for a failure to tell how far it came."""
    wish = _settings.Wish.from_options(module.params)
    managers = Managers(connect(module.params), module.params["wait_timeout"], done)
    steps = _settings.plan(wish, managers.cluster, managers.swarm.nodes)
    result: dict[str, Any] = {"changed": bool(steps), "plan": summary(steps), "diff": diff(steps)}
    new_key = _settings.makes_key(wish, managers.cluster)
    locks = wish.locks(managers.cluster)
    if steps and not module.check_mode:
        managers.take(steps, wish)
    if new_key or module.params["include_unlock_key"]:
        result["unlock_key"] = managers.unlock_key() if locks and not module.check_mode else None
    if steps and not module.check_mode:
        try:
            managers.see(wish)
        except EngineError as error:
            if new_key:
                raise EngineError(f"{error} The unlock key is new and was not returned: {KEY_ELSEWHERE}.") from error
            raise
    return {**result, "settings": managers.cluster.settings}


def main() -> None:
    _engine_module.run(ARGUMENTS, converge)


if __name__ == "__main__":
    main()
