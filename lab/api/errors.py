# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API's errors: one exception, one constructor for each code that the API answers with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse


class ApiError(Exception):
    """Ends a request with ``{"error": {"code", "message", "details"}}``."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.headers = headers

    def response(self) -> JSONResponse:
        details = None if self.details is None else dict(self.details)
        error = {"code": self.code, "message": self.message, "details": details}
        return JSONResponse({"error": error}, status_code=self.status, headers=self.headers)


def unauthorized() -> ApiError:
    return ApiError(401, "unauthorized", "the token you provided is invalid")


def not_found(what: str) -> ApiError:
    return ApiError(404, "not_found", f"{what} not found")


def method_not_allowed(allowed: Iterable[str]) -> ApiError:
    headers = {"Allow": ", ".join(sorted(allowed))}
    return ApiError(405, "method_not_allowed", "the request method is not allowed", headers=headers)


def removed(announcement: str) -> ApiError:
    return ApiError(410, "deprecated_api_endpoint", "API functionality was removed", {"announcement": announcement})


def json_error() -> ApiError:
    return ApiError(400, "json_error", "the request body is not valid JSON")


def invalid_fields(fields: Mapping[str, Sequence[str]]) -> ApiError:
    """invalid_input that names fields: ``{field: [messages]}``."""
    names = ", ".join(f"'{name}'" for name in fields)
    first = next(iter(fields.values()))[0]
    message = f"invalid input in field{'s' if len(fields) > 1 else ''} {names}" + (
        f": {first}" if len(fields) == 1 else ""
    )
    return ApiError(
        422,
        "invalid_input",
        message,
        {"fields": [{"name": name, "messages": list(messages)} for name, messages in fields.items()]},
    )


def invalid_input(field: str, message: str) -> ApiError:
    return invalid_fields({field: [message]})


def unknown_reference(what: str, given: object, field: str) -> ApiError:
    """A body names something that does not exist."""
    return ApiError(
        422,
        "invalid_input",
        f"{what} '{given}' not found",
        {"fields": [{"name": field, "messages": [f"{what} '{given}' not found"]}]},
    )


def uniqueness_error(what: str, field: str) -> ApiError:
    return ApiError(
        409, "uniqueness_error", f"{what} with the same {field} already exists", {"fields": [{"name": field}]}
    )


def conflict(message: str) -> ApiError:
    return ApiError(409, "conflict", message)


def locked(what: str) -> ApiError:
    return ApiError(423, "locked", f"cannot perform operation because {what} is locked")


def protected(what: str, operation: str) -> ApiError:
    return ApiError(423, "protected", f"{what} is protected against {operation}")


def limit_exceeded(limit: str, message: str) -> ApiError:
    return ApiError(403, "resource_limit_exceeded", message, {"limits": [{"name": limit}]})


def unavailable(message: str) -> ApiError:
    return ApiError(412, "resource_unavailable", message)


def refused(code: str, message: str) -> ApiError:
    """422 with a code of the operation's own."""
    return ApiError(422, code, message)


def rate_limited() -> ApiError:
    return ApiError(429, "rate_limit_exceeded", "limit of requests per hour reached")


def server_error() -> ApiError:
    return ApiError(500, "server_error", "an unexpected error occurred in the lab's API; see its log")


def from_validation(error: RequestValidationError) -> ApiError:
    """What FastAPI found wrong with a request, as this API says it."""
    fields: dict[str, list[str]] = {}
    for problem in error.errors():
        if problem["type"] == "json_invalid":
            return json_error()
        path = [str(part).encode(errors="replace").decode() for part in problem["loc"][1:]]
        fields.setdefault(".".join(path) or "body", []).append(problem["msg"].removeprefix("Value error, "))
    return invalid_fields(fields)
