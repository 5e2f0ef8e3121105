import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import org.apache.activemq.artemis.api.core.client.ClientConsumer;
import org.apache.activemq.artemis.api.core.client.ClientMessage;
import org.apache.activemq.artemis.api.core.client.ClientProducer;
import org.apache.activemq.artemis.api.core.client.ClientSession;
import org.apache.activemq.artemis.api.core.client.ClientSessionFactory;
import org.apache.activemq.artemis.api.core.client.ServerLocator;

/**
 * The other side of an interoperation test with large messages, streamed in and out of the Java client.
 *
 *     Large send  --port P --queue Q --size N [--count C]
 *     Large check --port P --queue Q --size N [--count C]
 *
 * The body of each has N bytes; byte i is the highest one of the 32 bits of i times 2654435761. `check` wants exactly that, as a
 * large message, and prints a line about each; exit status 3 otherwise.
 */
public final class Large {
    private static int byteAt(long i) {
        return (int) i * 0x9e3779b1 >>> 24;
    }

    private static final class Body extends InputStream {
        private final long size;
        private long at;

        Body(long size) {
            this.size = size;
        }

        @Override
        public int read() {
            return at < size ? byteAt(at++) : -1;
        }
    }

    private static final class Checker extends OutputStream {
        private long at;
        private long wrong = -1;

        @Override
        public void write(int b) throws IOException {
            if (wrong < 0 && (b & 0xff) != byteAt(at)) {
                wrong = at;
            }
            at++;
        }
    }

    private static boolean check(ClientConsumer consumer, int size) throws Exception {
        ClientMessage message = consumer.receive(10000);
        if (message == null || !message.isLargeMessage()) {
            Support.say(message == null ? "nothing came" : "not a large message");
            return false;
        }
        Checker checker = new Checker();
        message.saveToOutputStream(checker);
        message.acknowledge();
        Support.say("{\"bytes\":" + checker.at + ",\"wrong\":" + checker.wrong + "}");
        return checker.at == size && checker.wrong < 0;
    }

    private static void send(ClientSession session, ClientProducer producer, int size) throws Exception {
        ClientMessage message = session.createMessage(ClientMessage.BYTES_TYPE, true);
        message.setBodyInputStream(new Body(size));
        producer.send(message);
    }

    public static void main(String[] arguments) throws Exception {
        Support.Options options = new Support.Options(arguments);
        String queue = options.required("queue");
        int size = options.number("size", 0);
        boolean good = true;
        try (ServerLocator locator = options.locator("blockOnDurableSend=true");
             ClientSessionFactory factory = locator.createSessionFactory();
             ClientSession session = options.session(factory, true, true, 0)) {
            Support.createQueue(session, queue, true, 0);
            session.start();
            int count = options.number("count", 1);
            if (options.words.contains("send")) {
                try (ClientProducer producer = session.createProducer(queue)) {
                    for (int i = 0; i < count; i++) {
                        send(session, producer, size);
                    }
                }
            } else {
                try (ClientConsumer consumer = session.createConsumer(queue)) {
                    for (int i = 0; i < count && good; i++) {
                        good = check(consumer, size);
                    }
                }
            }
        }
        System.exit(good ? 0 : 3);
    }
}
