import java.io.PrintStream;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.activemq.artemis.api.core.QueueConfiguration;
import org.apache.activemq.artemis.api.core.RoutingType;
import org.apache.activemq.artemis.api.core.SimpleString;
import org.apache.activemq.artemis.api.core.client.ActiveMQClient;
import org.apache.activemq.artemis.api.core.client.ClientMessage;
import org.apache.activemq.artemis.api.core.client.ClientSession;
import org.apache.activemq.artemis.api.core.client.ClientSessionFactory;
import org.apache.activemq.artemis.api.core.client.ServerLocator;

/** What the programs of this directory share: options, connections, a tally of sequence numbers. */
final class Support {
    /** Standard output carries answers only: what the client's logging prints goes elsewhere. */
    static final PrintStream ANSWERS = System.out;

    static {
        System.setOut(System.err);
    }

    private Support() {
    }

    /** Must come before anything that logs. */
    private static void claimOutput() {
    }

    /** `--name value`, and `--name` alone for those listed as flags. Others are positional. */
    static final class Options {
        final Map<String, String> named = new HashMap<>();
        final List<String> words = new ArrayList<>();

        Options(String[] arguments, String... flags) {
            claimOutput();
            List<String> alone = List.of(flags);
            for (int i = 0; i < arguments.length; i++) {
                String a = arguments[i];
                if (!a.startsWith("--")) {
                    words.add(a);
                } else if (alone.contains(a.substring(2))) {
                    named.put(a.substring(2), "true");
                } else if (i + 1 < arguments.length) {
                    named.put(a.substring(2), arguments[++i]);
                } else {
                    fail("option without a value: " + a);
                }
            }
        }

        boolean has(String name) {
            return named.containsKey(name);
        }

        String text(String name, String otherwise) {
            return named.getOrDefault(name, otherwise);
        }

        String required(String name) {
            if (!has(name)) {
                fail("option --" + name + " is missing");
            }
            return named.get(name);
        }

        int number(String name, int otherwise) {
            return has(name) ? Integer.parseInt(named.get(name)) : otherwise;
        }

        ServerLocator locator(String parameters) throws Exception {
            return locator(Integer.parseInt(required("port")), parameters);
        }

        ServerLocator locator(int port, String parameters) throws Exception {
            String url = "tcp://" + text("host", "127.0.0.1") + ":" + port;
            return ActiveMQClient.createServerLocator(url + "?" + parameters);
        }

        ClientSession session(ClientSessionFactory factory, boolean commitSends,
                              boolean commitAcks, int ackBatch) throws Exception {
            return factory.createSession(text("user", "admin"), text("password", "admin"), false,
                                         commitSends, commitAcks, false, ackBatch);
        }
    }

    static void fail(String why) {
        System.err.println(why);
        System.exit(1);
    }

    static void createQueue(ClientSession session, String name, boolean durable, long ring)
        throws Exception {
        if (session.queueQuery(SimpleString.toSimpleString(name)).isExists()) {
            return;
        }
        QueueConfiguration queue = new QueueConfiguration(name);
        queue.setRoutingType(RoutingType.ANYCAST).setDurable(durable);
        if (ring > 0) {
            queue.setRingSize(ring);
        }
        session.createQueue(queue);
    }

    static String quote(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : String.valueOf(text).toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < 0x20) {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }

    static synchronized void say(String line) {
        ANSWERS.println(line);
        ANSWERS.flush();
    }

    /** The int property `seq`; a long will do as well. */
    static Integer sequence(ClientMessage message) {
        Object value = message.getObjectProperty(SimpleString.toSimpleString("seq"));
        return value instanceof Number ? ((Number) value).intValue() : null;
    }

    /**
     * What came, in the order in which it came. Doubled: a number that had come before. Out of
     * order: a number that comes for the first time, but after a higher one.
     */
    static final class Tally {
        private static final int SHOWN = 10;
        final BitSet seen = new BitSet();
        final List<Integer> firstDoubled = new ArrayList<>();
        final List<Integer> firstOutOfOrder = new ArrayList<>();
        long count;
        long doubled;
        long outOfOrder;
        long unnumbered;
        int highest = -1;

        synchronized void add(Integer sequence) {
            count++;
            if (sequence == null || sequence < 0) {
                unnumbered++;
            } else if (seen.get(sequence)) {
                doubled++;
                remember(firstDoubled, sequence);
            } else {
                seen.set(sequence);
                if (sequence < highest) {
                    outOfOrder++;
                    remember(firstOutOfOrder, sequence);
                }
                highest = Math.max(highest, sequence);
            }
        }

        private static void remember(List<Integer> list, int sequence) {
            if (list.size() < SHOWN) {
                list.add(sequence);
            }
        }

        synchronized int distinct() {
            return seen.cardinality();
        }

        /** Of 0..expected-1, or up to the highest seen. */
        synchronized String json(int expected) {
            int end = expected >= 0 ? expected : highest + 1;
            List<Integer> missing = new ArrayList<>();
            for (int i = seen.nextClearBit(0); i < end && missing.size() < SHOWN;
                 i = seen.nextClearBit(i + 1)) {
                missing.add(i);
            }
            return "\"count\":" + count + ",\"distinct\":" + distinct() + ",\"duplicates\":"
                + doubled + ",\"out_of_order\":" + outOfOrder + ",\"missing\":"
                + (end - seen.get(0, Math.max(end, 0)).cardinality()) + ",\"unnumbered\":"
                + unnumbered + ",\"highest\":" + highest + ",\"first_duplicates\":" + firstDoubled
                + ",\"first_out_of_order\":" + firstOutOfOrder + ",\"first_missing\":" + missing;
        }
    }

}
