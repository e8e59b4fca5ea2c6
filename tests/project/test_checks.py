"""The prose check of `.ci/checks.py` finds each kind of problem, and names its place."""

from __future__ import annotations

import importlib.util

import pytest
from support.pages import ROOT

spec = importlib.util.spec_from_file_location("checks", ROOT / ".ci" / "checks.py")
assert spec
assert spec.loader
checks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(checks)

CLEAN = '"""Profiles of orders."""\n\n\ndef rows():\n    """Return the number of rows."""\n'


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout without problems, as the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "polarsprof").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("# Orders\n")
    (tmp_path / "polarsprof" / "orders.py").write_text(CLEAN)
    return tmp_path


def problems():
    with pytest.raises(SystemExit) as raised:
        checks.prose()
    return str(raised.value).splitlines()


def test_clean_prose_passes(checkout, capsys):
    wide = f"# {'x' * 100}\n"
    (checkout / "polarsprof" / "orders_pb2.py").write_text(f'"""{"what " * 100}"""\n')
    (checkout / "docs" / "page.md").write_text(f"{wide}\n```diff\n{wide}```\n\n```sh\n{'x' * 84}\n```\n{wide}")
    checks.prose()
    assert '8 words in 2 docstrings: "what" 0 times' in capsys.readouterr().out


def test_frequent_whats_are_named_by_their_place(checkout):
    (checkout / "polarsprof" / "orders.py").write_text(f'{CLEAN}\n\nclass Price:\n    """What an item costs."""\n')
    assert problems() == ['polarsprof/orders.py:9: "what" in a docstring']


def test_one_what_in_a_thousand_words_passes(checkout):
    (checkout / "polarsprof" / "orders.py").write_text(f'"""Prices.\n\nWhat {"price " * 998}\n"""\n')
    checks.prose()


def test_a_long_first_line_is_named_by_its_place(checkout):
    text = f'"""{"x" * 80}"""\n\n\ndef rows():\n    """{"x" * 81}\n\n    A line below {"y" * 90}.\n    """\n'
    (checkout / "polarsprof" / "orders.py").write_text(text)
    assert problems() == ["polarsprof/orders.py:5: the first line has more than 80 characters"]


@pytest.mark.parametrize("fence", ["```", "````"])
def test_a_wide_line_of_code_is_named_by_its_place(checkout, fence):
    (checkout / "docs" / "page.md").write_text(f"- A list\n\n    {fence}sh\n    {'x' * 81}\n    {fence}\n")
    assert problems() == ["docs/page.md:4: a line of code has more than 84 characters"]
