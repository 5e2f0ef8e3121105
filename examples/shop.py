"""A program that sends orders, and has a test of its own that needs no broker: test_shop.py."""
import reattach


class Shop:
    """Puts orders into the queue "orders"; notes what becomes of the way there."""

    def __init__(self, url):
        self.history = []
        self.connection = reattach.connect(url, user="shop", password="secret", reliable=True)
        self.session = self.connection.session()
        self.session.add_failure_listener(lambda event: self.history.append(event.kind))
        self.orders = self.session.producer("orders")

    def order(self, article):
        self.orders.send(article, durable=True)

    def close(self):
        self.connection.close()
