# frozen_string_literal: true

require_relative "support"
require "objspace"

class LifeTest < BindingTest
  def test_other_threads_run_while_one_waits
    open_all
    waiter = Thread.new { @consumer.receive(timeout: PATIENCE)&.body }
    count = 0
    Timeout.timeout(PATIENCE) { count += 1 while count < 100_000 }
    @producer.send("now")
    assert_equal "now", waiter.value
  end

  # Asked for within 0.2 s; asserted with a margin.
  def test_a_wait_ends_when_its_thread_is_interrupted
    open_all
    nowhere = url(1, "initialConnectAttempts=-1")
    [-> { @consumer.receive }, -> { @connection.wait }, -> { Reattach.connect(nowhere) }].each do |wait|
      assert_ends(wait) { |thread| thread.raise(Interrupt, "ctrl-c") }
    end
    @relay.tell("cut silent") # no answer comes any more
    assert_ends(-> { @session.query_queue(queue) }) { |thread| thread.raise(Interrupt, "ctrl-c") }
    @connection.close(timeout: 0)
  end

  def test_ctrl_c_ends_a_program_that_receives
    program = <<~RUBY
      require "reattach"
      session = Reattach.connect(#{url.dump}, user: "admin", password: "admin").session
      session.create_queue(#{queue.dump}, temporary: true)
      session.start
      consumer = session.consumer(#{queue.dump})
      puts "waiting"
      $stdout.flush
      consumer.each { nil }
    RUBY
    IO.popen(command(program)) do |child|
      assert_equal "waiting\n", Timeout.timeout(PATIENCE) { child.gets }
      sleep 0.2 # into the wait; sooner does not matter
      began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      Process.kill(:INT, child.pid)
      assert_includes Timeout.timeout(PATIENCE) { child.read }, "Interrupt"
      assert_operator Process.clock_gettime(Process::CLOCK_MONOTONIC) - began, :<, 2
    end
    assert_equal Signal.list["INT"], $?.termsig
  end

  def test_an_end_just_behind_the_time_out_of_a_wait_is_the_end
    open_all
    native, waits = Reattach::Native, 0
    real = native.method(:operation_wait_on)
    late = assert_raises(Reattach::TimeoutError) { native.connection_wait_event(@connection.native, 1) }
    native.define_singleton_method(:operation_wait_on) do |connection, operation, *|
      waits += 1
      result = real.call(connection, operation, -1, 0)
      waits == 1 ? raise(late) : result
    end
    assert @session.query_queue(queue)
    assert_equal 2, waits
  ensure
    native.define_singleton_method(:operation_wait_on, real)
  end

  def test_an_endless_timeout_is_one
    connection = Reattach.connect(url, timeout: Float::INFINITY, **LOGIN)
    session = connection.session
    session.create_queue(queue, temporary: true)
    producer, consumer = session.producer(queue), session.consumer(queue)
    session.start
    producer.send("x")
    assert_equal "x", consumer.receive(timeout: Float::INFINITY).body
    session.flush(timeout: Float::INFINITY)
    assert_equal [[0, 0]] * 2, [session, connection].map { |open| open.close(timeout: Float::INFINITY) }
  end

  def test_without_a_connection_a_wait_lasts_as_long_as_is_allowed_for_that
    open_all("reliable=true&callTimeout=200&retryInterval=20&retryJitter=0")
    @relay.tell("refuse on")
    cut_and_wait { !@connection.connected? }
    @producer.send("x", durable: true, wait: false)
    back = Thread.new { sleep 0.6; @relay.tell("refuse off") }
    @session.flush
    back.join
    assert_equal 1, @session.query_queue(queue).message_count
  end

  def test_two_threads_wait_on_one_connection_and_only_one_is_interrupted
    open_all
    other = @connection.session
    consumer = other.consumer(queue)
    other.start
    waiting = Thread.new { consumer.receive(timeout: PATIENCE)&.body }
    assert_ends(-> { @session.flush(timeout: PATIENCE); @consumer.receive }) { |thread| thread.raise(Interrupt, "ctrl-c") }
    @consumer.close
    @producer.send("for the other")
    assert_equal "for the other", waiting.value
  end

  def test_the_interpreter_exits_with_a_live_connection
    program = <<~RUBY
      require "reattach"
      connection = Reattach.connect(#{url.dump}, user: "admin", password: "admin")
      connection.add_listener { |event| abort event.kind }
      session = connection.session
      session.create_queue(#{queue.dump}, temporary: true)
      consumer = session.consumer(#{queue.dump})
      session.start
      Thread.new { consumer.receive }
      session.producer(#{queue.dump}).send("x", durable: true)
      puts "well"
    RUBY
    output = Timeout.timeout(PATIENCE) { IO.popen(command(program), &:read) }
    assert_equal ["well\n", 0], [output, $?.exitstatus], $?.inspect
  end

  def test_the_example_in_the_readme_runs
    readme = File.read(File.expand_path("../../../bindings/ruby/README.md", __dir__))
    program = readme[/^```ruby\n(.*?)^```/m, 1].sub("61616", PORT.to_s).gsub("orders", queue)
    output = Timeout.timeout(PATIENCE) { IO.popen(command(program), &:read) }
    connect.session.delete_queue(queue)
    assert_equal "hello\n1\n", output
  end

  def test_a_forked_child_is_refused
    open_all
    reader, writer = IO.pipe
    child = fork do
      code = begin
        @producer.send("x").inspect
      rescue Reattach::Error => e
        e.code
      end
      writer.write(code)
      exit!(0)
    end
    writer.close
    assert_equal "forked", reader.read
    Process.wait(child)
    assert_works
  end

  def test_a_thousand_rounds_leave_nothing
    round
    before = census
    1000.times { round }
    assert_nothing_left(before, kept: 0)
  end

  def test_a_thousand_sessions_of_one_connection_leave_nothing
    connection = connect
    session_round(connection).close
    before = census
    1000.times { session_round(connection).close }
    assert_nothing_left(before, kept: 0)
  end

  def test_sessions_that_were_never_closed_are_collected_with_their_listeners
    connection = connect
    before = census
    100.times { session_round(connection) }
    assert_nothing_left(before, kept: 3)
  end

  def test_what_was_never_closed_is_collected
    abandon
    before = census
    100.times { abandon }
    assert_nothing_left(before, kept: 3)
  end

  private

  def command(program) = [RbConfig.ruby, *$LOAD_PATH.map { |path| "-I#{path}" }, "-e", program, { err: %i[child out] }]

  def assert_ends(wait)
    thread = Thread.new do
      Thread.current.report_on_exception = false
      wait.call
    end
    Timeout.timeout(PATIENCE) { Thread.pass until thread.status == "sleep" }
    sleep 0.05 # so that it waits inside the library; sooner or later does not matter
    began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    yield thread
    assert_raises(Interrupt) { Timeout.timeout(PATIENCE) { thread.value } }
    assert_operator Process.clock_gettime(Process::CLOCK_MONOTONIC) - began, :<, 2
  end

  # Everything once, and closed.
  def round
    Reattach.connect(url, **LOGIN) do |connection|
      connection.session do |session|
        session.add_failure_listener { session.close }
        name = "ruby.rounds.#{Process.pid}.#{@rounds = @rounds.to_i + 1}"
        session.create_queue(name, temporary: true)
        consumer = session.consumer(name)
        session.start
        session.producer(name).send("x", properties: { seq: 1 })
        consumer.receive(timeout: PATIENCE).acknowledge
      end
    end
  end

  # A session, whose listener holds it in its hands.
  def session_round(connection)
    session = connection.session
    session.add_failure_listener { session.close }
    session.producer
    session
  end

  # Everything once, and dropped; the listener holds the connection in its hands.
  def abandon
    connection = Reattach.connect(url, **LOGIN)
    connection.add_failure_listener { connection.close }
    session = connection.session
    session.create_queue("ruby.dropped.#{Process.pid}.#{@rounds = @rounds.to_i + 1}", temporary: true)
    nil
  end

  def census
    GC.start
    kinds = Reattach::Native.constants.map { |name| Reattach::Native.const_get(name) }.grep(Class) +
            [Reattach::Connection, Reattach::Session, Reattach::Producer, Reattach::Consumer, Reattach::Listener]
    { objects: kinds.sum { |kind| ObjectSpace.each_object(kind).count }, threads: Dir.children("/proc/self/task").size,
      descriptors: Dir.children("/proc/self/fd").size }
  end

  # What was closed leaves nothing but Ruby objects, of which a conservative collector may keep a few. What was not goes
  # with these, and ends in the background.
  def assert_nothing_left(before, kept:)
    most = { objects: before[:objects] + 20, threads: before[:threads] + kept,
             descriptors: before[:descriptors] + kept * 8 }
    limit = Process.clock_gettime(Process::CLOCK_MONOTONIC) + PATIENCE
    until (after = census).all? { |key, count| count <= most[key] }
      flunk "before #{before}, after #{after}" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > limit
      sleep 0.05
    end
  end
end
