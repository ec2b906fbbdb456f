import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.connect.SparkSession;

/** What every version of Spark's JVM client must be able to do. Argument: a URL; prints one line, exits 0 when it works. */
public class Smoke {
  public static void main(String[] arguments) {
    try (SparkSession spark = SparkSession.builder().remote(arguments[0]).getOrCreate()) {
      expect(42, spark.sql("SELECT 6 * 7 AS answer").collectAsList().get(0).getInt(0));
      Dataset<Row> sums = spark.range(100).selectExpr("id % 3 AS key", "id").groupBy("key").sum("id").orderBy("key");
      List<Row> rows = sums.collectAsList();
      expect(3, rows.size());
      expect(1683L, rows.get(0).getLong(1));
      spark.range(5).createOrReplaceTempView("five");
      expect(5L, spark.sql("SELECT count(*) FROM five").collectAsList().get(0).getLong(0));
      System.out.println("the JVM client works against Spark " + spark.version());
    }
    System.exit(0);  // Threads of the client would keep the process for a while.
  }

  private static void expect(Object wanted, Object got) {
    if (!wanted.equals(got)) throw new AssertionError("wanted " + wanted + ", got " + got);
  }
}
