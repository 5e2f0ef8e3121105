import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import org.apache.activemq.artemis.api.core.SimpleString;
import org.apache.activemq.artemis.api.core.client.ClientConsumer;
import org.apache.activemq.artemis.api.core.client.ClientMessage;
import org.apache.activemq.artemis.api.core.client.ClientSession;
import org.apache.activemq.artemis.api.core.client.ClientSessionFactory;
import org.apache.activemq.artemis.api.core.client.ServerLocator;

/**
 * Says what is in a queue, independently of the library under test. Talks to the broker directly.
 *
 *     Judge --port P --queue Q [--browse|--count|--purge] [--out FILE] [--expect N]
 *     Judge --port P --server
 *
 * Default is to drain. The numbers (int property `seq`, "?" without one) go to FILE, one a line, in
 * queue order ("-": standard output, before the summary); the summary is one JSON line.
 *
 * Server mode reads lines and answers each with one JSON line; a broker that was restarted in
 * between is no obstacle, since every command connects anew:
 *
 *     drain QUEUE [FILE] [EXPECT]    browse QUEUE [FILE] [EXPECT]    count QUEUE    purge QUEUE
 *     create QUEUE [nondurable]      delete QUEUE                    quit
 *
 * FILE "-" writes none.
 */
public final class Judge {
    private static final String PARAMETERS =
        "reconnectAttempts=0&initialConnectAttempts=20&retryInterval=250&callTimeout=30000"
            + "&consumerWindowSize=4194304&useTopologyForLoadBalancing=false";
    private static final int ACK_BATCH_BYTES = 1 << 20;

    private final Support.Options options;

    private Judge(Support.Options options) {
        this.options = options;
    }

    private interface Work {
        String with(ClientSession session) throws Exception;
    }

    private String connected(Work work) throws Exception {
        try (ServerLocator locator = options.locator(PARAMETERS);
             ClientSessionFactory factory = locator.createSessionFactory();
             ClientSession session = options.session(factory, true, true, ACK_BATCH_BYTES)) {
            return work.with(session);
        }
    }

    private static Writer open(String file, boolean standardOutput) throws Exception {
        if (file == null || file.equals("-") && !standardOutput) {
            return Writer.nullWriter();
        }
        if (file.equals("-")) {
            Writer out = new OutputStreamWriter(Support.ANSWERS, StandardCharsets.US_ASCII);
            return new PrintWriter(out) {
                @Override
                public void close() {
                    flush();
                }
            };
        }
        Path path = Paths.get(file);
        return Files.newBufferedWriter(path, StandardCharsets.US_ASCII);
    }

    private static long countMessages(ClientSession session, String queue) throws Exception {
        ClientSession.QueueQuery answer = session.queueQuery(SimpleString.toSimpleString(queue));
        return answer.isExists() ? answer.getMessageCount() : -1;
    }

    private static String read(ClientSession session, String queue, boolean browse, Writer out,
                               int expected) throws Exception {
        Support.Tally tally = new Support.Tally();
        session.start();
        try (ClientConsumer consumer = session.createConsumer(queue, null, browse)) {
            ClientMessage message;
            while ((message = consumer.receiveImmediate()) != null) {
                Integer sequence = Support.sequence(message);
                tally.add(sequence);
                out.write(sequence == null ? "?\n" : sequence + "\n");
                if (!browse) {
                    message.acknowledge();
                }
            }
        }
        out.close();
        session.commit(); /* sends what is left of the batch of acknowledgements */
        return "{\"ok\":true," + tally.json(expected) + ",\"remaining\":"
            + countMessages(session, queue) + "}";
    }

    private String readQueue(String queue, boolean browse, String file, int expected,
                             boolean standardOutput) throws Exception {
        try (Writer out = open(file, standardOutput)) {
            return connected(session -> read(session, queue, browse, out, expected));
        }
    }

    private String count(String queue) throws Exception {
        return connected(session -> "{\"ok\":true,\"count\":" + countMessages(session, queue)
            + "}");
    }

    private String create(String queue, boolean durable) throws Exception {
        return connected(session -> {
            Support.createQueue(session, queue, durable, 0);
            return "{\"ok\":true}";
        });
    }

    private String delete(String queue) throws Exception {
        return connected(session -> {
            session.deleteQueue(queue);
            return "{\"ok\":true}";
        });
    }

    private String obey(String[] words) throws Exception {
        String queue = words.length > 1 ? words[1] : "";
        String file = words.length > 2 ? words[2] : null;
        int expected = words.length > 3 ? Integer.parseInt(words[3]) : -1;
        switch (words[0]) {
            case "drain":
                return readQueue(queue, false, file, expected, false);
            case "browse":
                return readQueue(queue, true, file, expected, false);
            case "purge":
                return readQueue(queue, false, null, -1, false);
            case "count":
                return count(queue);
            case "create":
                return create(queue, !"nondurable".equals(file));
            case "delete":
                return delete(queue);
            default:
                return "{\"ok\":false,\"error\":\"unknown command\"}";
        }
    }

    private void serve() throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        Support.say("{\"ok\":true,\"ready\":true}");
        String line;
        while ((line = in.readLine()) != null && !line.trim().equals("quit")) {
            try {
                Support.say(obey(line.trim().split("\\s+")));
            } catch (Exception e) {
                Support.say("{\"ok\":false,\"error\":" + Support.quote(e.toString()) + "}");
            }
        }
    }

    private String once() throws Exception {
        String queue = options.required("queue");
        if (options.has("count")) {
            return count(queue);
        }
        String file = options.has("purge") ? null : options.text("out", null);
        return readQueue(queue, options.has("browse"), file, options.number("expect", -1), true);
    }

    public static void main(String[] arguments) throws Exception {
        Support.Options options =
            new Support.Options(arguments, "browse", "count", "purge", "server");
        Judge judge = new Judge(options);
        if (options.has("server")) {
            judge.serve();
        } else {
            Support.say(judge.once());
        }
        System.exit(0);
    }
}
