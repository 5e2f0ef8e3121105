import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.activemq.artemis.api.core.ActiveMQBuffer;
import org.apache.activemq.artemis.api.core.Message;
import org.apache.activemq.artemis.api.core.SimpleString;
import org.apache.activemq.artemis.api.core.client.ClientConsumer;
import org.apache.activemq.artemis.api.core.client.ClientMessage;
import org.apache.activemq.artemis.api.core.client.ClientProducer;
import org.apache.activemq.artemis.api.core.client.ClientSession;
import org.apache.activemq.artemis.api.core.client.ClientSessionFactory;
import org.apache.activemq.artemis.api.core.client.ServerLocator;
import org.apache.activemq.artemis.utils.UUID;

/**
 * The other side of an interoperation test: a fixed catalogue of messages, written down in
 * README.md, sent to a queue or received from it and checked field by field.
 *
 *     Peer send  --port P --queue Q
 *     Peer check --port P --queue Q [--wait MS]
 *
 * Both make the queue (durable, anycast) when it is missing. `send` prints {"sent":N} when the
 * broker has confirmed every message. `check` prints {"case":N,"ok":true|false,"why":"..."} for
 * each case of the catalogue and a last line {"cases":N,"good":N}; exit status 0 if all are good,
 * else 3.
 */
public final class Peer {
    private static final long TIME = 1700000000000L;
    private static final long EXPIRY = 4102444800000L; /* the year 2100 */
    private static final byte[] USER_ID = {
        0x12, 0x3e, 0x45, 0x67, (byte) 0xe8, (byte) 0x9b, 0x12, (byte) 0xd3,
        (byte) 0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0x00 };
    private static final String WIDE = "\u00e9\u20ac\ud83d\ude00";
    private static final String CLEF = "\ud834\udd1e";

    /** One message of the catalogue. The body is a sequence of bytes, as on the wire. */
    private static final class Case {
        byte type = Message.DEFAULT_TYPE;
        boolean durable;
        byte priority = 4;
        long timestamp = -1;
        long expiration;
        byte[] userId;
        byte[] body = {};
        final Map<String, Object> properties = new LinkedHashMap<>();

        Case with(String name, Object value) {
            properties.put(name, value);
            return this;
        }

        Case bytes(byte[] value) {
            type = Message.BYTES_TYPE;
            body = value;
            return this;
        }

        Case text(String value) {
            type = Message.TEXT_TYPE;
            body = nullableSimpleString(value);
            return this;
        }

        Case durable() {
            durable = true;
            return this;
        }

        Case priority(int value) {
            priority = (byte) value;
            return this;
        }

        Case timestamp(long value) {
            timestamp = value;
            return this;
        }

        Case expiration() {
            expiration = EXPIRY;
            return this;
        }

        Case userId() {
            userId = USER_ID;
            return this;
        }
    }

    /** Written here by hand, so that the client's own encoder is not both player and referee. */
    private static byte[] nullableSimpleString(String text) {
        if (text == null) {
            return new byte[] { 0 };
        }
        int n = 2 * text.length();
        byte[] out = new byte[5 + n];
        out[0] = 1;
        for (int i = 0; i < 4; i++) {
            out[1 + i] = (byte) (n >> (24 - 8 * i));
        }
        for (int i = 0; i < text.length(); i++) {
            out[5 + 2 * i] = (byte) text.charAt(i);
            out[6 + 2 * i] = (byte) (text.charAt(i) >> 8);
        }
        return out;
    }

    private static byte[] ramp(int n) {
        byte[] out = new byte[n];
        for (int i = 0; i < n; i++) {
            out[i] = (byte) i;
        }
        return out;
    }

    private static byte[] pattern(int n) {
        byte[] out = new byte[n];
        for (int i = 0; i < n; i++) {
            out[i] = (byte) (i * 31 + 7);
        }
        return out;
    }

    private static void properties(List<Case> all) {
        all.add(new Case());
        all.add(new Case().with("p", true).with("q", false));
        all.add(new Case().with("p", Byte.MIN_VALUE).with("q", Byte.MAX_VALUE).with("r", (byte) 0));
        all.add(new Case().with("p", Short.MIN_VALUE).with("q", Short.MAX_VALUE));
        all.add(new Case().with("p", Integer.MIN_VALUE).with("q", Integer.MAX_VALUE));
        all.add(new Case().with("p", Long.MIN_VALUE).with("q", Long.MAX_VALUE));
        all.add(new Case().with("p", 1.5f).with("q", -0.0f).with("r", Float.NaN)
                    .with("s", Float.POSITIVE_INFINITY).with("t", Float.NEGATIVE_INFINITY)
                    .with("u", Float.MIN_VALUE).with("v", Float.MAX_VALUE));
        all.add(new Case().with("p", 1.5).with("q", -0.0).with("r", Double.NaN)
                    .with("s", Double.POSITIVE_INFINITY).with("t", Double.NEGATIVE_INFINITY)
                    .with("u", Double.MIN_VALUE).with("v", Double.MAX_VALUE));
        all.add(new Case().with("p", "").with("q", "hello").with("r", WIDE + "\0!")
                    .with("s", "x".repeat(10000)));
        all.add(new Case().with("p", 'A').with("q", '\0').with("r", '\uffff').with("s", '\u20ac'));
        all.add(new Case().with("p", new byte[0]).with("q", ramp(256)));
        all.add(new Case().with("p", null));
        all.add(new Case().with("b", true).with("y", (byte) -1).with("s", (short) -2).with("i", -3)
                    .with("l", -4L).with("f", 0.5f).with("d", -0.25).with("t", "text")
                    .with("c", 'Z').with("a", new byte[] { 1, 2, 3 }).with("n", null));
        all.add(new Case().with("schl\u00fcssel \ud83d\ude00", 7).with("k".repeat(300), 8));
    }

    private static void bodies(List<Case> all) {
        all.add(new Case().bytes(ramp(256)));
        all.add(new Case().bytes(pattern(100000)));
        all.add(new Case().bytes(new byte[0]));
        all.add(new Case().text("hello"));
        all.add(new Case().text(WIDE + " " + CLEF));
        all.add(new Case().text(null));
        all.add(new Case().text(""));
        all.add(new Case().text("0123456789".repeat(500)));
        Case object = new Case().bytes(new byte[] { (byte) 0xca, (byte) 0xfe });
        object.type = Message.OBJECT_TYPE;
        all.add(object);
    }

    private static void headers(List<Case> all) {
        all.add(new Case().durable().bytes("durable".getBytes()));
        for (int priority = 0; priority <= 9; priority++) {
            all.add(new Case().priority(priority));
        }
        all.add(new Case().expiration());
        all.add(new Case().userId());
        all.add(new Case().timestamp(0));
        all.add(new Case().timestamp(Long.MAX_VALUE));
        all.add(new Case().durable().priority(9).expiration().userId().text(WIDE)
                    .with("t", "text").with("l", -4L));
    }

    private static List<Case> catalogue() {
        List<Case> all = new ArrayList<>();
        properties(all);
        bodies(all);
        headers(all);
        for (int i = 0; i < all.size(); i++) {
            Case c = all.get(i);
            c.with("case", i);
            if (c.timestamp < 0) {
                c.timestamp = TIME + i;
            }
        }
        return all;
    }

    // ---- send ----

    private static void put(ClientMessage message, String name, Object value) {
        if (value instanceof Character) {
            message.putCharProperty(SimpleString.toSimpleString(name), (Character) value);
        } else {
            message.putObjectProperty(SimpleString.toSimpleString(name), value);
        }
    }

    private static ClientMessage build(ClientSession session, Case c) {
        ClientMessage message =
            session.createMessage(c.type, c.durable, c.expiration, c.timestamp, c.priority);
        for (Map.Entry<String, Object> property : c.properties.entrySet()) {
            put(message, property.getKey(), property.getValue());
        }
        if (c.userId != null) {
            message.setUserID(new UUID(UUID.TYPE_TIME_BASED, c.userId.clone()));
        }
        message.getBodyBuffer().writeBytes(c.body);
        return message;
    }

    private static void send(ClientSession session, String queue) throws Exception {
        List<Case> all = catalogue();
        try (ClientProducer producer = session.createProducer(queue)) {
            for (Case c : all) {
                producer.send(build(session, c));
            }
        }
        Support.say("{\"sent\":" + all.size() + "}");
    }

    // ---- check ----

    private static String show(Object value) {
        if (value instanceof byte[]) {
            byte[] bytes = (byte[]) value;
            return "byte[" + bytes.length + "]"
                + Arrays.toString(Arrays.copyOf(bytes, Math.min(bytes.length, 16)));
        }
        String text = String.valueOf(value);
        text = text.length() > 60 ? text.substring(0, 60) + "..." : text;
        return value == null ? "null" : value.getClass().getSimpleName() + " " + text;
    }

    /** Java's equals is exact on the bits of float and double, which is what is wanted. */
    private static boolean same(Object wanted, Object got) {
        Object value = got instanceof SimpleString ? got.toString() : got;
        if (wanted instanceof byte[]) {
            return value instanceof byte[] && Arrays.equals((byte[]) wanted, (byte[]) value);
        }
        return wanted == null ? value == null : wanted.equals(value);
    }

    private static void compare(List<String> faults, String what, Object wanted, Object got) {
        if (!same(wanted, got)) {
            faults.add(what + ": wanted " + show(wanted) + ", got " + show(got));
        }
    }

    private static byte[] body(ClientMessage message) {
        ActiveMQBuffer buffer = message.getBodyBuffer();
        byte[] out = new byte[buffer.readableBytes()];
        buffer.readBytes(out);
        return out;
    }

    private static byte[] userId(ClientMessage message) {
        UUID id = (UUID) message.getUserID();
        return id == null ? null : id.asBytes();
    }

    private static List<String> faults(Case c, ClientMessage m) {
        List<String> faults = new ArrayList<>();
        compare(faults, "type", c.type, m.getType());
        compare(faults, "durable", c.durable, m.isDurable());
        compare(faults, "priority", c.priority, m.getPriority());
        compare(faults, "timestamp", c.timestamp, m.getTimestamp());
        compare(faults, "expiration", c.expiration, m.getExpiration());
        compare(faults, "user id", c.userId, userId(m));
        compare(faults, "body", c.body, body(m));
        for (Map.Entry<String, Object> wanted : c.properties.entrySet()) {
            SimpleString name = SimpleString.toSimpleString(wanted.getKey());
            if (!m.containsProperty(name)) {
                faults.add("property " + wanted.getKey() + " is missing");
            } else {
                compare(faults, "property " + wanted.getKey(), wanted.getValue(),
                        m.getObjectProperty(name));
            }
        }
        for (SimpleString name : m.getPropertyNames()) {
            String text = name.toString();
            if (!c.properties.containsKey(text) && !text.startsWith("_AMQ")) {
                faults.add("property " + text + " is too much");
            }
        }
        return faults;
    }

    private static Map<Integer, List<String>> receive(ClientSession session, String queue,
                                                      List<Case> all, int waitMs)
        throws Exception {
        Map<Integer, List<String>> results = new TreeMap<>();
        session.start();
        try (ClientConsumer consumer = session.createConsumer(queue)) {
            ClientMessage message;
            while (results.size() < all.size()
                && (message = consumer.receive(waitMs)) != null) {
                message.acknowledge();
                Object number = message.getObjectProperty(SimpleString.toSimpleString("case"));
                int n = number instanceof Integer ? (Integer) number : -1;
                List<String> faults = n >= 0 && n < all.size() ? faults(all.get(n), message)
                    : new ArrayList<>(List.of("not in the catalogue: case " + show(number)));
                if (results.containsKey(n)) {
                    faults.add("came more than once");
                }
                results.put(n, faults);
            }
        }
        return results;
    }

    private static boolean check(ClientSession session, String queue, int waitMs)
        throws Exception {
        List<Case> all = catalogue();
        Map<Integer, List<String>> results = receive(session, queue, all, waitMs);
        int good = 0;
        for (int i = 0; i < all.size(); i++) {
            results.putIfAbsent(i, List.of("did not come"));
        }
        for (Map.Entry<Integer, List<String>> result : results.entrySet()) {
            boolean ok = result.getValue().isEmpty();
            good += ok ? 1 : 0;
            Support.say("{\"case\":" + result.getKey() + ",\"ok\":" + ok + ",\"why\":"
                + Support.quote(String.join("; ", result.getValue())) + "}");
        }
        Support.say("{\"cases\":" + all.size() + ",\"good\":" + good + "}");
        return good == all.size() && results.size() == all.size();
    }

    public static void main(String[] arguments) throws Exception {
        Support.Options options = new Support.Options(arguments);
        String queue = options.required("queue");
        String mode = options.words.isEmpty() ? "" : options.words.get(0);
        boolean good = true;
        try (ServerLocator locator =
                 options.locator("blockOnDurableSend=true&blockOnNonDurableSend=true");
             ClientSessionFactory factory = locator.createSessionFactory();
             ClientSession session = options.session(factory, true, true, 0)) {
            Support.createQueue(session, queue, true, 0);
            if (mode.equals("send")) {
                send(session, queue);
            } else if (mode.equals("check")) {
                good = check(session, queue, options.number("wait", 2000));
            } else {
                Support.fail("usage: Peer send|check --port P --queue Q");
            }
        }
        System.exit(good ? 0 : 3);
    }
}
