"""Rendered text, tables and HTML fragments, and hostile data for them."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser
from typing import Any

import polars as pl
from rich.console import Console

from polarsprof.ingest.frames import typed_columns
from polarsprof.profiles.profile import Profile

HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "</style><script>alert(1)</script>",
    "' onmouseover='alert(1)",
    "a\u2028b\u2029c",
    "\u202egpj.exe",
    "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\\x1b[2J",
    "[bold red]x[/bold red] [/]",
    "{{7*7}}{% raw %}`&amp;&#60;",
    "\x00\x7f\x9b31m",
    "=HYPERLINK(1)",
    "",
    "x" * 5_000,
]


def profile_of(frame: pl.DataFrame, **facts: Any) -> Profile:
    profile = Profile(**facts)
    profile.update(typed_columns(frame))
    return profile


def rendered(renderable: Any, width: int = 100) -> str:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def is_harmless(shown: str) -> bool:
    return not any(unicodedata.category(c) in HIDDEN for c in shown if c != "\n")


class Parsed(HTMLParser):
    """Tags, attributes and texts of a fragment; every start tag needs an end tag."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(fragment)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "br":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
