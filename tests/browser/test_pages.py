# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Both pages in every state that people meet them in: light and dark, on a phone and at a desk, by keyboard, by ear.

The pages are started here, with the stores that they need, and left out where a program of theirs is missing:
redis-server (7.2 or newer, for votes that are thanked for); node, its modules, initdb and postgres (the result page).
"""

from __future__ import annotations

import functools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, ViewportSize, expect

from tests.apps.servers import on_postgres, on_redis, public_folder
from tests.browser import running
from tests.browser.running import Database, Program
from tests.browser.windows import WINDOWS, in_chromium, open_window, take_picture

EDGE = Path(__file__).resolve().parents[2] / "roles" / "voting_app" / "templates" / "edge.cfg.j2"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
NARROW: ViewportSize = {"width": 320, "height": 568}
TARGET = 24  # CSS pixels; of choices as below
CHOICE = 44
LONG_ANIMATION_MS = 5000  # what moves for longer needs a way to stop it
# The widest letter, and narrow ones: nowhere in them is a line broken by itself.
NAMES = {
    "plain": ("Cats", "Dogs"),
    "long": ("W" * 200, "li" * 100),
    "html": ('<b>Cats</b> & "Dogs"', "<script>document.title = 'taken over'</script>"),
}
QUEUE = pytest.param(True, marks=on_redis, id="thanked")
NO_QUEUE = pytest.param(False, id="refused")
ANSWERS = {True: "Thank you.", False: "Your vote was not confirmed."}

pytestmark = [
    pytest.mark.skipif("VOTE_URL" in os.environ, reason="VOTE_URL names a running app: these tests start their own"),
    in_chromium,
]
on_node = pytest.mark.skipif(
    shutil.which("node") is None or not running.MODULES.is_dir(),
    reason=f"node is not on PATH, or the modules of the result page are not in {running.MODULES}",
)


def with_result(test: Callable[..., None]) -> Callable[..., None]:
    marked: Callable[..., None] = on_node(on_postgres(test))
    return marked


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # PostgreSQL runs as nobody.
    with public_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def programs(folder: Path) -> Iterator[ExitStack]:
    """Stops what was entered into it."""
    with ExitStack() as programs:
        yield programs


@pytest.fixture(scope="module")
def vote_page(folder: Path, programs: ExitStack) -> Callable[[str, bool], str]:
    """The address of the vote page, by its names and by whether its queue can be reached."""

    @functools.cache
    def queue_port() -> int:
        return programs.enter_context(running.redis(folder / "queue")).port

    @functools.cache
    def start(names: str, queue: bool) -> str:
        port = queue_port() if queue else running.free_port()
        return programs.enter_context(running.vote_page(folder / f"vote-{names}-{queue}", NAMES[names], port)).url

    return start


@pytest.fixture(scope="module")
def database(folder: Path, programs: ExitStack) -> Database:
    return programs.enter_context(Database(folder / "database"))


@pytest.fixture(scope="module")
def result_page(folder: Path, programs: ExitStack, database: Database) -> Callable[[str], Program]:
    """The result page, by its names."""

    @functools.cache
    def start(names: str) -> Program:
        return programs.enter_context(running.result_page(folder / f"result-{names}", NAMES[names], database.port))

    return start


@pytest.fixture
def page(browser: Browser, window: str) -> Iterator[Page]:
    """A page in each window in turn."""
    with open_window(browser, window) as context:
        yield context.new_page()


@pytest.fixture
def one_page(browser: Browser) -> Iterator[Page]:
    """A page in one window."""
    with open_window(browser, "phone-light") as context:
        yield context.new_page()


def judge(page: Page) -> None:
    """What holds for every page in every state."""
    found = Axe().run(page, options=AXE)
    assert found.violations_count == 0, found.generate_report()
    assert fits(page), "the page is wider than the window"
    assert small_targets(page) == []
    page.set_viewport_size(NARROW)
    assert fits(page), "the page is wider than a narrow window"


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def small_targets(page: Page) -> list[str]:
    """What can be clicked, and is too small for a finger."""
    small: list[str] = page.evaluate(
        """([least, leastOfChoices]) => [...document.querySelectorAll("a, button, [tabindex]")].filter((target) => {
            const { width, height } = target.getBoundingClientRect();
            return Math.min(width, height) < (target.classList.contains("choice") ? leastOfChoices : least);
        }).map((target) => target.outerHTML)""",
        [TARGET, CHOICE],
    )
    return small


def note(page: Page) -> Locator:
    return page.locator(".note:visible")


def focused_visibly(target: Locator) -> bool:
    expect(target).to_be_focused()
    return bool(target.evaluate("target => getComputedStyle(target).outlineStyle !== 'none'"))


def arrive(page: Page, url: str) -> None:
    page.goto(url)


def come_back(page: Page, url: str) -> None:
    page.context.add_cookies([{"name": "choice", "value": "a", "url": url}])
    page.goto(url)


def vote(page: Page, url: str) -> None:
    page.goto(url)
    page.locator("button[value=a]").click()


def vote_again(page: Page, url: str) -> None:
    come_back(page, url)
    page.locator("button[value=b]").click()


def send_nothing(page: Page, url: str) -> None:
    page.goto(url)
    page.locator("form").evaluate("form => form.submit()")


VOTE_STATES = [
    pytest.param("fresh", "plain", False, arrive, "Choose one.", id="fresh"),
    pytest.param("voted", "plain", False, come_back, "You voted for Cats.", id="voted before"),
    pytest.param("thanks", "plain", True, vote, "Your vote for Cats is in.", marks=on_redis, id="thanked"),
    pytest.param("refused", "plain", False, vote, "Your vote was not confirmed.", id="refused"),
    pytest.param("refused-change", "plain", False, vote_again, "Your vote was not confirmed.", id="change refused"),
    pytest.param("no-choice", "plain", False, send_nothing, "Your vote was not taken.", id="no choice"),
    pytest.param("long", "long", False, arrive, "Choose one.", id="long names"),
    pytest.param("long-voted", "long", False, come_back, "You voted for WWW", id="long names, voted before"),
    pytest.param("html", "html", False, come_back, 'You voted for <b>Cats</b> & "Dogs".', id="HTML in the names"),
]


@pytest.mark.parametrize(("state", "names", "queue", "act", "says"), VOTE_STATES)
def test_the_vote_page_is_for_everybody(
    page: Page,
    window: str,
    vote_page: Callable[[str, bool], str],
    state: str,
    names: str,
    queue: bool,
    act: Callable[[Page, str], None],
    says: str,
) -> None:
    act(page, vote_page(names, queue))
    expect(note(page)).to_contain_text(says)
    take_picture(page, f"page-vote-{state}-{window}")
    judge(page)


@pytest.mark.parametrize(
    ("act", "title"),
    [
        (arrive, "Cats or Dogs? Vote"),
        (vote, "Vote not confirmed: Cats or Dogs? Vote"),
        (send_nothing, "Vote not taken: Cats or Dogs? Vote"),
    ],
)
def test_the_title_says_what_became_of_the_vote(
    one_page: Page, vote_page: Callable[[str, bool], str], act: Callable[[Page, str], None], title: str
) -> None:
    act(one_page, vote_page("plain", False))
    expect(one_page).to_have_title(title)


@pytest.mark.parametrize("queue", [QUEUE, NO_QUEUE])
def test_a_keyboard_is_enough_to_vote(one_page: Page, vote_page: Callable[[str, bool], str], queue: bool) -> None:
    one_page.goto(vote_page("plain", queue))
    for choice, tabs in (("a", 1), ("b", 2)):
        for key in ["Tab"] * tabs:
            one_page.keyboard.press(key)
        assert focused_visibly(one_page.locator(f"button[value={choice}]"))
        one_page.keyboard.press("Enter")
        expect(note(one_page)).to_contain_text(ANSWERS[queue])
        expect(one_page.locator(f"button[value={choice}]")).to_have_attribute("aria-pressed", str(queue).lower())


@pytest.mark.parametrize("queue", [QUEUE, NO_QUEUE])
def test_voting_needs_no_javascript(browser: Browser, vote_page: Callable[[str, bool], str], queue: bool) -> None:
    with open_window(browser, "phone-light", java_script_enabled=False) as context:
        page = context.new_page()
        vote(page, vote_page("plain", queue))
        expect(note(page)).to_contain_text(ANSWERS[queue])


RESULTS = [
    pytest.param("counts", "plain", 1284, 913, id="counts"),
    pytest.param("none", "plain", 0, 0, id="no votes"),
    pytest.param("one", "plain", 0, 1, id="one vote"),
    pytest.param("long", "long", 5, 3, id="long names"),
    pytest.param("html", "html", 5, 3, id="HTML in the names"),
]


def expect_counts(page: Page, a: str, b: str) -> None:
    expect(page.locator("#count-a")).to_have_text(a)
    expect(page.locator("#count-b")).to_have_text(b)


def expect_state(page: Page, state: str) -> None:
    expect(page.locator("#state-text")).to_have_text(state)


def in_words(votes: int) -> str:
    return f"{votes:,} vote{'' if votes == 1 else 's'}"


@with_result
@pytest.mark.parametrize(("state", "names", "a", "b"), RESULTS)
def test_the_result_page_is_for_everybody(
    page: Page,
    window: str,
    result_page: Callable[[str], Program],
    database: Database,
    state: str,
    names: str,
    a: int,
    b: int,
) -> None:
    database.count(a, b)
    page.goto(result_page(names).url)
    expect_state(page, "Live result")
    expect_counts(page, in_words(a), in_words(b))
    expect(page.locator(".share small:visible")).to_have_count(2 if a + b else 0)
    expect(note(page)).to_have_count(0)
    take_picture(page, f"page-result-{state}-{window}")
    judge(page)


@with_result
def test_an_outage_is_told_and_passes(
    browser: Browser, result_page: Callable[[str], Program], database: Database
) -> None:
    database.count(12, 7)
    url = result_page("plain").url
    with ExitStack() as windows:
        pages = {name: windows.enter_context(open_window(browser, name)).new_page() for name in WINDOWS}
        for page in pages.values():
            page.goto(url)
            expect_state(page, "Live result")
        database.stop()
        try:
            for window, page in pages.items():
                expect_state(page, "Paused")
                expect(note(page)).to_contain_text("The votes cannot be counted for the moment.")
                expect_counts(page, "12 votes", "7 votes")
                take_picture(page, f"page-result-outage-{window}")
                judge(page)
                late = page.context.new_page()
                late.goto(url)
                expect_state(late, "Paused")
                expect(note(late)).to_contain_text("The votes cannot be counted for the moment.")
                expect_counts(late, "not counted yet", "not counted yet")
                take_picture(late, f"page-result-outage-late-{window}")
                judge(late)
                late.close()
        finally:
            database.start()
        database.count(13, 7)
        for page in pages.values():
            expect_state(page, "Live result")
            expect_counts(page, "13 votes", "7 votes")
            expect(note(page)).to_have_count(0)


@with_result
def test_a_lost_connection_is_told_and_comes_back(
    browser: Browser, result_page: Callable[[str], Program], database: Database
) -> None:
    database.count(12, 7)
    server = result_page("plain")
    with ExitStack() as windows:
        pages = {name: windows.enter_context(open_window(browser, name)).new_page() for name in WINDOWS}
        for page in pages.values():
            page.goto(server.url)
            expect_state(page, "Live result")
        server.stop()
        try:
            for window, page in pages.items():
                expect_state(page, "Not connected")
                expect(note(page)).to_contain_text("The connection was lost.")
                take_picture(page, f"page-result-lost-{window}")
                judge(page)
        finally:
            server.start()
        for page in pages.values():
            expect_state(page, "Live result")


@with_result
def test_without_javascript_the_result_is_that_of_the_moment(
    browser: Browser, one_page: Page, result_page: Callable[[str], Program], database: Database
) -> None:
    database.count(2, 1)
    url = result_page("plain").url
    one_page.goto(url)
    expect_counts(one_page, "2 votes", "1 vote")
    with open_window(browser, "phone-light", java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(url)
        expect_counts(page, "2 votes", "1 vote")
        expect_state(page, "Result so far")
        expect(note(page)).to_contain_text("The counts do not update by themselves here")
        take_picture(page, "page-result-no-javascript-phone-light")
        database.count(3, 1)
        expect_counts(one_page, "3 votes", "1 vote")
        expect_counts(page, "2 votes", "1 vote")
        page.get_by_role("link", name="Count again").click()
        expect_counts(page, "3 votes", "1 vote")


@with_result
def test_the_result_page_without_javascript_is_for_everybody(
    page: Page, result_page: Callable[[str], Program], database: Database
) -> None:
    def without_scripts(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=re.sub(r"</?noscript>|<script.*?</script>", "", response.text()))

    # axe is a script itself: it sees what a browser without scripts would show.
    url = result_page("plain").url
    page.route(f"{url}/", without_scripts)
    page.goto(url)
    expect(note(page)).to_contain_text("The counts do not update by themselves here")
    judge(page)


@with_result
def test_names_are_text_wherever_they_are(
    one_page: Page, vote_page: Callable[[str, bool], str], result_page: Callable[[str], Program], database: Database
) -> None:
    first, second = NAMES["html"]
    database.count(1, 1)
    for url in (vote_page("html", False), result_page("html").url):
        one_page.goto(url)
        expect(one_page.get_by_role("heading", level=1)).to_have_text(f"{first} or {second}?")
        expect(one_page).to_have_title(re.compile(re.escape(f"{first} or {second}?")))
    expect_state(one_page, "Live result")
    database.count(2, 1)
    expect(one_page.locator("#spoken")).to_have_text(f"{first}: 2 votes. {second}: 1 vote.")
    expect(one_page.locator("main b, main script")).to_have_count(0)


# In place of the library: the test says what the server tells.
STAND_IN = "const told = {}; const io = () => ({ on: (name, act) => { told[name] = act; } });"


@with_result
def test_a_screen_reader_hears_of_changes_now_and_then(
    one_page: Page, result_page: Callable[[str], Program], database: Database
) -> None:
    page = one_page
    database.count(1, 1)
    page.route("**/socket.io.min.js", lambda route: route.fulfill(content_type="text/javascript", body=STAND_IN))
    page.clock.install(time=0)
    page.goto(result_page("plain").url)
    page.clock.pause_at(60_000)
    page.evaluate(
        """() => {
            window.heard = [];
            const region = document.getElementById("spoken");
            new MutationObserver(() => heard.push(region.textContent)).observe(region, { childList: true });
        }"""
    )

    def heard(event: str, seconds: int, scores: Callable[[int], str] = str) -> list[str]:
        """What is said while the server tells of something every second."""
        page.evaluate("heard.length = 0")
        for second in range(seconds):
            page.evaluate("([event, scores]) => told[event](scores)", [event, scores(second)])
            page.clock.run_for(1000)
        said: list[str] = page.evaluate("heard")
        return said

    def growing(second: int) -> str:
        return f'{{"a": {second + 1}, "b": 1}}'

    def resting(second: int) -> str:
        return growing(59)

    assert page.get_by_role("status").count() == 1
    assert page.locator("[role=alert], [aria-live=assertive]").count() == 0
    assert heard("scores", 1, growing) == [], "what was there has been read with the page"
    rush = heard("scores", 60, growing)
    assert 4 <= len(rush) <= 7
    assert heard("scores", 30, resting) == ["Cats: 60 votes. Dogs: 1 vote."]
    (outage,) = heard("outage", 30)
    assert outage.startswith("The votes cannot be counted for the moment.")
    assert heard("scores", 30, resting) == ["Cats: 60 votes. Dogs: 1 vote."]
    (lost,) = heard("connect_error", 30)
    assert lost.startswith("The connection was lost.")


@with_result
@pytest.mark.parametrize(("wish", "moves"), [("reduce", False), ("no-preference", True)])
def test_nothing_moves_for_whoever_asked_for_that(
    browser: Browser,
    vote_page: Callable[[str, bool], str],
    result_page: Callable[[str], Program],
    database: Database,
    wish: str,
    moves: bool,
) -> None:
    watch = """window.moved = [];
        function look() {
            moved.push(0, ...document.getAnimations().map((animation) => animation.effect.getComputedTiming().endTime));
        }
        addEventListener("transitionrun", look);
        addEventListener("animationstart", look);
    """

    def moved(page: Page) -> list[float]:
        """How long what began to move does so, in ms; [] after a while without."""
        if moves:
            page.wait_for_function("moved.length")
        page.wait_for_timeout(300)
        durations: list[float] = page.evaluate("moved")
        return durations

    database.count(3, 1)
    with open_window(browser, "desktop-light", reduced_motion=wish) as context:
        context.add_init_script(watch)
        page = context.new_page()
        page.goto(vote_page("plain", False))
        page.locator("button[value=a]").hover()
        assert bool(moved(page)) is moves

        page.goto(result_page("plain").url)
        expect_state(page, "Live result")
        database.count(1, 3)
        expect_counts(page, "1 vote", "3 votes")
        durations = moved(page)
        assert bool(durations) is moves
        assert max(durations, default=0) < LONG_ANIMATION_MS


def edge_page() -> str:
    """What the edge answers while no task does."""
    settings = dict(re.findall(r'setenv (PAGE\w*) "(.*)"', EDGE.read_text(encoding="utf-8")))
    return re.sub(r"\$\{(\w+)\}", lambda name: settings[name[1]], settings["PAGE"])


def test_the_page_of_the_edge_is_for_everybody(page: Page, window: str) -> None:
    page.set_content(edge_page())
    expect(page.get_by_role("heading", level=1)).to_have_text("Back in a moment")
    take_picture(page, f"page-edge-{window}")
    judge(page)


def test_a_keyboard_is_enough_to_try_again(one_page: Page) -> None:
    answers = iter([edge_page(), "<title>It is back</title>"])

    def answer(route: Route) -> None:
        route.fulfill(status=503, content_type="text/html; charset=utf-8", body=next(answers))

    one_page.route("http://edge.invalid/", answer)
    one_page.goto("http://edge.invalid/")
    one_page.keyboard.press("Tab")
    assert focused_visibly(one_page.get_by_role("link"))
    one_page.keyboard.press("Enter")
    expect(one_page).to_have_title("It is back")
