# frozen_string_literal: true

require_relative "support"
require "reattach/mock"

class MockTest < BindingTest
  def test_a_cut_at_a_chosen_send_is_heard
    Reattach::Mock.open do |broker|
      broker.create_queue("q")
      heard = []
      Reattach.connect(broker.url, timeout: PATIENCE, reliable: true) do |connection|
        connection.session do |session|
          session.add_failure_listener { |event| heard << event.kind }
          broker.fault("reset", at: "send", nth: 2)
          producer = session.producer("q")
          3.times { |n| producer.send(n.to_s, durable: true) }
          connection.dispatch
        end
      end
      assert_equal [:reattached], heard
      assert_equal 3, broker.messages("q")
      assert_equal 1, broker.counters.fetch(:cut)
      broker.wait(:reattached)
      assert_raises(Reattach::TimeoutError) { broker.wait(:cut, 2, timeout: 0.01) }
      assert_raises(Reattach::UsageError) { broker.fault("rest") }
    end
  end
end
