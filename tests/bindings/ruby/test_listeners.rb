# frozen_string_literal: true

require_relative "support"

class ListenersTest < BindingTest
  def test_a_cut_is_heard_on_the_thread_that_receives
    open_all
    heard = []
    @session.add_failure_listener { |event| heard << [event.kind, event.session, Thread.current] }
    receiver = Thread.new { @consumer.receive(timeout: PATIENCE)&.body }
    @relay.cut
    Timeout.timeout(PATIENCE) { sleep 0.01 until heard.any? } # while that thread waits
    @producer.send("after", durable: true)
    assert receiver.join(PATIENCE), "the message did not come"
    assert_equal "after", receiver.value
    assert_equal [[:reattached, @session, receiver]], heard
  end

  def test_the_order_of_a_cut_is_legal
    open_all
    heard = []
    @connection.add_listener(:disconnected, :retrying, :reattached, :recreated, :session_lost) { |event| heard << event }
    3.times do |cut|
      cut_and_wait { heard.size >= 3 * (cut + 1) }
      assert_works
    end
    assert_equal %i[disconnected retrying reattached] * 3, heard.map(&:kind)
    assert_kind_of Reattach::ConnectionError, heard[0].error
    assert_equal "127.0.0.1:#{@relay.port}", heard[1].endpoint
    assert_operator heard[1].attempt, :>=, 1
    assert_same @session, heard[2].session
    refute_predicate heard[2], :failed_over?
  end

  def test_nothing_is_heard_but_inside_a_wait_or_dispatch
    open_all
    heard = 0
    @session.add_failure_listener { heard += 1 }
    @relay.cut
    Timeout.timeout(PATIENCE) { sleep 0.01 until @connection.stat(:reattached) == 1 }
    assert_equal 0, heard
    assert IO.select([@connection], nil, nil, PATIENCE), "the descriptor does not tell of the event"
    assert_equal 1, @connection.dispatch
    assert_equal 1, heard
    assert_equal 0, @connection.dispatch
  end

  def test_an_exception_comes_out_of_the_method_that_waited
    open_all
    @session.add_failure_listener { raise KeyError, "mine" }
    others = 0
    @session.add_failure_listener { others += 1 }
    @relay.cut
    assert_equal "mine", assert_raises(KeyError) { @consumer.receive(timeout: PATIENCE) }.message
    assert_equal 1, others
    assert_works
  end

  def test_each_of_two_exceptions_comes_out
    open_all
    %w[first second].each { |text| @session.add_failure_listener { raise text } }
    @relay.cut
    texts = Array.new(2) { assert_raises(RuntimeError) { @consumer.receive(timeout: PATIENCE) }.message }
    assert_equal %w[first second], texts
    assert_works
  end

  def test_a_throw_passes_the_library_unharmed
    open_all
    @session.add_failure_listener { |event| throw :heard, event.kind }
    @relay.cut
    assert_equal(:reattached, catch(:heard) { @consumer.receive(timeout: PATIENCE) })
    assert_works
  end

  def test_it_may_close_its_session
    open_all
    @connection.add_failure_listener { @session.close }
    @relay.cut
    assert_code(:closed) { @consumer.receive(timeout: PATIENCE) }
    assert_predicate @session, :closed?
    @connection.session { |session| assert_nil session.query_queue("#{queue}.missing") }
  end

  def test_it_may_close_the_connection
    open_all
    @session.add_failure_listener { @connection.close }
    @relay.cut
    assert_code(:closed) { @consumer.receive(timeout: PATIENCE) }
    assert_predicate @connection, :closed?
  end

  def test_it_may_remove_itself
    open_all
    once = always = 0
    listener = @session.add_failure_listener { once += 1; listener.close }
    @session.add_failure_listener { always += 1 }
    2.times { |cut| cut_and_wait { always == cut + 1 } }
    assert_equal 1, once
    assert_predicate listener, :closed?
    assert_works
  end

  def test_it_may_send_without_waiting
    open_all
    @session.add_failure_listener { @producer.send("from a listener", durable: true, wait: false) }
    @relay.cut
    message = @consumer.receive(timeout: PATIENCE)
    assert_equal "from a listener", message&.body
  end

  def test_it_may_acknowledge
    open_all
    @producer.send("one", durable: true)
    message = @consumer.receive(timeout: PATIENCE)
    heard = 0
    @session.add_failure_listener { message.acknowledge(individually: true); heard += 1 }
    cut_and_wait { heard == 1 }
    @session.flush
    assert_equal 0, @session.query_queue(queue).message_count
  end

  def test_it_may_not_wait
    open_all
    codes = []
    calls = [-> { @consumer.receive(timeout: 1) }, -> { @session.flush }, -> { @connection.session },
             -> { @session.query_queue(queue) }, -> { @producer.send("x", durable: true) }, -> { @connection.wait },
             -> { @connection.dispatch }, -> { @session.stop }]
    @session.add_failure_listener do
      codes = calls.map { |call| call.call.inspect rescue $!.code }
    end
    cut_and_wait { codes.any? }
    assert_equal [:in_listener] * calls.size, codes
    assert_works
    assert_nil @consumer.receive(timeout: 0), "something was sent"
  end

  def test_a_storm_of_cuts_loses_and_doubles_nothing
    open_all
    heard = 0
    @session.add_failure_listener { |event| heard += 1 if event.kind == :reattached }
    receiver = connect(url(@relay.port)).session
    receiver.start
    @consumer.close
    consumer = receiver.consumer(queue)
    @relay.tell("every 30..60 rst 0")
    got = []
    sent = 0
    until got.size >= sent && heard >= 10
      @producer.send("", properties: { seq: sent }, durable: true)
      sent += 1
      while (message = consumer.receive(timeout: sent > got.size + 50 ? PATIENCE : 0.001))
        got << message["seq"]
        message.acknowledge(individually: true)
      end
    end
    @relay.tell("schedule off")
    receiver.flush
    assert_nil consumer.receive(timeout: 0)
    assert_equal (0...sent).to_a, got
    assert_equal 0, @session.query_queue(queue).message_count
  end

  def test_the_end_is_heard_and_told_by_every_call
    open_all("confirmationWindowSize=65536")
    heard = []
    @connection.add_listener { |event| heard << event.kind }
    cut_and_wait { heard.include?(:gave_up) && heard.include?(:session_lost) }
    assert_equal :disconnected, heard.first
    assert_raises(Reattach::ConnectionError) { @producer.send("x", durable: true) }
    assert_raises(Reattach::ConnectionError) { @consumer.receive(timeout: PATIENCE) }
  end

  def test_a_kind_that_does_not_exist_is_refused
    open_all
    assert_includes assert_code(:argument) { @connection.add_listener(:reatached) { nil } }.message, ":reatached"
    assert_raises(ArgumentError) { @connection.add_listener }
  end
end
