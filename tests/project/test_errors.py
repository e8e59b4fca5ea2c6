"""Wording of errors, and raising one of several."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from polarsprof.errors import ArgumentError, StoreError, argument_error, plain_text, raise_one, run_all


def fail(error: Exception) -> None:
    raise error


def test_all_run_though_some_fail() -> None:
    calls: list[int] = []
    works = [partial(calls.append, 1), partial(fail, OSError("disk")), partial(calls.append, 2)]
    with pytest.raises(OSError, match="disk"):
        run_all(works, StoreError)
    assert calls == [1, 2]


def test_nothing_is_raised_without_errors() -> None:
    run_all([], StoreError)
    run_all([lambda: 5], StoreError)
    raise_one([], StoreError)


def test_the_first_error_of_the_kind_carries_the_others_as_notes() -> None:
    errors = [ValueError("a"), StoreError("b"), StoreError("c")]
    with pytest.raises(StoreError, match="b") as caught:
        run_all([partial(fail, error) for error in errors], StoreError)
    assert caught.value is errors[1]
    assert caught.value.__notes__ == ["also: ValueError: a", "also: StoreError: c"]


def test_without_the_kind_the_first_error_is_raised() -> None:
    with pytest.raises(ValueError, match="a") as caught:
        run_all([partial(fail, ValueError("a")), partial(fail, KeyError("b"))], StoreError)
    assert caught.value.__notes__ == ["also: KeyError: 'b'"]


def test_an_interrupt_is_not_held_back() -> None:
    calls: list[int] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all([interrupt, partial(calls.append, 1)], StoreError)
    assert calls == []


def test_wrong_use_gives_value_expectation_and_hint() -> None:
    error = argument_error("path", 3, "a path", "bytes go to read(data)")
    assert str(error) == "path: got 3 (int), expected a path; bytes go to read(data)"
    assert error.argument == "path"
    assert str(argument_error("x", "a" * 99, "b")) == f"x: got '{'a' * 79}… (str), expected b"


def test_text_with_a_lone_surrogate_is_refused() -> None:
    assert plain_text("name", "ä") == "ä"
    with pytest.raises(ArgumentError, match="text that UTF-8 can encode; it holds a lone surrogate"):
        plain_text("name", "\ud800")


def test_an_error_names_a_long_path_in_full():
    path = "/data/" + "x" * 300 + "/orders.parquet"
    for got in (path, Path(path)):
        assert path in str(argument_error("path", got, "a file"))
    assert len(str(argument_error("name", "x" * 300, "a name"))) < 150
