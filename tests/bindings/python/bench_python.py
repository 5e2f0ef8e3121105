"""Python sends and receives, beside python-qpid-proton on the same broker in the same run.

    bench_python.py [--small|--full] [--out FILE]        what scripts/bench calls
    bench_python.py --worker CLIENT WHAT PORT QUEUE COUNT SIZE DURABLE

Both clients do the same: one queue, one size, an integer property `seq`, every send confirmed by the broker, every
message read (body and property) and acknowledged. The time of the processor is that of the client's process, user and
system, between the first send and the last confirmation, or the first receive and the last acknowledgement; importing
and connecting are left out. They take turns, and the best of their rounds counts: the least disturbed one.
"""
import json
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROTON = "python-qpid-proton==0.40.0"
PLACE = ROOT / "build/bindings/bench"
LEAST_RATIO = 10  # times less of the processor in batches
WINDOW = 1000  # credit of a receiver


# --- the clients: each returns what it measured between start() and stop() --------------------------------------------

class Clock:
    def __enter__(self):
        self.cpu, self.wall = self.now(), time.monotonic()
        return self

    def __exit__(self, *_):
        self.cpu, self.wall = self.now() - self.cpu, time.monotonic() - self.wall

    @staticmethod
    def now():
        return time.process_time()  # as os.times() has it, but in finer steps


class Reattach:
    def __init__(self, port, queue, durable):
        import reattach
        self.connection = reattach.connect(f"tcp://127.0.0.1:{port}", user="admin", password="admin", reliable=True)
        self.session = self.connection.session()
        self.session.create_queue(queue, exist_ok=True)
        self.session.start()
        self.queue, self.durable = queue, durable

    def send_batch(self, body, count):
        producer = self.session.producer(self.queue)
        with Clock() as clock:
            done = producer.send_many(((body, {"seq": i}) for i in range(count)), durable=self.durable).confirmed
        return clock, done

    def send_single(self, body, count):
        producer = self.session.producer(self.queue)
        with Clock() as clock:
            for i in range(count):
                producer.send(body, {"seq": i}, durable=self.durable, wait=True)
        return clock, count

    def receive_batch(self, body, count):
        done = 0
        with Clock() as clock:
            consumer = self.session.consumer(self.queue)
            while done < count and (messages := consumer.receive_many(WINDOW, 20)):
                for message in messages:
                    assert message.body == body and message.properties["seq"] == done
                    done += 1
                messages[-1].acknowledge()
            self.session.flush()
        return clock, done

    def close(self):
        self.connection.close()


class Proton:
    def __init__(self, port, queue, durable):
        Reattach(port, queue, durable).close()  # makes the queue: without one, messages from AMQP would vanish
        self.url, self.queue, self.durable = f"amqp://admin:admin@127.0.0.1:{port}", queue, durable

    def run(self, handler):
        from proton.reactor import Container
        Container(handler).run()

    def message(self, body, i):
        from proton import Message
        return Message(body=body, properties={"seq": i}, durable=self.durable)

    def send_batch(self, body, count):
        from proton.handlers import MessagingHandler
        bench = self

        class Sender(MessagingHandler):
            sent = confirmed = 0
            clock = Clock()

            def on_start(self, event):
                event.container.create_sender(event.container.connect(bench.url, allowed_mechs="PLAIN"), bench.queue)

            def on_sendable(self, event):
                if self.sent == 0:
                    self.clock.__enter__()
                while event.sender.credit and self.sent < count:
                    event.sender.send(bench.message(body, self.sent))
                    self.sent += 1

            def on_accepted(self, event):
                self.confirmed += 1
                if self.confirmed == count:
                    self.clock.__exit__()
                    event.connection.close()

        sender = Sender()
        self.run(sender)
        return sender.clock, sender.confirmed

    def send_single(self, body, count):
        from proton.utils import BlockingConnection
        connection = BlockingConnection(self.url, allowed_mechs="PLAIN")
        sender = connection.create_sender(self.queue)
        with Clock() as clock:
            for i in range(count):
                sender.send(self.message(body, i))
        connection.close()
        return clock, count

    def receive_batch(self, body, count):
        from proton.handlers import MessagingHandler
        bench = self

        class Receiver(MessagingHandler):
            done = 0
            clock = Clock()

            def __init__(self):
                super().__init__(prefetch=WINDOW)

            def on_start(self, event):
                event.container.create_receiver(event.container.connect(bench.url, allowed_mechs="PLAIN"), bench.queue)

            def on_message(self, event):
                if self.done == 0:
                    self.clock.__enter__()
                message = event.message
                assert bytes(message.body) == body and message.properties["seq"] == self.done
                self.done += 1
                if self.done == count:
                    event.receiver.close()
                    event.connection.close()

            def on_connection_closed(self, event):
                self.clock.__exit__()

        receiver = Receiver()
        self.run(receiver)
        return receiver.clock, receiver.done

    def close(self):
        pass


def work(client, what, port, queue, count, size, durable):
    end = {"reattach": Reattach, "proton": Proton}[client](int(port), queue, durable == "1")
    clock, done = getattr(end, what)(b"x" * int(size), int(count))
    end.close()
    print(json.dumps({"messages": int(count), "confirmed": done, "seconds": clock.wall, "cpu_seconds": clock.cpu}))


# --- the comparison ---------------------------------------------------------------------------------------------------

def environment():
    """Both clients in one environment; made once."""
    python = PLACE / "venv/bin/python"
    commands = [] if python.exists() else [[sys.executable, "-m", "venv", PLACE / "venv"],
                                           [python, "-m", "pip", "install", "-q", PROTON]]
    for command in [*commands, [python, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps",
                                ROOT / "bindings/python"]]:
        subprocess.run(command, check=True)
    return python


def measure(python, client, what, port, queue, count, size, durable):
    words = [python, __file__, "--worker", client, what, port, queue, count, size, int(durable)]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"{client} {what}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def best(rounds):
    return min(rounds, key=lambda one: one["cpu_seconds"] / one["messages"])


def series(proof, python, port, size, durable, rounds, counts):
    """One send and the receive of what was sent, in turns."""
    found = {}
    for i in range(rounds):
        for client in ("proton", "reattach"):
            queue = f"bench.python.{client}.{size}.{int(durable)}"
            for what in ("send_batch", "receive_batch", "send_single"):
                count = counts[what]
                result = measure(python, client, what, port, queue, count, size, durable)
                found.setdefault((what, client), []).append(result)
                proof.check(result["confirmed"] == count, f"{client} {what}: {result['confirmed']} of {count} confirmed")
            measure(python, client, "receive_batch", port, queue, counts["send_single"], size, durable)  # empties it
    return found


def report(proof, found, size, durable):
    for what in ("send_batch", "receive_batch", "send_single"):
        cost = {}
        for client in ("proton", "reattach"):
            one = best(found[what, client])
            cost[client] = one["cpu_seconds"] / one["messages"] * 1e6
            proof.row(what.replace("_", ", "), "durable" if durable else "not durable", size, client,
                      round(one["messages"] / one["seconds"]), cost[client],
                      cost["proton"] / cost[client])
        if what != "send_single":
            ratio = cost["proton"] / cost["reattach"]
            proof.check(ratio >= LEAST_RATIO, f"{what}, {size} bytes, durable={durable}: {ratio:.1f} times less of the "
                        f"processor than {PROTON}, not {LEAST_RATIO}")


def main():
    sys.path[:0] = [str(ROOT / "tests/artemis"), str(ROOT / "scripts/lib")]
    import brokers
    from proof import Proof
    proof = Proof("python", "Python: sends and receives beside python-qpid-proton",
                  ["what", "messages", "bytes", "client", "a second", "CPU us a message", "times less CPU"])
    counts = proof.pick({"send_batch": 20000, "receive_batch": 20000, "send_single": 200},
                        {"send_batch": 50000, "receive_batch": 50000, "send_single": 1000})
    python = environment()
    with brokers.broker("bench-python-broker") as port:
        for size, durable in proof.pick([(100, True)], [(100, True), (100, False), (1000, True)]):
            found = series(proof, python, port, size, durable, proof.pick(2, 4), counts)
            report(proof, found, size, durable)
    proof.note(f"{PROTON}; one property, every send confirmed, every message read and acknowledged; the best of "
               f"{proof.pick(2, 4)} rounds in turns on one broker. Single: each send waits for its answer.")
    sys.exit(proof.finish())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(*sys.argv[2:])
    else:
        main()
