# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filtering, sorting and paging of lists, the same for every resource."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from lab.api import selectors
from lab.api.errors import invalid_input

PER_PAGE = 25
PER_PAGE_MAX = 50

View = dict[str, Any]


def listing(
    request: Request,
    key: str,
    views: Iterable[View],
    *,
    filters: Sequence[str] = ("name",),
    sorts: Sequence[str] = ("id", "name", "created"),
) -> JSONResponse:
    """One page of views as ``{key: [...], "meta": {"pagination": ...}}`` with a Link header.

    filters: fields that a query parameter of the same name selects by equality; given twice, either value matches.
    sorts: fields that ``sort`` may name.
    """
    selector = _selector(request)
    items = [view for view in views if _wanted(request, view, filters) and selector.matches(view.get("labels", {}))]
    items = _sorted(items, request.query_params.getlist("sort"), sorts)
    page = _number(request, "page", 1)
    per_page = min(_number(request, "per_page", PER_PAGE), PER_PAGE_MAX)
    last = max(1, -(-len(items) // per_page))
    pagination = {
        "page": page,
        "per_page": per_page,
        "previous_page": min(page - 1, last) if page > 1 else None,
        "next_page": page + 1 if page < last else None,
        "last_page": last,
        "total_entries": len(items),
    }
    body = {key: items[(page - 1) * per_page : page * per_page], "meta": {"pagination": pagination}}
    return JSONResponse(body, headers={"Link": _link(request, pagination)})


def _wanted(request: Request, view: View, filters: Sequence[str]) -> bool:
    query = request.query_params
    for field in filters:
        values = query.getlist(field)
        if values and str(view[field]) not in values:
            return False
    return True


def _selector(request: Request) -> selectors.Selector:
    text = request.query_params.get("label_selector")
    try:
        return selectors.parse(text) if text else selectors.EVERYTHING
    except ValueError as error:
        raise invalid_input("label_selector", str(error)) from error


def _sorted(items: list[View], orders: Sequence[str], allowed: Sequence[str]) -> list[View]:
    for order in reversed(orders):
        field, _, direction = order.partition(":")
        if field not in allowed or direction not in ("", "asc", "desc"):
            raise invalid_input("sort", f"cannot sort by '{order}'")
        items = sorted(items, key=_sort_key(field), reverse=direction == "desc")
    return items


def _sort_key(field: str) -> Callable[[View], tuple[bool, Any]]:
    return lambda view: (view[field] is not None, view[field] if view[field] is not None else 0)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**31:
        raise invalid_input(name, "must be a positive integer")
    return int(text)


def _link(request: Request, pagination: dict[str, int | None]) -> str:
    targets = {
        "prev": pagination["previous_page"],
        "next": pagination["next_page"],
        "last": pagination["last_page"],
    }
    return ", ".join(
        f'<{request.url.include_query_params(page=page)}>; rel="{rel}"' for rel, page in targets.items() if page
    )
