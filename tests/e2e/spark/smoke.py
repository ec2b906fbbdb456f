"""What every version of PySpark must be able to do. Arguments: a URL; prints one line and exits 0 when all of it works."""

import sys

import pyspark
from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def smoke(url):
    spark = SparkSession.builder.remote(url).getOrCreate()
    assert spark.sql("SELECT 6 * 7 AS answer").collect()[0].answer == 42
    frame = spark.createDataFrame([("a", 1), ("b", 2), ("a", 3)], ["key", "n"])
    totals = frame.groupBy("key").agg(F.sum("n").alias("total")).orderBy("key").toPandas()
    assert list(totals["total"]) == [4, 2], totals
    frame.createOrReplaceTempView("pairs")
    assert spark.sql("SELECT count(*) FROM pairs").collect()[0][0] == 3
    assert len(spark.range(50_000).toPandas()) == 50_000
    try:
        spark.sql("SELECT missing FROM pairs").collect()
    except Exception as error:
        assert "UNRESOLVED_COLUMN" in str(error), error
    else:
        raise AssertionError("an unknown column was accepted")
    server = spark.version
    spark.stop()
    print(f"PySpark {pyspark.__version__} works against Spark {server}")


if __name__ == "__main__":
    smoke(sys.argv[1])
