# frozen_string_literal: true

require_relative "support"

class MessagesTest < BindingTest
  def test_body_and_properties_come_back_with_their_types
    open_all
    properties = { "long" => 2**62, "small" => -1, "double" => 1.5, "text" => "grün", "bytes" => "x\0\xff".b,
                   "yes" => true, "no" => false, "nothing" => nil }
    @producer.send("grüß\0dich", properties: properties.merge(symbol: :kept), durable: true, priority: 7)
    message = @consumer.receive(timeout: PATIENCE)
    assert_equal "grüß\0dich", message.body
    assert_equal :text, message.type
    assert_equal properties.merge("symbol" => "kept"), message.properties
    assert_equal [Encoding::UTF_8, Encoding::BINARY], [message["text"].encoding, message["bytes"].encoding]
    assert_equal [true, 7, 1, queue], [message.durable?, message.priority, message.delivery_count, message.address]
    message.acknowledge
  end

  def test_a_binary_string_is_bytes
    open_all
    @producer.send("\0\xff".b)
    message = @consumer.receive(timeout: PATIENCE)
    assert_equal [:bytes, "\0\xff".b, Encoding::BINARY], [message.type, message.body, message.body.encoding]
  end

  def test_what_has_no_type_is_refused
    open_all
    assert_raises(TypeError) { @producer.send(5) }
    assert_raises(TypeError) { @producer.send("", properties: { a: [] }) }
    assert_raises(RangeError) { @producer.send("", properties: { a: 2**63 }) }
    assert_works
  end

  def test_each_is_enumerable
    open_all
    5.times { |i| @producer.send(i.to_s) }
    assert_equal %w[0 1 2 3 4], @consumer.each(timeout: 0.2).map(&:body)
    assert_nil @consumer.receive(timeout: 0)
  end

  def test_window_zero_receives_what_is_there
    open_all
    @producer.send("one")
    @session.flush
    @consumer.close
    consumer = @session.consumer(queue, window: 0)
    assert_equal "one", consumer.receive(timeout: 0)&.body
  end

  def test_nothing_is_acknowledged_before_the_commit
    open_all
    session = @connection.session(transacted: true)
    producer = session.producer(queue)
    producer.send("dropped")
    session.rollback
    producer.send("kept")
    assert_nil @consumer.receive(timeout: 0)
    session.commit
    assert_equal "kept", @consumer.receive(timeout: PATIENCE)&.body
    assert_equal [0, 0], session.close
  end

  def test_rolled_back_deliveries_come_again
    open_all
    @consumer.close
    @producer.send("again", durable: true)
    @connection.session(transacted: true) do |session|
      session.start
      consumer = session.consumer(queue)
      [1, 2].each do |count|
        message = consumer.receive(timeout: PATIENCE)
        assert_equal [count, "again"], [message.delivery_count, message.body]
        message.acknowledge
        count == 1 ? session.rollback : session.commit
      end
    end
    assert_equal 0, @session.query_queue(queue).message_count
  end

  def test_queues_are_created_asked_for_and_deleted
    session = connect.session
    session.create_queue(queue, filter: "a = 1")
    info = session.query_queue(queue)
    assert_equal [queue, "a = 1", :anycast, true, 0],
                 [info.address, info.filter, info.routing_type, info.durable, info.message_count]
    assert_equal [queue], session.query_address(queue)
    error = assert_code(:queue_exists, Reattach::BrokerError) { session.create_queue(queue) }
    assert_equal 101, error.broker_code
    assert_includes error.broker_text, queue
    session.delete_queue(queue)
    assert_nil session.query_queue(queue)
  end

  def test_metadata_is_taken_also_when_the_session_was_recreated
    open_all("reliable=true&confirmationWindowSize=-1")
    other = connect.session
    heard = []
    @session.add_metadata(queue, "till")
    @session.add_failure_listener { |event| heard << event.kind }
    cut_and_wait { heard.any? }
    assert_equal [:recreated], heard
    @session.add_metadata("#{queue}.own", "", unique: true)
    [[queue, "till"], ["#{queue}.own", ""]].each do |key, value|
      error = assert_code(:rejected, Reattach::BrokerError) { other.add_metadata(key, value, unique: true) }
      assert_equal 114, error.broker_code
    end
    other.add_metadata(queue, "till")
    assert_code(:argument) { other.add_metadata("", "x") }
  end

  def test_errors_name_what_was_wrong
    error = assert_code(:option, Reattach::UsageError) { connect(noSuchOption: 1) }
    assert_includes error.message, "noSuchOption"
    assert_code(:url) { connect("nonsense") }
    error = assert_code(:connect, Reattach::ConnectionError) { connect("tcp://127.0.0.1:1") }
    assert_equal "127.0.0.1:1", error.endpoint
    assert_nil error.broker_code
    stranger = closing(Reattach.connect(url, user: "admin", password: "wrong"))
    assert_code(:security, Reattach::BrokerError) { stranger.session }
    session = connect.session
    assert_code(:no_queue) { session.consumer("#{queue}.missing") }
    assert_code(:no_address) { session.producer("#{queue}.missing") }
    assert_code(:argument) { session.create_queue(queue, routing_type: :other) }
    assert_raises(ArgumentError) { session.create_queue("a\0b") }
    assert_code(:state) { session.commit }
  end

  def test_what_is_closed_says_so
    open_all
    @producer.close
    assert_code(:closed, Reattach::ClosedError) { @producer.send("x") }
    @session.close
    assert_equal [0, 0], @session.close
    assert_code(:closed) { @session.flush }
    assert_code(:closed) { @consumer.receive(timeout: 0) }
    @connection.close
    assert_code(:closed) { @connection.session }
    refute_predicate @connection, :connected?
  end
end
