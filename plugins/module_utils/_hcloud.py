# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Hetzner Cloud API for modules that work on many resources at once.

Note that this is private to the collection: other collections must not import it.

``Cloud`` gives resources as the API does, so that a field that comes or goes breaks nothing. Its methods may be called
from several threads; however many actions run, one request a second watches them all.
"""

from __future__ import annotations

import math
import re
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

try:
    import requests
    from hcloud import APIException, Client, exponential_backoff_function
except ImportError:
    HCLOUD_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    HCLOUD_IMPORT_ERROR = None

Raw = Mapping[str, Any]
T = TypeVar("T")

PAGE_SIZE = 50
POLL_INTERVAL = 1.0
# Requests issued together start actions within moments of each other: the first poll waits for them.
GATHERING = 0.1
CONNECT_TIMEOUT, READ_TIMEOUT = 5, 30
# How long an API that has never answered is tried: it is more often a wrong address than an outage.
FIRST_CONTACT = 10.0
# The quota refills by one request a second, and its reset is when it is full again: no need to wait for that.
MAX_RATE_LIMIT_DELAY = 60.0

_TRANSIENT = frozenset(
    {"locked", "conflict", "rate_limit_exceeded", "bad_gateway", "timeout", "unavailable", "server_error"}
)
_TRANSIENT_IN_ACTIONS = frozenset({"locked", "conflict"})
_LOST = {"code": "unknown_action", "message": "the API no longer knows it"}
_WAYS_OUT = {
    "unauthorized": "Check the token: HCLOUD_TOKEN or hetzner_api_token.",
    "token_readonly": "Use a token with read and write permission: HCLOUD_TOKEN or hetzner_api_token.",
    "forbidden": "Check that the token belongs to the project and may write: HCLOUD_TOKEN or hetzner_api_token.",
    "resource_limit_exceeded": "Remove resources, or ask Hetzner to raise the project's limit.",
    "resource_unavailable": "The location is out of stock: choose another server_type or another location.",
    "placement_error": "It cannot be placed: choose another server_type, location or placement_group.",
    "not_found": "If nothing at all is found, check api_endpoint (HCLOUD_ENDPOINT): it ends in /v1.",
}


class CloudError(Exception):
    """What the API or the way to it denies, as a sentence for people.

    code: the API's error code; "unreachable" or "time_out" where there was no answer.
    transient: whether the same request may succeed later.
    retry_after: seconds the API asks to wait.
    """

    def __init__(self, message: str, code: str, transient: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.transient = transient
        self.retry_after = retry_after


class Cloud:
    """A project in the Hetzner Cloud. Use it as a context manager.

    timeout: seconds that everything done with it may take together; errors that pass are waited out within it.
    """

    def __init__(self, token: str, endpoint: str, timeout: float) -> None:
        token = token.strip()
        if not token:
            raise CloudError("There is no API token. Set HCLOUD_TOKEN or hetzner_api_token.", "unauthorized")
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise CloudError(
                "The API token has characters that no token has. Check HCLOUD_TOKEN or hetzner_api_token.",
                "unauthorized",
            )
        self._token = token
        self._endpoint = endpoint.strip().rstrip("/")
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._first_contact_until: float | None = time.monotonic() + FIRST_CONTACT
        self._backoff = exponential_backoff_function(base=0.5, multiplier=2, cap=10.0, jitter=True)
        self._per_thread = threading.local()
        self._watch = _ActionWatch(self._actions)

    def __enter__(self) -> Cloud:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._watch.close()

    def read(self, kind: str, **filters: Any) -> list[Raw]:
        """All resources of a kind ("servers", "ssh_keys"), page by page. Raises ``CloudError``."""
        found: list[Raw] = []
        page: int | None = 1
        while page is not None:
            answer = self._page(kind, {**filters, "page": page, "per_page": PAGE_SIZE})
            found += answer[kind]
            page = answer["meta"]["pagination"]["next_page"] if "meta" in answer else None
        return found

    def perform(self, method: str, path: str, json: Raw | None = None) -> Raw:
        """One write; returns the API's answer when every action that it started has succeeded.

        A write whose answer got lost is sent again: the API then says that the name is taken or the thing is done.
        Raises ``CloudError`` when the request or one of its actions fails, or time runs out.
        """

        def attempt() -> Raw:
            answer = self._send(method, path, json=json)
            started = [answer.get("action"), *answer.get("actions", ()), *answer.get("next_actions", ())]
            self._watch.wait([action for action in started if action], self._deadline)
            return answer

        return self._retried(attempt)

    def until(self, read: Callable[[], T], waiting_for: Callable[[T], str], seconds: float = math.inf) -> T:
        """What ``read`` gives once ``waiting_for`` has nothing to say about it; reads about once a second.

        Raises ``CloudError`` with what is being waited for when time runs out, or ``seconds`` of it have passed.
        """
        deadline = min(self._deadline, time.monotonic() + seconds)
        while True:
            value = read()
            missing = waiting_for(value)
            if not missing:
                return value
            if time.monotonic() + POLL_INTERVAL > deadline:
                raise CloudError(f"Not within {self._timeout:g} s: {missing}. Raise timeout.", "time_out")
            time.sleep(POLL_INTERVAL)

    def _retried(self, attempt: Callable[[], T]) -> T:
        failures = 0
        while True:
            try:
                return attempt()
            except CloudError as exc:
                deadline = min(self._deadline, self._first_contact_until or self._deadline)
                delay = max(self._backoff(failures), exc.retry_after)
                if not exc.transient or time.monotonic() + delay > deadline:
                    raise
            failures += 1
            time.sleep(delay)

    def _page(self, kind: str, params: Raw) -> Raw:
        return self._retried(lambda: self._send("GET", f"/{kind}", params=params))

    def _send(self, method: str, path: str, **arguments: Any) -> Raw:
        # The SDK repeats some errors by a timetable of its own and drops the rate limit's headers. The hook sees the
        # response first; only read time-outs are left to the SDK.
        try:
            answer: Raw = self._client().request(
                method,
                path,
                hooks={"response": self._on_response},
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                **arguments,
            )
        except requests.RequestException as exc:
            raise self._unreachable(exc) from exc
        except APIException as exc:
            message = f"{self._endpoint} is no Hetzner Cloud API. Check api_endpoint (HCLOUD_ENDPOINT)."
            raise CloudError(message, "unreachable") from exc
        return answer

    def _on_response(self, response: requests.Response, *_args: object, **_kwargs: object) -> None:
        self._first_contact_until = None
        if not response.ok:
            raise _error(response)

    def _client(self) -> Client:
        """A client of the calling thread's own: sessions of requests are not made to be shared."""
        if not hasattr(self._per_thread, "client"):
            self._per_thread.client = Client(
                token=self._token, api_endpoint=self._endpoint, application_name="triad.hetzner_swarm"
            )
        client: Client = self._per_thread.client
        return client

    def _unreachable(self, exc: requests.RequestException) -> CloudError:
        inner = getattr(exc.args[0], "reason", None) if exc.args else None
        errors = requests.exceptions
        passing = isinstance(exc, (errors.ConnectionError, errors.Timeout, errors.ChunkedEncodingError))
        return CloudError(
            f"{self._endpoint} cannot be reached: {inner or exc}. Check api_endpoint (HCLOUD_ENDPOINT).",
            "unreachable",
            transient=passing and not isinstance(exc, errors.SSLError),
        )

    def _actions(self, ids: list[int]) -> list[Raw]:
        return [
            action
            for start in range(0, len(ids), PAGE_SIZE)
            for action in self.read("actions", id=ids[start : start + PAGE_SIZE])
        ]


def _error(response: requests.Response) -> CloudError:
    try:
        error = response.json()["error"]
        code, message = str(error["code"]), str(error["message"])
    except (ValueError, TypeError, KeyError):
        # A proxy or a gateway in front of the API.
        code, message, error = f"http_{response.status_code}", str(response.reason), {}
    fields = (error.get("details") or {}).get("fields") or []
    parts = [f"{one['name']}: {', '.join(one.get('messages') or ['refused'])}" for one in fields]
    text = f"{message} ({'; '.join([code, *parts])})."
    return CloudError(
        f"{text} {_WAYS_OUT[code]}" if code in _WAYS_OUT else text,
        code,
        transient=code in _TRANSIENT or response.status_code >= 500,
        retry_after=_rate_limit_delay(response),
    )


def _rate_limit_delay(response: requests.Response) -> float:
    reset = response.headers.get("RateLimit-Reset", "")
    if response.headers.get("RateLimit-Remaining") != "0" or not reset.isdigit():
        return 0.0
    return min(max(0.0, float(reset) - time.time()), MAX_RATE_LIMIT_DELAY)


class _ActionWatch:
    """Waits for any number of actions, on behalf of any number of threads, with one request a second.

    fetch: gives the actions of these ids.
    """

    def __init__(self, fetch: Callable[[list[int]], list[Raw]]) -> None:
        self._fetch = fetch
        self._changed = threading.Condition()
        self._running: dict[int, Future[Raw]] = {}
        self._closed = False
        threading.Thread(target=self._poll, name="hcloud-actions", daemon=True).start()

    def wait(self, actions: Iterable[Raw], deadline: float) -> None:
        """Returns when all have succeeded; raises ``CloudError`` when one has failed or time.monotonic() is up."""
        for action, finished in [(action, self._future(action)) for action in actions]:
            try:
                final = finished.result(timeout=max(0.0, deadline - time.monotonic()))
            except FutureTimeout as exc:
                message = f"The action {action['command']} ({action['id']}) still runs when time is up. Raise timeout."
                raise CloudError(message, "time_out") from exc
            if final["status"] == "error":
                error = final["error"] or {"code": "unknown", "message": "no reason given"}
                raise CloudError(
                    f"The action {action['command']} ({action['id']}) failed: {error['message']} ({error['code']}).",
                    error["code"],
                    transient=error["code"] in _TRANSIENT_IN_ACTIONS,
                )

    def close(self) -> None:
        """Stop watching."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _future(self, action: Raw) -> Future[Raw]:
        future: Future[Raw] = Future()
        if action["status"] != "running":
            future.set_result(action)
            return future
        with self._changed:
            self._changed.notify()
            return self._running.setdefault(action["id"], future)

    def _poll(self) -> None:
        last_poll = 0.0
        while ids := self._next_ids(last_poll):
            last_poll = time.monotonic()
            try:
                found = {action["id"]: action for action in self._fetch(ids)}
            except Exception as exc:  # the thread lives on, and those who wait get to know
                for future in self._take(ids):
                    future.set_exception(exc)
                continue
            for one in ids:
                final = found.get(one, {"status": "error", "error": _LOST})
                if final["status"] != "running":
                    for future in self._take([one]):
                        future.set_result(final)

    def _next_ids(self, last_poll: float) -> list[int]:
        """The actions to ask for, once it is time to ask; empty when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._running or self._closed)
            pause = max(GATHERING, last_poll + POLL_INTERVAL - time.monotonic())
            self._changed.wait_for(lambda: self._closed, timeout=pause)
            return [] if self._closed else sorted(self._running)

    def _take(self, ids: Iterable[int]) -> list[Future[Raw]]:
        with self._changed:
            return [self._running.pop(one) for one in ids]
