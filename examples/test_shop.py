"""The test of shop.py: python -m unittest examples/test_shop.py"""
import unittest

import reattach
import reattach.mock
from shop import Shop


class ShopTest(unittest.TestCase):
    def setUp(self):
        self.broker = self.enterContext(reattach.mock.Broker())
        self.broker.create_queue("orders")
        self.shop = Shop(self.broker.url)
        self.addCleanup(self.shop.close)

    def test_orders__arrive_once_although_the_connection_breaks_at_the_third(self):
        self.broker.cut_at("send", nth=3)  # the broker has it, and its answer is lost
        for article in ("bread", "butter", "jam", "tea"):
            self.shop.order(article)
        self.shop.connection.dispatch()  # events that came with the last answer
        self.assertEqual(self.shop.history, ["reattached"])
        self.assertEqual(self.broker.messages("orders"), 4)

    def test_an_order__is_in_doubt_when_the_broker_restarts_before_it_has_answered(self):
        self.shop.order("bread")
        self.broker.fault("restart", at="send")
        with self.assertRaises(reattach.OutcomeUnknown):
            self.shop.order("butter")
        self.shop.order("jam")
        self.shop.connection.dispatch()  # events that came with the last answer
        self.assertEqual(self.shop.history, ["recreated"])


if __name__ == "__main__":
    unittest.main()
