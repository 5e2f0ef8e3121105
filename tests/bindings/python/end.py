"""One end of a queue, in Python, with the flags and the summary that prove_cli.py wants of `reattach send` and
`reattach receive`; the counts of cuts and re-attachments are those that its listeners heard.

    end.py send QUEUE --count N [--size BYTES] [--refuse-every N] ...
    end.py receive QUEUE --count N [--ack auto|individual|transacted] [--batch N] [--idle SECONDS] ...
    end.py queue create QUEUE ...
"""
import argparse
import json
import os
import queue
import sys
import threading
import time

import reattach

AHEAD = 40  # sends that wait to be refused; the others stop then, so that one in so many stays one in so many
OUTCOMES = ("confirmed", "rejected", "not_done", "unknown")
KINDS = ("disconnected", "reattached", "recreated", "session_lost", "gave_up")


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="+")
    for name, default in (("count", 0), ("size", 0), ("batch", 50), ("idle", 30), ("timeout", 60), ("refuse-every", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name in ("durable", "json", "quiet", "statistics"):
        parser.add_argument(f"--{name}", action="store_true")
    for name in ("url", "user"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ack", default="auto")
    return parser.parse_args()


class Refused(threading.Thread):
    """Sends a message where the user may not send whenever it is told to, on the session that another thread sends on."""

    def __init__(self, producer, address):
        super().__init__(daemon=True)
        self.producer, self.address = producer, address
        self.due, self.room, self.results, self.error = queue.SimpleQueue(), threading.Semaphore(AHEAD), [], None
        self.start()

    def one_more(self):
        self.room.acquire()
        self.due.put(True)

    def finish(self):
        self.due.put(False)
        self.join()
        if self.error:
            raise self.error

    def run(self):
        try:
            while self.due.get():
                self.results.append(self.send())
                self.room.release()
        except BaseException as error:
            self.error = error
            self.room.release(1 << 30)

    def send(self):
        try:
            return self.producer.send_many([b"x"], address=self.address, durable=True)
        except reattach.BatchError as error:
            return error.result


def send(session, queue_name, settings, summary):
    body = bytes(settings.size)
    refused = Refused(session.producer(), "forbidden." + queue_name)

    def messages():
        for i in range(settings.count):
            yield body, {"seq": reattach.Int(i)}
            if settings.refuse_every and i % (settings.refuse_every - 1) == settings.refuse_every - 2:
                refused.one_more()

    def note_unanswered(event):
        summary["unanswered"] = max(summary["unanswered"], session.unsettled)

    session.connection.add_listener(note_unanswered, "disconnected")
    try:
        results = [session.producer(queue_name).send_many(messages(), durable=settings.durable)]
    except reattach.BatchError as error:
        results = [error.result]
    refused.finish()
    results += refused.results
    summary["messages"] = sum(result.count for result in results)
    for name in OUTCOMES:
        summary[name] = sum(getattr(result, name) for result in results)


def acknowledge(session, messages, how):
    if how == "individual":
        for message in messages:
            message.acknowledge_individually()
    else:
        messages[-1].acknowledge()
    if how == "transacted":
        session.commit()


def receive(session, queue_name, settings, summary):
    consumer, seen, highest = session.consumer(queue_name), set(), -1
    session.start()
    while summary["messages"] < settings.count and (messages := consumer.receive_many(settings.batch, settings.idle)):
        for message in messages:
            seq = message.properties["seq"]
            summary["duplicates"] += seq in seen
            summary["out_of_order"] += seq < highest
            seen.add(seq)
            highest = max(highest, seq)
        acknowledge(session, messages, settings.ack)
        summary["messages"] += len(messages)
    session.flush()
    summary["confirmed" if settings.ack == "transacted" else "processed"] = summary["messages"]
    summary["missing"] = settings.count - len(seen)


def main():
    settings = parse()
    heard = []
    names = ("messages", *OUTCOMES, "processed", "duplicates", "missing", "out_of_order", "reattached", "recreated", "heard",
             "unanswered")
    summary = dict.fromkeys(names, 0)
    began = time.monotonic()
    with reattach.connect(settings.url, user=settings.user, password=os.environ["REATTACH_PASSWORD"], reliable=True,
                          timeout=settings.timeout) as connection:
        connection.add_listener(heard.append, *KINDS)
        with connection.session(transacted=settings.ack == "transacted") as session:
            if settings.words[0] == "queue":
                session.create_queue(settings.words[2])
                return 0
            {"send": send, "receive": receive}[settings.words[0]](session, settings.words[1], settings, summary)
        connection.dispatch()
        statistics = connection.statistics
    summary["heard"] = len(heard)
    summary["statistics"] = statistics
    for kind in ("reattached", "recreated"):
        summary[kind] = sum(event.kind == kind for event in heard)
        assert summary[kind] == statistics[kind], (kind, summary[kind], statistics)
    summary["seconds"], summary["cpu_seconds"] = time.monotonic() - began, time.process_time()
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
