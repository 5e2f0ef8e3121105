import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.activemq.artemis.api.core.ActiveMQException;
import org.apache.activemq.artemis.api.core.Message;
import org.apache.activemq.artemis.api.core.client.ClientConsumer;
import org.apache.activemq.artemis.api.core.client.ClientMessage;
import org.apache.activemq.artemis.api.core.client.ClientProducer;
import org.apache.activemq.artemis.api.core.client.ClientSession;
import org.apache.activemq.artemis.api.core.client.ClientSessionFactory;
import org.apache.activemq.artemis.api.core.client.SendAcknowledgementHandler;
import org.apache.activemq.artemis.api.core.client.ServerLocator;

/**
 * The Java client as the partner of a comparison. It is set up as its manual says for surviving cut
 * links: confirmationWindowSize=1048576, reconnectAttempts=-1, a short retryInterval, and a
 * SendAcknowledgementHandler on a pipelined sender.
 *
 *     Reference transfer --port RELAY --queue Q [--count N] [--size S]
 *                        [--ack auto|individual|transacted|none] [--batch 50] [--rate PER_SECOND]
 *                        [--direct PORT] [--limit SECONDS] [--idle SECONDS] [--until-eof 1]
 *     Reference pause    --port RELAY --queue Q --mode idle|load [--size S] [--wait SECONDS]
 *                        [--ring N] [--direct PORT]
 *     both:              [--ha 1] [--window BYTES] [--retry-interval MS] [--call-timeout MS] [--user U]
 *                        [--password P] [--outstanding N]
 *
 * transfer: sends N durable messages of S bytes with int property `seq` (0, 1, ...) through one
 * connection and receives them through another, at the same time. --ack none does not
 * receive and leaves the messages in the queue; otherwise what is left is taken out at the end.
 * Ends when everything has come, when nothing happened for --idle seconds after the last send, or
 * after --limit seconds at the latest; with --until-eof 1 it stops sending at the end of its input.
 * It prints one JSON line in any case:
 *
 *     sent          send() returned without an exception
 *     confirmed     the handler heard of it
 *     received      messages given to the program and acknowledged (transacted: committed)
 *     lost          sent, but neither received nor left in the queue
 *     confirmed_lost  of those, the ones that the handler had heard of
 *     left          found in the queue afterwards, through --direct, the broker's own port
 *     doubled, out_of_order    of those received, then those left, as in Judge
 *     errors        exceptions of any call; first_errors shows some
 *     seconds       to the last progress, without the idle time after it
 *     stalls        times that the sender waited 2 s for any confirmation and then went on anyway
 *
 * The first line on standard output is {"ready":true}, when both ends are connected.
 *
 * pause: how long a cut keeps a program from getting work confirmed. {"ready":true} comes first.
 * The driver, which owns the relay, cuts the link and at once writes the line `cut`; telling first
 * would let a send slip through before the cut. The answer is {"pause_ns":N,"errors":K}: the time
 * from reading that line to the first confirmation of a send that was *started* after it. N is -1
 * if none came within --wait seconds. `quit` or the end of the input ends the program, with a
 * summary line.
 *   idle  non-durable messages, one per `cut`, everything else answered before the line is read
 *   load  a thread sends durable messages without pause, at most --outstanding unconfirmed
 * The queue is made with a ring of N (default 1000) messages, so that nobody has to empty it.
 */
public final class Reference {
    private static final long STALL_NS = 2_000_000_000L;

    private final Support.Options options;
    private final String queue;
    private final int size;
    private final List<String> firstErrors = new ArrayList<>();
    private final AtomicLong errors = new AtomicLong();

    private Reference(Support.Options options) {
        this.options = options;
        this.queue = options.required("queue");
        this.size = options.number("size", 100);
    }

    private String parameters() {
        return "confirmationWindowSize=" + options.number("window", 1 << 20)
            + "&reconnectAttempts=-1&initialConnectAttempts=20&retryInterval="
            + options.number("retry-interval", 10) + "&retryIntervalMultiplier=1.0&callTimeout="
            + options.number("call-timeout", 30000)
            + "&blockOnDurableSend=false&blockOnNonDurableSend=false&blockOnAcknowledge=false"
            + "&useTopologyForLoadBalancing=false&ha=" + (options.number("ha", 0) != 0);
    }

    private void note(Throwable error) {
        errors.incrementAndGet();
        synchronized (firstErrors) {
            if (firstErrors.size() < 5) {
                firstErrors.add(Support.quote(error.toString()));
            }
        }
    }

    private volatile boolean stopSending;

    private void stopAtEndOfInput() {
        try {
            while (System.in.read() >= 0) {
                continue;
            }
        } catch (java.io.IOException e) {
            note(e);
        }
        stopSending = true;
    }

    private int direct() {
        return options.number("direct", options.number("port", 0));
    }

    private void makeQueue(long ring) throws Exception {
        try (ServerLocator locator = options.locator(direct(), "initialConnectAttempts=20");
             ClientSessionFactory factory = locator.createSessionFactory();
             ClientSession session = options.session(factory, true, true, 0)) {
            Support.createQueue(session, queue, true, ring);
        }
    }

    /** A pipelined sender with a limit of its own on what is unconfirmed. */
    private final class Sender implements AutoCloseable, SendAcknowledgementHandler {
        final ServerLocator locator;
        final ClientSessionFactory factory;
        final ClientSession session;
        final ClientProducer producer;
        final boolean durable;
        final int outstanding;
        final BitSet sent = new BitSet();
        final BitSet confirmed = new BitSet();
        long unconfirmed;
        long refused;
        long stalls;
        int next;
        int target = Integer.MAX_VALUE; /* a confirmation from here on ends a pause */
        long targetConfirmedAt;

        Sender(boolean durable) throws Exception {
            this.durable = durable;
            outstanding = options.number("outstanding", 10000);
            locator = options.locator(parameters());
            factory = locator.createSessionFactory();
            session = options.session(factory, true, true, 0);
            session.setSendAcknowledgementHandler(this);
            producer = session.createProducer(queue);
        }

        @Override
        public synchronized void sendAcknowledged(Message message) {
            long now = System.nanoTime();
            int sequence = message.getIntProperty("seq");
            unconfirmed = Math.max(0, unconfirmed - 1);
            confirmed.set(sequence);
            if (sequence >= target) {
                target = Integer.MAX_VALUE;
                targetConfirmedAt = now;
            }
            notifyAll();
        }

        @Override
        public synchronized void sendFailed(Message message, Exception error) {
            unconfirmed = Math.max(0, unconfirmed - 1);
            refused++;
            note(error);
            notifyAll();
        }

        /** Answers that never come must not stop the sender for ever. */
        private synchronized int begin() throws InterruptedException {
            long end = System.nanoTime() + STALL_NS;
            while (unconfirmed >= outstanding) {
                long before = unconfirmed;
                wait(100);
                if (unconfirmed < before) {
                    end = System.nanoTime() + STALL_NS;
                } else if (System.nanoTime() > end) {
                    stalls++;
                    unconfirmed = 0;
                }
            }
            unconfirmed++;
            return next++;
        }

        boolean sendOne(byte[] body) throws InterruptedException {
            int sequence = begin();
            ClientMessage message = session.createMessage(durable);
            message.putIntProperty("seq", sequence);
            message.getBodyBuffer().writeBytes(body);
            try {
                producer.send(message);
                synchronized (this) {
                    sent.set(sequence);
                }
                return true;
            } catch (ActiveMQException | IllegalStateException e) {
                /* The latter is AMQ219061, "cannot send a packet while channel is failing over". */
                note(e);
                synchronized (this) {
                    unconfirmed = Math.max(0, unconfirmed - 1);
                }
                return false;
            }
        }

        synchronized int confirmedCount() {
            return confirmed.cardinality();
        }

        /** From now on: the time of the first confirmation of a send that begins after this. */
        synchronized long awaitNext(long waitNs, Runnable afterMark) throws InterruptedException {
            long mark = System.nanoTime();
            target = next;
            targetConfirmedAt = 0;
            if (afterMark != null) {
                afterMark.run();
            }
            while (targetConfirmedAt == 0 && System.nanoTime() - mark < waitNs) {
                wait(100);
            }
            target = Integer.MAX_VALUE;
            return targetConfirmedAt == 0 ? -1 : targetConfirmedAt - mark;
        }

        @Override
        public void close() {
            locator.close();
        }
    }

    private final class Receiver implements Runnable, AutoCloseable {
        final ServerLocator locator;
        final ClientSessionFactory factory;
        final ClientSession session;
        final ClientConsumer consumer;
        final String mode;
        final int batch;
        final Support.Tally tally = new Support.Tally();
        volatile boolean stop;
        volatile long lastNs = System.nanoTime();

        Receiver(String mode) throws Exception {
            this.mode = mode;
            batch = options.number("batch", 50);
            locator = options.locator(parameters());
            factory = locator.createSessionFactory();
            session = options.session(factory, true, !mode.equals("transacted"), 0);
            consumer = session.createConsumer(queue);
            session.start();
        }

        private void accept(ClientMessage message) throws ActiveMQException {
            if (mode.equals("individual")) {
                message.individualAcknowledge();
            } else {
                message.acknowledge();
            }
            tally.add(Support.sequence(message));
        }

        private void one() throws ActiveMQException {
            ClientMessage message = consumer.receive(200);
            if (message != null) {
                lastNs = System.nanoTime();
                accept(message);
            }
        }

        /** Only what was committed counts; what was rolled back comes again. */
        private void transaction() throws ActiveMQException {
            List<Integer> pending = new ArrayList<>();
            while (pending.size() < batch) {
                ClientMessage message = consumer.receive(200);
                if (message == null) {
                    break;
                }
                lastNs = System.nanoTime();
                message.acknowledge();
                pending.add(Support.sequence(message));
            }
            if (pending.isEmpty()) {
                return;
            }
            session.commit();
            pending.forEach(tally::add);
        }

        @Override
        public void run() {
            while (!stop) {
                try {
                    if (mode.equals("transacted")) {
                        transaction();
                    } else {
                        one();
                    }
                } catch (ActiveMQException | IllegalStateException e) {
                    note(e);
                    pauseAfterError();
                }
            }
        }

        private void pauseAfterError() {
            try {
                Thread.sleep(20); /* a closed session would otherwise spin */
            } catch (InterruptedException e) {
                stop = true;
            }
        }

        @Override
        public void close() {
            stop = true;
            locator.close();
        }
    }

    // ---- transfer ----

    private void sendAll(Sender sender, int count, long begin, long limitNs) {
        byte[] body = new byte[size];
        int rate = options.number("rate", 0);
        try {
            for (int i = 0; i < count && !stopSending && System.nanoTime() - begin < limitNs; i++) {
                sender.sendOne(body);
                long due = rate > 0 ? begin + (i + 1) * 1_000_000_000L / rate : 0;
                if (rate > 0 && due - System.nanoTime() > 1_000_000) {
                    Thread.sleep((due - System.nanoTime()) / 1_000_000);
                }
            }
        } catch (InterruptedException e) {
            note(e);
        }
    }

    private boolean finished(Sender sender, Receiver receiver, int count) {
        boolean confirmed = sender.confirmedCount() >= count;
        return confirmed && (receiver == null || receiver.tally.distinct() >= count);
    }

    /** Returns the time of the last progress. */
    private long waitForEnd(Thread sending, Sender sender, Receiver receiver, int count,
                            long begin, long limitNs) throws InterruptedException {
        long idleNs = options.number("idle", 5) * 1_000_000_000L;
        int before = -1;
        long quietSince = System.nanoTime();
        while (System.nanoTime() - begin < limitNs && !finished(sender, receiver, count)) {
            Thread.sleep(10);
            int now = sender.confirmedCount() + (receiver == null ? 0 : receiver.tally.distinct());
            if (now != before || sending.isAlive()) {
                before = now;
                quietSince = System.nanoTime();
            } else if (System.nanoTime() - quietSince > idleNs) {
                break;
            }
        }
        return quietSince;
    }

    /** What is still in the queue, through the broker's own port: a fresh, undisturbed client. */
    private int leftOver(Support.Tally tally, boolean browse) {
        int left = 0;
        try (ServerLocator locator = options.locator(direct(), "initialConnectAttempts=20");
             ClientSessionFactory factory = locator.createSessionFactory();
             ClientSession session = options.session(factory, true, true, 1 << 20)) {
            session.start();
            try (ClientConsumer consumer = session.createConsumer(queue, null, browse)) {
                ClientMessage message;
                while ((message = consumer.receive(500)) != null) {
                    if (!browse) {
                        message.acknowledge();
                    }
                    tally.add(Support.sequence(message));
                    left++;
                }
            }
        } catch (Exception e) {
            note(e);
        }
        return left;
    }

    private String summary(Sender sender, Support.Tally tally, long received, int left,
                           double seconds) {
        synchronized (sender) {
            BitSet lost = (BitSet) sender.sent.clone();
            lost.andNot(tally.seen);
            BitSet confirmedLost = (BitSet) lost.clone();
            confirmedLost.and(sender.confirmed);
            return "{\"sent\":" + sender.sent.cardinality() + ",\"confirmed\":"
                + sender.confirmed.cardinality() + ",\"received\":" + received + ",\"lost\":"
                + lost.cardinality() + ",\"confirmed_lost\":" + confirmedLost.cardinality() + ",\"left\":" + left + ",\"doubled\":" + tally.doubled
                + ",\"out_of_order\":" + tally.outOfOrder + ",\"refused\":" + sender.refused
                + ",\"errors\":" + errors.get() + ",\"stalls\":" + sender.stalls + ",\"seconds\":"
                + String.format(Locale.ROOT, "%.3f", seconds) + ",\"first_errors\":" + firstErrors
                + "}";
        }
    }

    private void transfer() throws Exception {
        int count = options.number("count", 10000);
        long limitNs = options.number("limit", 300) * 1_000_000_000L;
        String ack = options.text("ack", "auto");
        makeQueue(0);
        Sender sender = new Sender(true);
        Receiver receiver = ack.equals("none") ? null : new Receiver(ack);
        Support.say("{\"ready\":true}");
        if (options.number("until-eof", 0) != 0) {
            daemon(this::stopAtEndOfInput);
        }
        long begin = System.nanoTime();
        Thread sending = daemon(() -> sendAll(sender, count, begin, limitNs));
        if (receiver != null) {
            daemon(receiver);
        }
        long end = waitForEnd(sending, sender, receiver, count, begin, limitNs);
        double seconds = (end - begin) / 1e9;
        Support.Tally tally = receiver == null ? new Support.Tally() : receiver.tally;
        long received = tally.count;
        if (receiver != null) {
            receiver.stop = true;
        }
        closeInTime(sender, receiver);
        received = tally.count;
        int left = leftOver(tally, receiver == null);
        Support.say(summary(sender, tally, received, left, seconds));
    }

    /** Closing can hang on a session that a cut has broken; then the process ends without it. */
    private void closeInTime(Sender sender, Receiver receiver) throws InterruptedException {
        Thread closing = daemon(() -> {
            if (receiver != null) {
                receiver.close();
            }
            sender.close();
        });
        closing.join(5000);
    }

    private static Thread daemon(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    // ---- pause ----

    private void load(Sender sender) {
        byte[] body = new byte[size];
        try {
            for (;;) {
                sender.sendOne(body);
            }
        } catch (InterruptedException e) {
            note(e);
        }
    }

    private void probe(Sender sender) {
        try {
            while (!sender.sendOne(new byte[size])) {
                Thread.sleep(1); /* refused in so many words: try again */
            }
        } catch (InterruptedException e) {
            note(e);
        }
    }

    private void pause() throws Exception {
        boolean loaded = options.required("mode").equals("load");
        long waitNs = options.number("wait", 60) * 1_000_000_000L;
        makeQueue(options.number("ring", 1000));
        options.named.putIfAbsent("outstanding", "1000");
        Sender sender = new Sender(loaded);
        if (loaded) {
            daemon(() -> load(sender));
        }
        sender.awaitNext(waitNs, loaded ? null : () -> daemon(() -> probe(sender)));
        Support.say("{\"ready\":true}");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        String line;
        int cuts = 0;
        while ((line = in.readLine()) != null && !line.trim().equals("quit")) {
            if (!line.trim().equals("cut")) {
                continue;
            }
            long before = errors.get();
            long ns = sender.awaitNext(waitNs, loaded ? null : () -> daemon(() -> probe(sender)));
            cuts++;
            Support.say("{\"pause_ns\":" + ns + ",\"errors\":" + (errors.get() - before) + "}");
        }
        synchronized (sender) {
            Support.say("{\"cuts\":" + cuts + ",\"sent\":" + sender.sent.cardinality()
                + ",\"confirmed\":" + sender.confirmed.cardinality() + ",\"errors\":"
                + errors.get() + ",\"stalls\":" + sender.stalls + ",\"first_errors\":"
                + firstErrors + "}");
        }
    }

    public static void main(String[] arguments) throws Exception {
        Support.Options options = new Support.Options(arguments);
        String mode = options.words.isEmpty() ? "" : options.words.get(0);
        Reference reference = new Reference(options);
        if (mode.equals("transfer")) {
            reference.transfer();
        } else if (mode.equals("pause")) {
            reference.pause();
        } else {
            Support.fail("usage: Reference transfer|pause --port P --queue Q ...");
        }
        Runtime.getRuntime().halt(0); /* not exit: a broken session must not hold us up */
    }
}
