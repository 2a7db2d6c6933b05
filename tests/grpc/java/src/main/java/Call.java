import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Phaser;
import java.util.concurrent.TimeUnit;

/**
 * A gRPC client that calls /fraud.Model/Score of TARGET, RATE times a second, whether or not the calls before have ended:
 * {@code Call TARGET RATE}. It says the same as ../python/call.py, and is told the same: no call waits for a channel that is not
 * ready, and none is tried again by us.
 */
final class Call {
  /** Longer than anything that a test waits for, in seconds: a call that takes so long has failed. */
  private static final int TIMEOUT = 30;

  /** What is sent and answered, as it stands on the wire. */
  private static final MethodDescriptor.Marshaller<byte[]> BYTES =
      new MethodDescriptor.Marshaller<>() {
        @Override
        public InputStream stream(byte[] message) {
          return new ByteArrayInputStream(message);
        }

        @Override
        public byte[] parse(InputStream stream) {
          try {
            return stream.readAllBytes();
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
        }
      };

  private static final MethodDescriptor<byte[], byte[]> SCORE =
      MethodDescriptor.<byte[], byte[]>newBuilder()
          .setType(MethodDescriptor.MethodType.UNARY)
          .setFullMethodName("fraud.Model/Score")
          .setRequestMarshaller(BYTES)
          .setResponseMarshaller(BYTES)
          .build();

  private static volatile String during = "start";

  public static void main(String[] arguments) throws InterruptedException {
    String target = arguments[0];
    double rate = Double.parseDouble(arguments[1]);
    // Retries would hide what is lost.
    ManagedChannel channel =
        Grpc.newChannelBuilder(target, InsecureChannelCredentials.create()).disableRetry().build();
    CountDownLatch stop = new CountDownLatch(1);
    Thread reader = new Thread(() -> read(stop));
    reader.setDaemon(true);
    reader.start();

    Phaser open = new Phaser(1);
    long began = System.nanoTime();
    long wait = 0;
    for (long calls = 1; !stop.await(Math.max(0, wait), TimeUnit.NANOSECONDS); calls++) {
      call(channel, during, open);
      wait = began + (long) (calls * 1e9 / rate) - System.nanoTime();
    }
    open.arriveAndAwaitAdvance();
    channel.shutdownNow();
  }

  /** Each line on stdin is the name of what begins now. */
  private static void read(CountDownLatch stop) {
    try (var stdin = new InputStreamReader(System.in, StandardCharsets.UTF_8);
        var lines = new BufferedReader(stdin)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        during = line;
        say(field("began", line));
      }
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
    stop.countDown();
  }

  /** Calls once, and says what came of it. */
  private static void call(Channel channel, String of, Phaser open) {
    open.register();
    CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(TIMEOUT, TimeUnit.SECONDS);
    ClientCalls.asyncUnaryCall(
        channel.newCall(SCORE, options),
        new byte[0],
        new StreamObserver<byte[]>() {
          private byte[] answer;

          @Override
          public void onNext(byte[] message) {
            answer = message;
          }

          @Override
          public void onError(Throwable error) {
            Status status = Status.fromThrowable(error);
            ended(field("error", status.getCode() + ": " + status.getDescription()));
          }

          @Override
          public void onCompleted() {
            ended(field("answer", new String(answer, StandardCharsets.UTF_8)));
          }

          private void ended(String how) {
            say(field("during", of) + "," + field("until", during) + "," + how);
            open.arriveAndDeregister();
          }
        });
  }

  /** One line at a time, whoever has something to say. */
  private static synchronized void say(String fields) {
    System.out.println("{" + fields + "}");
  }

  private static String field(String name, String text) {
    StringBuilder quoted = new StringBuilder();
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') {
        quoted.append('\\').append(c);
      } else if (c < ' ') {
        quoted.append(String.format("\\u%04x", (int) c));
      } else {
        quoted.append(c);
      }
    }
    return "\"" + name + "\":\"" + quoted + "\"";
  }

  private Call() {}
}
