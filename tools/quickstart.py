"""A first program for the gateway: SQL, a DataFrame, pandas. Argument: the URL, sc://host:port."""

import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()

answer = spark.sql("SELECT 6 * 7 AS answer").first().answer
print(f"    Spark {spark.version} says that 6 * 7 is {answer}.")

trips = spark.createDataFrame(
    [("ann", 12.5), ("bob", 8.0), ("ann", 30.0), ("cleo", 4.2), ("bob", 17.3)], ["driver", "km"])
totals = trips.groupBy("driver").agg(F.count("*").alias("trips"), F.sum("km").alias("km")).orderBy("driver").toPandas()
print("    A DataFrame made here, added up there, back as pandas:")
print("".join(f"      {line}\n" for line in totals.to_string(index=False).splitlines()), end="")

spark.stop()
sys.exit(0 if answer == 42 and list(totals["trips"]) == [2, 2, 1] else 1)
