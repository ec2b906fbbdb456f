"""A PySpark session that does what its standard input says: `queries N` or `pandas MEGABYTES`. Argument: its URL."""

import json
import sys
import time

from pyspark.sql import SparkSession

spark = SparkSession.builder.remote(sys.argv[1]).create()
for line in sys.stdin:
    command, size = line.split()
    start = time.monotonic()
    if command == "queries":
        for _ in range(int(size)):
            spark.sql("select 1").collect()
        work = int(size)
    else:
        frame = spark.range(int(size) * 1_000_000 // 16).selectExpr("id", "id * 7 AS other").toPandas()
        work = len(frame) * 16
    print(json.dumps({"work": work, "elapsed_s": time.monotonic() - start}), flush=True)
spark.stop()
