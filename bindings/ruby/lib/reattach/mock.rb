# frozen_string_literal: true

require "reattach"

module Reattach
  # A broker for tests, on a port of this process, that misbehaves on command; docs/mock.md in the source tree.
  #
  #   Reattach::Mock.open do |broker|
  #     broker.create_queue("orders")
  #     broker.fault("reset", at: "send", nth: 3)
  #     run_my_program(broker.url)
  #   end
  class Mock
    # Gives the block a broker and stops it; without a block it returns the broker.
    def self.open(**options)
      broker = new(**options)
      return broker unless block_given?

      begin
        yield broker
      ensure
        broker.stop
      end
    end

    # The options are those of ra_mock_start().
    def initialize(**options) = @native = Native.mock_start(text([], options))

    def url = Native.mock_url(@native)
    def port = Native.mock_port(@native)
    def stop = Native.mock_stop(@native)

    # Orders a fault: an action and its details, those of ra_mock_fault().
    def fault(action, **details) = Native.mock_fault(@native, text([action], details))
    def clear = Native.mock_clear(@native)

    def create_queue(name, address = nil) = Native.mock_create_queue(@native, name, address)

    # What is delivered and not acknowledged is counted.
    def messages(queue) = Native.mock_queue_messages(@native, queue)

    # By name: :connections, :cut, :reattached, ...
    def counters = COUNTERS.transform_values { |id| Native.mock_count(@native, id) }

    # Waits until a counter is at_least that; a TimeoutError after so many seconds.
    def wait(counter, at_least = 1, timeout: 10)
      Native.mock_wait(@native, COUNTERS.fetch(counter), at_least, Reattach.milliseconds(timeout))
    end

    COUNTERS = (1..).lazy.map { |id| [Native.mock_stat_name(id).to_sym, id] }
                    .take_while { |name, _| name != :unknown }.to_h.freeze
    private_constant :COUNTERS

    private

    def text(words, values)
      pairs = values.map { |name, value| "#{name}=#{value.to_s.gsub("%", "%25").gsub(",", "%2C")}" }
      (words + pairs).join(",")
    end
  end
end
