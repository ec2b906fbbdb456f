import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.spark.sql.connect.SparkSession;

/** The guide's FreshToken rereads its file. Arguments: a URL, the file, and texts that it has one after the other: good, bad, good. */
public class Guide {
  public static void main(String[] arguments) throws Exception {
    Path path = Path.of(arguments[1]);
    Files.writeString(path, arguments[2]);
    try (SparkSession spark =
        SparkSession.builder().remote(arguments[0]).interceptor(new FreshToken(path)).getOrCreate()) {
      count(spark);
      Files.writeString(path, arguments[3]);
      try {
        count(spark);
        throw new AssertionError("a bad token was accepted");
      } catch (Exception error) {
        if (!String.valueOf(error).contains("The token's signature is wrong")) throw error;
      }
      Files.writeString(path, arguments[4]);
      count(spark);
      System.out.println("the file was read again");
    }
    System.exit(0);  // Threads of the client would keep the process for a while.
  }

  private static void count(SparkSession spark) {
    if (spark.range(5).count() != 5) throw new AssertionError("range(5) has not 5 rows");
  }
}
