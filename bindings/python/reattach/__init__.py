"""Client of the Apache Artemis CORE protocol whose sessions survive cut connections.

    with reattach.connect("tcp://127.0.0.1:61616?reliable=true", user="admin", password="admin") as connection:
        with connection.session() as session:
            session.create_queue("orders", exist_ok=True)
            session.producer("orders").send(b"hello", {"seq": 1}, durable=True)
            session.start()
            for message in session.consumer("orders").messages(timeout=1):
                print(message.body, message.properties["seq"])
                message.acknowledge()
"""
from ._connection import Connection, connect
from ._errors import *  # noqa: F403
from ._errors import KINDS as _KINDS
from ._event import Event, Listener
from ._message import Byte, Char, Float, Int, Message, Short
from ._session import AddressInfo, Consumer, Producer, QueueInfo, SendResult, Session

__all__ = ["connect", "Connection", "Session", "Producer", "Consumer", "Message", "Event", "Listener", "QueueInfo",
           "AddressInfo", "SendResult", "Byte", "Short", "Int", "Float", "Char", "Error", "UsageError", "NotNow",
           "ConnectError", "BrokerError", "OutcomeError", "BatchError", *(kind.__name__ for kind in _KINDS.values())]

for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
