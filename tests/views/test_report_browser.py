"""A report in a real browser: visible, without network requests and scripts.

Needs playwright and a Chromium: the one named by `POLARSPROF_TEST_CHROMIUM`, or `chromium` or `google-chrome` on the
path.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.reports import HOSTILE, drift_frame, hostile_profile, windows_of

import polarsprof as pp

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    path = os.environ.get("POLARSPROF_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the path")
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@dataclass
class Seen:
    """A page, and the messages of the browser about it."""

    page: Any
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def assert_quiet(self) -> None:
        """Assert that one file was read, without messages, errors and dialogs."""
        assert self.requests == [self.page.url]
        assert self.messages == []


def opened(browser: Any, file: Path, html: str, **options: Any) -> Seen:
    file.write_text(html, "utf-8")
    context = browser.new_context(offline=True, **options)
    seen = Seen(context.new_page())
    # Violations of the policy are events, for a listener that exists before the page.
    context.add_init_script("addEventListener('securitypolicyviolation', e => console.error(e.violatedDirective))")
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.on("console", lambda message: seen.messages.append(message.text))
    seen.page.on("pageerror", lambda error: seen.messages.append(str(error)))
    seen.page.on("dialog", lambda dialog: (seen.messages.append(dialog.message), dialog.dismiss()))
    seen.page.goto(file.as_uri())
    return seen


def opened_details(seen: Seen) -> None:
    seen.page.locator("summary").first.click()
    assert seen.page.evaluate("document.querySelector('details').open")
    seen.page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_column_and_window_is_seen_without_a_request(browser: Any, tmp_path: Path, scheme: str) -> None:
    windows = windows_of(10, 12, gap=2, different=3)
    names = [f"column_{i:03}" for i in range(10)]
    html = pp.report(windows, drift=drift_frame(names))
    seen = opened(browser, tmp_path / "report.html", html, color_scheme=scheme)
    opened_details(seen)
    page = seen.page
    for name in names:
        assert page.get_by_role("heading", name=name, exact=True).is_visible()
        assert page.get_by_role("region", name=name, exact=True).locator("svg").first.is_visible()
    table = page.get_by_role("table", name="Windows")
    for profile in windows:
        assert profile.window
        start = f"{profile.window.start:%Y-%m-%d %H:%M}Z"
        assert table.get_by_role("cell", name=start, exact=True).first.is_visible()
    assert table.get_by_text("missing").count() == 2
    for section in ("Overview", "Windows", "Drift", "Columns", "Rejected and late", "About this profile"):
        assert page.get_by_role("heading", name=section, exact=True).is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    dark, light = "rgb(20, 23, 26)", "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (dark if scheme == "dark" else light)
    seen.assert_quiet()


def test_links_lead_to_the_columns(browser: Any, tmp_path: Path) -> None:
    seen = opened(browser, tmp_path / "report.html", pp.report(windows_of(6, 2, gap=0, different=2)))
    seen.page.get_by_role("table", name="Columns").get_by_role("link", name="column_005").click()
    assert seen.page.evaluate("document.querySelector(location.hash).contains(document.querySelector('#h-c5'))")
    assert seen.page.url.endswith("#c5")


def test_marks_that_are_drawn_once_are_seen_in_every_strip(browser: Any, tmp_path: Path) -> None:
    seen = opened(browser, tmp_path / "report.html", pp.report(windows_of(2, 6, gap=2, different=2)))
    own, *shared = seen.page.locator("#marks, .card .strip use").all()
    assert len(shared) >= 2
    for use in shared:
        assert use.bounding_box()["width"] == pytest.approx(own.bounding_box()["width"], rel=0.5)
        assert use.bounding_box()["height"] > 30


def test_closed_details_are_printed(browser: Any, tmp_path: Path) -> None:
    seen = opened(browser, tmp_path / "report.html", pp.report(windows_of(2, 6, gap=2, different=2)))
    cell = seen.page.get_by_text("missing", exact=True).first
    assert not cell.is_visible()
    seen.page.emulate_media(media="print")
    assert cell.is_visible()
    assert seen.page.pdf(format="A4").startswith(b"%PDF")


def test_nothing_of_hostile_data_runs_or_becomes_an_element(browser: Any, tmp_path: Path) -> None:
    windows = [hostile_profile(0), hostile_profile(1)]
    texts = [HOSTILE] * len(HOSTILE)
    drift = drift_frame(HOSTILE, reasons=texts, dtype_group=HOSTILE, new_values=texts)
    seen = opened(browser, tmp_path / "report.html", pp.report(windows, drift=drift, title=HOSTILE[0]))
    opened_details(seen)
    seen.page.mouse.move(300, 300)
    assert seen.page.title() == HOSTILE[0]
    assert seen.page.locator("script, img, iframe, object, embed, form, input, link, base, image").count() == 0
    assert seen.page.locator("style").count() == 1
    assert seen.page.locator("[onerror], [onmouseover], [onfocus], [style], a:not([href^='#c'], nav a)").count() == 0
    assert seen.page.locator("section.card").count() == len(HOSTILE)
    seen.assert_quiet()


def test_the_policy_forbids_scripts_styles_and_pictures(browser: Any, tmp_path: Path) -> None:
    """A script, a style and a picture in a page make the tests above fail."""
    html = pp.report(pp.profile([{"x": 1}]))
    injected = '<script>document.title="hacked"</script><img src="file:///nowhere.png"><p style="color:red">x</p>'
    seen = opened(browser, tmp_path / "report.html", html.replace("</main>", f"{injected}</main>"))
    assert seen.page.title() == "Profile"
    for kind in ("script-src", "img-src", "style-src"):
        assert any(kind in message for message in seen.messages)
    assert "file:///nowhere.png" in seen.requests


@pytest.mark.parametrize("columns", [5, 120])
def test_the_fragment_of_a_notebook_fits_its_page(browser: Any, tmp_path: Path, columns: int) -> None:
    (profile,) = windows_of(columns, 1, gap=0, different=1)
    html = f"<!DOCTYPE html><title>n</title><body>{profile._repr_html_()}"
    seen = opened(browser, tmp_path / "notebook.html", html, viewport={"width": 900, "height": 700})
    opened_details(seen)
    for path in list(profile.columns)[:: max(1, columns // 10)]:
        assert seen.page.get_by_text(path, exact=True).first.is_visible()
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    seen.assert_quiet()


def test_a_hostile_fragment_runs_nothing(browser: Any, tmp_path: Path) -> None:
    html = f"<!DOCTYPE html><title>n</title><body>{hostile_profile()._repr_html_()}"
    seen = opened(browser, tmp_path / "notebook.html", html)
    seen.page.mouse.move(300, 300)
    assert seen.page.title() == "n"
    assert seen.page.locator("body").locator("script, img, iframe, [onerror], [onfocus]").count() == 0
    seen.assert_quiet()
