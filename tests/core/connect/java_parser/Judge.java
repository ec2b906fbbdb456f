import java.io.DataInputStream;
import java.io.FileInputStream;
import java.io.BufferedInputStream;
import org.apache.spark.connect.proto.AddArtifactsRequest;
import org.apache.spark.connect.proto.AnalyzePlanRequest;
import org.apache.spark.connect.proto.ExecutePlanRequest;
import org.apache.spark.connect.proto.ReleaseSessionRequest;
import org.apache.spark.connect.proto.UserContext;
import org.sparkproject.connect.protobuf.InvalidProtocolBufferException;

/**
 * Reads what the attacks on the stamp got through, with the parser of a Spark server: whatever it can read has to be of
 * the verified user, in the verified session. The first message of the file is not stamped safely: it has to be read as
 * the victim's, or the attacks are none.
 */
public final class Judge {
  private static int read = 0;
  private static int unread = 0;
  private static int wrong = 0;

  private interface Parser {
    boolean isVerified(byte[] message) throws InvalidProtocolBufferException;
  }

  private static boolean isVerified(String session, UserContext user) {
    return session.equals("00112233-4455-6677-8899-aabbccddeeff")
        && user.getUserId().equals("ann") && user.getUserName().equals("Ann");
  }

  private static void judge(byte[] message, Parser parser) {
    try {
      if (!parser.isVerified(message)) {
        ++wrong;
        System.err.println("under another name: " + java.util.HexFormat.of().formatHex(message));
      }
      ++read;
    } catch (InvalidProtocolBufferException error) {
      ++unread;
    }
  }

  private static byte[] next(DataInputStream corpus) throws java.io.IOException {
    byte[] message = new byte[corpus.readInt()];
    corpus.readFully(message);
    return message;
  }

  public static void main(String[] arguments) throws Exception {
    try (var corpus = new DataInputStream(new BufferedInputStream(new FileInputStream(arguments[0])))) {
      String name = ExecutePlanRequest.parseFrom(next(corpus)).getUserContext().getUserId();
      if (!name.equals("victim")) throw new AssertionError("the attack is none: it is read as " + name);
      while (corpus.available() > 0) {
        byte[] message = next(corpus);
        judge(message, m -> {
          var request = ExecutePlanRequest.parseFrom(m);
          return isVerified(request.getSessionId(), request.getUserContext());
        });
        judge(message, m -> {
          var request = AnalyzePlanRequest.parseFrom(m);
          return isVerified(request.getSessionId(), request.getUserContext());
        });
        judge(message, m -> {
          var request = AddArtifactsRequest.parseFrom(m);
          return isVerified(request.getSessionId(), request.getUserContext());
        });
        judge(message, m -> {
          var request = ReleaseSessionRequest.parseFrom(m);
          return isVerified(request.getSessionId(), request.getUserContext());
        });
      }
    }
    System.out.println(read + " messages read, " + unread + " unreadable, " + wrong + " under another name");
    // The attacks have to hit both sides of the border.
    if (wrong > 0 || read < 20_000 || unread < 100) System.exit(1);
  }
}
