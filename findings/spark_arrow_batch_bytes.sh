#!/usr/bin/env bash
# mapInArrow's batches end at 64 MiB, long before the 10,000 rows that the guide names.
#
# Behaviour: spark.sql.execution.arrow.maxRecordsPerBatch is 10,000 by default. A second limit, of bytes
#   (spark.sql.execution.arrow.maxBytesPerBatch, 64 MiB), ends a batch first where rows are large. Rows of 1 MiB come
#   in batches of about 64, though 200 are asked for; small rows come in batches of 10,000.
# Seen: pyspark 4.3.0, pyarrow 26.0.1, Python 3.11, Java 17.
# Output: rows of 1 MiB: 64, 64, 64, 8  rows of 8 bytes: 10000, 2500  limit: 64MB
# Why it matters: code that was tuned for a number of rows (a batch of pictures for a model) gets another number.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.3.0 pyarrow==26.0.1 'pandas==2.3.3'
SPARK_LOCAL_IP=127.0.0.1 PYSPARK_PYTHON="$dir/venv/bin/python" "$dir/venv/bin/python" - <<'PY' 2>"$dir/log" || { code=$?; tail -5 "$dir/log"; exit $code; }
import sys

import pyarrow as pa
from pyspark.sql import SparkSession

builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
spark = builder.config("spark.driver.memory", "1g").getOrCreate()


def sizes(batches):
    for batch in batches:
        yield pa.RecordBatch.from_pydict({"rows": [batch.num_rows]})


def batches_of(frame):
    return [row.rows for row in frame.mapInArrow(sizes, "rows long").collect()]


large = batches_of(spark.range(0, 200, 1, 1).selectExpr("repeat('x', 1048576) AS data"))
small = batches_of(spark.range(0, 12500, 1, 1))
limit = spark.conf.get("spark.sql.execution.arrow.maxBytesPerBatch")
spark.stop()


def text(numbers):
    return ", ".join(str(number) for number in numbers)


print(f"rows of 1 MiB: {text(large)}  rows of 8 bytes: {text(small)}  limit: {limit}")
sys.exit(max(large) > 65 or sum(large) != 200 or small != [10000, 2500])
PY
