"""Moves numbered durable messages through a network that may break, and counts what arrives.

demo.py [URL [COUNT]]: two threads, each with a connection of its own; neither does anything about a lost one.
"""
import sys
import threading
import time

import reattach

URL = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:61616"
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 20000
QUEUE = "demo.python"
connections = []


def connect(name):
    def on_event(event):
        print(f"{name:8}  {event.kind:12}  {event.error or f'{event.replayed} commands sent again'}", flush=True)

    connection = reattach.connect(URL, user="admin", password="admin", reliable=True, initialConnectAttempts=-1)
    connection.add_listener(on_event, "disconnected", "reattached", "recreated", "session_lost", "gave_up")
    connections.append(connection)
    return connection


def numbered():
    for seq in range(COUNT):
        if seq % 20 == 0:
            time.sleep(0.01)  # 2,000 a second, so that there is time for many cuts
        yield b"x" * 200, {"seq": seq}


def send():
    with connect("sender") as connection, connection.session() as session:
        print(session.producer(QUEUE).send_many(numbered(), durable=True))  # raises unless all are confirmed


def receive():
    with connect("receiver") as connection, connection.session() as session:
        session.create_queue(QUEUE, exist_ok=True)
        sender = threading.Thread(target=send)
        sender.start()
        session.start()
        for message in session.consumer(QUEUE).messages(timeout=5):
            yield message.properties["seq"], time.monotonic()
            message.acknowledge_individually()
        sender.join()


arrived = list(receive())
numbers = [seq for seq, _ in arrived]
lost, doubled = COUNT - len(set(numbers)), len(numbers) - len(set(numbers))
late = sum(after < before for before, after in zip(numbers, numbers[1:]))
pause = max((after - before for (_, before), (_, after) in zip(arrived, arrived[1:])), default=0)
for name, value in (("sent", COUNT), ("received", len(numbers)), ("lost", lost), ("doubled", doubled),
                    ("out of order", late), ("re-attachments", sum(c.statistics["reattached"] for c in connections)),
                    ("longest pause, ms", round(pause * 1000))):
    print(f"  {name:32} {value:10}")
sys.exit(lost + doubled + late > 0)
