"""Runs SQL queries in the environment of PySpark: `queries.py PARQUET`.

Standard input has a JSON list of SQL texts, which query the view `windows` of the file. Standard output gets a list of
rows for each, with bytes in hexadecimal.
"""

from __future__ import annotations

import json
import os
import sys


def plain(value):
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value if isinstance(value, int | float | str | None) else str(value)


def main(path: str) -> None:
    from pyspark.sql import SparkSession

    answers = os.dup(1)
    os.dup2(2, 1)  # Java writes messages to the standard output
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.shuffle.partitions", "1").config("spark.sql.session.timeZone", "UTC")
    spark = builder.config("spark.driver.memory", "1g").getOrCreate()
    spark.read.parquet(path).createOrReplaceTempView("windows")
    found = [[plain(list(row)) for row in spark.sql(query).collect()] for query in json.load(sys.stdin)]
    spark.stop()
    os.write(answers, json.dumps(found).encode())


if __name__ == "__main__":
    main(sys.argv[1])
