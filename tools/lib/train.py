"""Does once what sessions do first, so that the class-data archive holds the classes for it. Argument: sc://host:port."""

import os
import sys
import tempfile

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.builder.remote(sys.argv[1]).create()
spark.sql("SELECT 1 AS one").collect()
frame = spark.range(1000).withColumn("key", F.col("id") % 7)
frame.createOrReplaceTempView("numbers")
spark.sql("SELECT key, count(*) AS n, avg(id) FROM numbers GROUP BY key ORDER BY key").toPandas()
frame.join(frame.groupBy("key").agg(F.max("id").alias("top")), "key").orderBy("id").limit(5).show()
spark.createDataFrame([(1, "a"), (2, "b")], ["id", "name"]).filter("id > 1").toPandas()
double = F.udf(lambda n: n * 2, "long")
frame.select(double("id")).limit(3).collect()
with tempfile.NamedTemporaryFile(suffix=".py") as artifact:
    artifact.write(b"answer = 42\n")
    artifact.flush()
    spark.addArtifact(artifact.name, pyfile=True)
with tempfile.TemporaryDirectory() as folder:
    frame.write.parquet(os.path.join(folder, "numbers"))
    spark.read.parquet(os.path.join(folder, "numbers")).count()
spark.interruptTag("nothing")
try:
    spark.sql("SELECT missing").collect()
except Exception:  # The way of an error has classes of its own.
    pass
spark.stop()
