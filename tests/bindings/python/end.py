"""One end of a queue, in Python, with the flags and the summary that prove_cli.py wants of `reattach send` and
`reattach receive`; the counts of cuts and re-attachments are those that its listeners heard.

    end.py send|receive QUEUE --count N [--size BYTES] [--ack auto|individual|transacted] [--batch N] [--idle SECONDS] ...
    end.py queue create QUEUE ...
"""
import argparse
import json
import os
import sys
import time

import reattach

KINDS = ("disconnected", "reattached", "recreated", "session_lost", "gave_up")


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="+")
    for name, default in (("count", 0), ("size", 0), ("batch", 50), ("idle", 30), ("timeout", 60)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name in ("durable", "json", "quiet"):
        parser.add_argument(f"--{name}", action="store_true")
    for name in ("url", "user"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ack", default="auto")
    return parser.parse_args()


def send(session, queue, settings, summary):
    body = bytes(settings.size)
    result = session.producer(queue).send_many(((body, {"seq": reattach.Int(i)}) for i in range(settings.count)),
                                               durable=settings.durable)
    summary.update(messages=result.count, confirmed=result.confirmed, rejected=result.rejected,
                   not_done=result.not_done, unknown=result.unknown)


def acknowledge(session, messages, how):
    if how == "individual":
        for message in messages:
            message.acknowledge_individually()
    else:
        messages[-1].acknowledge()
    if how == "transacted":
        session.commit()


def receive(session, queue, settings, summary):
    consumer, seen, highest = session.consumer(queue), set(), -1
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
    names = ("messages confirmed processed rejected not_done unknown duplicates missing out_of_order reattached recreated "
             "heard").split()
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
    for kind in ("reattached", "recreated"):
        summary[kind] = sum(event.kind == kind for event in heard)
        assert summary[kind] == statistics[kind], (kind, summary[kind], statistics)
    summary["seconds"], summary["cpu_seconds"] = time.monotonic() - began, time.process_time()
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
