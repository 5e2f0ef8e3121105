# frozen_string_literal: true

require "stringio"
require "tempfile"
require_relative "support"

# Commits in doubt: without a window every cut ends in a recreated session.
class TransactTest < BindingTest
  NO_WINDOW = "reconnectAttempts=-1&retryInterval=20&confirmationWindowSize=-1"

  def setup
    super
    open_all(NO_WINDOW)
    @consumer.close
    @transacted = @connection.session(transacted: true)
    @sender = @transacted.producer(queue)
    @calls = 0
  end

  def work
    @calls += 1
    %w[a b].each { |body| @sender.send(body, durable: true) }
    @calls
  end

  # Of a durable queue: the temporary one would go with a cut.
  def open_all(options)
    name = "#{queue}.kept"
    @queue = name
    @admin = connect.session
    @admin.create_queue(name)
    @relay = closing(Relay.new)
    @connection = connect(url(@relay.port, options))
    @session = @connection.session
    @consumer = @session.consumer(name)
  end

  def bodies
    @admin.start
    consumer = @admin.consumer(queue)
    found = consumer.each(timeout: 0.2).map { |message| message.tap(&:acknowledge).body }
    consumer.close
    found
  end

  def test_it_returns_what_the_block_returned
    assert_equal 1, @transacted.transact { work }
    assert_equal %w[a b], bodies
  end

  def test_a_commit_that_never_arrived_is_done_again
    @relay.tell("cut-at broker 43 1 before rst")
    assert_equal 2, @transacted.transact { |session| work if session.equal?(@transacted) }
    assert_equal %w[a b], bodies
  end

  def test_the_same_id_is_the_same_work
    2.times { @transacted.transact(id: "order 7 of #{queue}") { work } }
    assert_equal [2, %w[a b]], [@calls, bodies]
  end

  def test_a_session_recreated_meanwhile_is_no_reason_to_give_up
    result = @transacted.transact do
      work.tap do |call|
        next if call > 1

        @relay.cut
        sleep 0.005 while @connection.stat(:recreated) < 2
      end
    end
    assert_equal [2, %w[a b]], [result, bodies]
  end

  def test_what_leaves_the_block_undoes_it
    assert_raises(KeyError) { @transacted.transact { work && raise(KeyError) } }
    assert_code(:no_queue) { @transacted.transact { work && @transacted.delete_queue("missing") } }
    assert_equal :thrown, (catch(:out) { @transacted.transact { work && throw(:out, :thrown) } })
    assert_equal [3, []], [@calls, bodies]
  end

  def test_wrong_sessions_and_ids_are_refused
    assert_code(:state) { @session.transact { work } }
    assert_code(:argument) { @transacted.transact(id: "") { work } }
    assert_equal 0, @calls
  end
end

class StreamsTest < BindingTest
  BODY = Random.new(1).bytes(2_500_000).freeze

  # Cuts the connection when it is read for the tenth time.
  class Cutting < StringIO
    attr_reader :reads

    def initialize(relay, session)
      super(BODY)
      @relay = relay
      @session = session
      @reads = 0
    end

    def read(...)
      @reads += 1
      if @reads == 10
        @session.flush # so that the first pieces are gone from memory
        @relay.cut
      end
      super
    end
  end

  # A source that cannot be read twice.
  class Once < Cutting
    undef_method :pos=
  end

  def test_a_file_is_streamed_in_and_out
    open_all
    @consumer.close
    Tempfile.create(binmode: true) do |source|
      source.write(BODY)
      source.rewind
      @producer.send_stream(source, properties: { n: 1 }, durable: true)
    end
    @producer.send("small".b)
    consumer = @session.consumer(queue, stream: true)
    message = consumer.receive(timeout: PATIENCE)
    assert_equal [BODY.size, 1], [message.large_size, message["n"]]
    out = StringIO.new("".b)
    assert_equal BODY.size, IO.copy_stream(message, out)
    assert_equal BODY, out.string
    assert_nil message.read(1)
    assert_raises(EOFError) { message.readpartial(1) }
    message.acknowledge
    small = consumer.receive(timeout: PATIENCE)
    assert_equal [nil, "sm", "all", ""], [small.large_size, small.read(2), small.read, small.read]
    @session.flush
  end

  def test_an_empty_source_is_an_empty_body
    open_all
    @producer.send_stream(StringIO.new, durable: true)
    message = @consumer.receive(timeout: PATIENCE)
    assert_equal [nil, ""], [message.read(5), message.body]
  end

  def test_what_the_source_raises_comes_out_and_nothing_is_sent
    open_all
    source = Object.new
    def source.read(_length) = raise(KeyError, "why")
    assert_raises(KeyError) { @producer.send_stream(source) }
    assert_works
  end

  def test_a_read_in_vain_ends_in_time_and_another_message_ends_the_body
    open_all
    @consumer.close
    @producer.send_stream(StringIO.new(BODY), durable: true)
    @producer.send("next")
    consumer = @session.consumer(queue, stream: true, window: 0)
    large = consumer.receive(timeout: PATIENCE)
    assert_equal BODY[0, 10], large.read(10, timeout: PATIENCE)
    @session.stop
    assert_code(:timeout) { loop { large.readpartial(100_000, timeout: 0.2) } }
    @session.start
    assert_equal "next", consumer.receive(timeout: PATIENCE).body
    assert_code(:state) { large.read(1) }
  end

  # The queue is kept: the broker could clear a temporary one away after the recreated session has sent to it.
  def through_a_cut(kind, options)
    open_all("reliable=true&maxUnconfirmed=300000#{options}", kept: true)
    source = kind.new(@relay, @session)
    @producer.send_stream(source, durable: true)
    assert_equal BODY, @consumer.receive(timeout: PATIENCE).body
    source.reads
  end

  def test_a_cut_is_not_noticed_where_the_session_survives
    assert_operator through_a_cut(Once, ""), :<, 30
  end

  def test_a_lost_session_has_a_source_sent_from_its_start
    assert_operator through_a_cut(Cutting, "&confirmationWindowSize=-1"), :>, 30
  end

  def test_a_lost_session_is_told_when_the_source_cannot_be_set_back
    assert_code(:large_interrupted) { through_a_cut(Once, "&confirmationWindowSize=-1") }
  end
end
