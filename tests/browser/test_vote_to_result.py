# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A vote followed by eye: cast on the vote page, seen on the result page without a reload.

VOTE_URL and RESULT_URL name the pages, several separated by commas. One fixed voter votes, so a run adds at most one
vote.
"""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.windows import in_chromium, open_window, take_picture

VOTER = "browser-test"
SECONDS = 1000.0
COUNTED_MS = 15 * SECONDS


def urls(name: str) -> list[str]:
    return [url.strip() for url in os.environ.get(name, "").split(",") if url.strip()]


VOTE_URLS = urls("VOTE_URL")
RESULT_URLS = urls("RESULT_URL")

pytestmark = [
    pytest.mark.skipif(not (VOTE_URLS and RESULT_URLS), reason="VOTE_URL and RESULT_URL name no running voting app"),
    in_chromium,
]


def open_vote_page(browser: Browser, url: str) -> Page:
    context = browser.new_context()
    context.add_cookies([{"name": "voter_id", "value": VOTER, "url": url}])
    page = context.new_page()
    page.goto(url)
    return page


def cast(page: Page, choice: str) -> None:
    button = page.locator(f"button[value={choice}]")
    button.click()
    expect(page.get_by_role("status")).to_contain_text("Thank you")
    expect(page.locator(f"button[value={choice}]")).to_have_attribute("aria-pressed", "true")


def counts(page: Page) -> dict[str, int]:
    return {side: int(page.locator(f"#count-{side}").inner_text().split()[0].replace(",", "")) for side in "ab"}


@pytest.mark.parametrize("result_url", RESULT_URLS)
@pytest.mark.parametrize("vote_url", VOTE_URLS)
def test_a_vote_appears_on_the_result_page_without_a_reload(browser: Browser, vote_url: str, result_url: str) -> None:
    vote = open_vote_page(browser, vote_url)
    result = browser.new_context().new_page()
    result.goto(result_url)
    expect(result.locator("#state-text")).to_have_text("Live result")
    result.evaluate("window.loadedOnce = true")

    # The voter may have chosen either before: after the first vote it is known, and the second one changes the counts.
    cast(vote, "a")
    expect(result.locator("#count-a")).not_to_have_text("0 votes", timeout=COUNTED_MS)
    settle(result)
    before = counts(result)
    cast(vote, "b")

    expect(result.locator("#count-b")).to_have_text(re.compile(rf"^{before['b'] + 1:,} votes?$"), timeout=COUNTED_MS)
    expect(result.locator("#count-a")).to_have_text(re.compile(rf"^{before['a'] - 1:,} votes?$"))
    assert result.evaluate("window.loadedOnce") is True


def settle(result: Page) -> None:
    """Wait until the counts have stood still for three seconds, so that no earlier vote is on its way still."""
    result.wait_for_function(
        """() => {
            const now = document.getElementById("count-a").textContent + document.getElementById("count-b").textContent;
            window.sameSince = window.lastSeen === now ? window.sameSince : performance.now();
            window.lastSeen = now;
            return performance.now() - window.sameSince > 3000;
        }""",
        polling=500,
    )


@pytest.mark.parametrize(("name", "url"), [("vote", VOTE_URLS[:1]), ("result", RESULT_URLS[:1])])
def test_a_page_fits_its_window(browser: Browser, window: str, name: str, url: list[str]) -> None:
    problems: list[str] = []
    with open_window(browser, window) as context:
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(url[0])
        if name == "result":
            expect(page.locator("#state-text")).to_have_text("Live result")

        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), (
            "the page is wider than the window"
        )
        assert problems == []
        take_picture(page, f"{name}-{window}")
