# frozen_string_literal: true

require "json"
require "minitest/autorun"
require "reattach"
require "timeout"

PATIENCE = 20 # seconds for what takes milliseconds
PORT = Integer(ENV.fetch("REATTACH_BROKER_PORT"))

# A TCP relay in front of the broker that cuts on request: a process that answers each line with one of JSON.
class Relay
  attr_reader :port

  def initialize
    @pipe = IO.popen([ENV.fetch("REATTACH_RELAY"), "--listen", "0", "--target", PORT.to_s, "--control"], "r+")
    @port = answer.fetch("port")
  end

  def tell(line)
    @pipe.puts(line)
    answer
  end

  # Resets every link; there has to be one.
  def cut
    hit = tell("cut rst").fetch("result")
    raise "no link to cut" unless hit.positive?
  end

  def close = @pipe.close

  private

  def answer = Timeout.timeout(PATIENCE) { JSON.parse(@pipe.gets || raise("the relay has ended")) }
end

class BindingTest < Minitest::Test
  LOGIN = { user: "admin", password: "admin" }.freeze

  def run(...) = Timeout.timeout(120) { super }

  def setup
    @closing = []
  end

  def teardown
    @closing.reverse_each(&:close)
  end

  def url(port = PORT, options = "reliable=true") = "tcp://127.0.0.1:#{port}?#{options}"

  def connect(url = self.url, **options) = closing(Reattach.connect(url, **LOGIN, **options))

  def closing(object)
    @closing << object
    object
  end

  def queue = @queue ||= "ruby.#{name}.#{Process.pid}"

  # A connection through a relay, a session, a queue that goes with it, a producer and a consumer.
  def open_all(options = "reliable=true", kept: false)
    @relay = closing(Relay.new)
    @connection = connect(url(@relay.port, options))
    @session = @connection.session
    @session.create_queue(queue, temporary: !kept)
    @producer = @session.producer(queue)
    @consumer = @session.consumer(queue)
    @session.start
  end

  def assert_code(code, kind = Reattach::Error, &block)
    error = assert_raises(kind, &block)
    assert_equal code, error.code, error.message
    error
  end

  # Waits on this thread until the block is true; listeners are heard meanwhile.
  def dispatch_until(connection = @connection)
    limit = Process.clock_gettime(Process::CLOCK_MONOTONIC) + PATIENCE
    until yield
      flunk "it did not happen in #{PATIENCE} s" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > limit
      connection.wait(timeout: 0.1)
    end
  end

  def cut_and_wait(&heard)
    @relay.cut
    dispatch_until(&heard)
  end

  # The other end works: one message goes in and comes out.
  def assert_works(text = "still there")
    @producer.send(text, durable: true)
    message = @consumer.receive(timeout: PATIENCE)
    assert_equal text, message&.body
    message.acknowledge
  end
end
