"""The console in a real browser, on the platform that the story left behind."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SCREENSHOT = Path(__file__).parents[2] / "build/console.png"
PATIENCE_MS = 120_000


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        yield page
        browser.close()


def test_the_console_asks_for_a_token_and_reports_live_why_the_last_decision_was_made(
    page: Page, console_url: str, token: str
) -> None:
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.goto(console_url)
    expect(page).to_have_url(re.compile("/login$"))
    page.get_by_label("Token").fill("not a token")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("does not accept this token")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{console_url}/?namespace=churn")
    expect(page.locator("#live")).to_have_text("live", timeout=PATIENCE_MS)
    expect(page.locator("#why .chain strong")).to_have_count(3, timeout=PATIENCE_MS)
    expect(page.locator("#rollout .legend")).to_contain_text("stable")
    expect(page.locator("#signals .signal")).not_to_have_count(0)
    SCREENSHOT.parent.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOT, full_page=True)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/login$"))
    assert mistakes == []
