# frozen_string_literal: true

require "securerandom"

module Reattach
  # One order of work, one transaction at a time. Made by Connection#session.
  class Session
    include Waiting

    ROUTING = { anycast: Native::ROUTING_ANYCAST, multicast: Native::ROUTING_MULTICAST }.freeze
    private_constant :ROUTING

    # What the broker knows of a queue.
    QueueInfo = Struct.new(:name, :address, :filter, :routing_type, :durable, :temporary, :consumer_count,
                           :message_count, keyword_init: true)

    attr_reader :connection

    def initialize(connection, mode) # :nodoc:
      connection.before_waiting
      @connection = connection
      @transacted = mode == Native::SESSION_TRANSACTED
      @children = ObjectSpace::WeakMap.new
      @listeners = {}
      @native, operation = Native.session_open_begin(connection.native, mode)
      await(operation)
      connection.session_opened(self)
    end

    def transacted? = @transacted

    # Lets messages come.
    def start = Native.session_start(native)

    # Stops delivery.
    def stop
      native = self.native
      connection.inside { Native.session_stop(native) }
    end

    # address: the queue's name when nil. A temporary queue lives as long as the session, and is not durable.
    def create_queue(name, address: nil, routing_type: :anycast, durable: true, temporary: false, filter: nil)
      flags = temporary ? Native::QUEUE_TEMPORARY : 0
      flags |= Native::QUEUE_DURABLE if durable && !temporary
      request { Native.session_create_queue_begin(native, name, address, routing(routing_type), flags, filter) }
    end

    # For :anycast, :multicast or both.
    def create_address(name, *routing_types)
      numbers = (routing_types.empty? ? [:anycast] : routing_types).map { |type| routing(type) }
      multicast, anycast = %i[multicast anycast].map { |type| numbers.include?(ROUTING[type]) ? 1 : 0 }
      request { Native.session_create_address_begin(native, name, multicast, anycast) }
    end

    # With the messages in it. It must have no consumers.
    def delete_queue(name)
      request { Native.session_delete_queue_begin(native, name) }
    end

    # QueueInfo, or nil when there is no such queue.
    def query_queue(name)
      info = query { Native.session_query_queue_begin(native, name) }
      return if Native.queue_info_exists(info).zero?

      QueueInfo.new(
        name: Native.queue_info_name(info), address: Native.queue_info_address(info),
        filter: Native.queue_info_filter(info), routing_type: ROUTING.key(Native.queue_info_routing_type(info)),
        durable: Native.queue_info_is_durable(info) == 1, temporary: Native.queue_info_is_temporary(info) == 1,
        consumer_count: Native.queue_info_consumer_count(info), message_count: Native.queue_info_message_count(info)
      )
    end

    # The names of the queues bound to an address, or nil when there is no such address.
    def query_address(name)
      info = query { Native.session_query_address_begin(native, name) }
      return if Native.queue_info_exists(info).zero?

      Array.new(Native.queue_info_queue_count(info)) { |index| Native.queue_info_queue_name(info, index) }
    end

    # Sets a pair of texts that the broker shows with this session, and sets again when it is recreated. unique: an Error
    # when any other session of the broker has this value under this key; if one has when this session is recreated, it
    # is lost.
    def add_metadata(key, value, unique: false)
      request { Native.public_send("session_add_#{"unique_" if unique}metadata_begin", native, key, value) }
    end

    # Without an address: an anonymous one, whose sends say where to.
    def producer(address = nil) = opened(Producer.new(self, address))

    # window: bytes that the broker sends ahead; 0: nothing, -1: without limit, nil: the connection's consumerWindowSize.
    # stream: large messages are handed out when they begin, for Message#read.
    def consumer(queue, filter: nil, browse: false, window: nil, stream: false)
      flags = (browse ? Native::CONSUMER_BROWSE : 0) | (stream ? Native::CONSUMER_STREAM : 0)
      opened(Consumer.new(self, queue, filter, flags, window))
    end

    # The block hears events of these kinds of this session; without kinds: of all.
    def add_listener(*kinds, &block) = connection.add_listener(*kinds, session: self, &block)

    # The block hears each re-attachment, recreation and loss of this session.
    def add_failure_listener(&block) = connection.add_failure_listener(session: self, &block)

    # Everything sent and acknowledged since the last one takes effect, or does not.
    def commit = request { Native.session_commit_begin(native) }
    def rollback = request { Native.session_rollback_begin(native) }

    # Does a transaction once and only once: gives the block the session, in which it sends and acknowledges, and commits.
    # Returns what the block returned.
    #
    # If the session was recreated meanwhile, or the commit's outcome is unknown, it does so again under the same id, as
    # often as it takes, so the block has to do the same each time. id names this work, such as the number of an order; the
    # same id is the same work also when the program is started again. What the block raises comes out, rolled back.
    # :outcome_unknown comes out only when nothing was sent, so that no message carried the id.
    def transact(id: nil)
      connection.before_waiting
      id = (id || SecureRandom.uuid).encode(Encoding::UTF_8)
      loop do
        result, done = one_try(id) { yield self }
        return result if done
      end
    end

    # The open transaction can only be rolled back.
    def rollback_only? = Native.session_is_rollback_only(native) == 1

    # Waits until everything sent and acknowledged so far has its outcome. timeout nil: the connection's callTimeout.
    def flush(timeout: nil)
      connection.before_waiting
      slices(timeout || connection.call_timeout) do |slice|
        return if patiently { Native.session_flush(native, slice) || true }

        connection.dispatch
      end
      raise Error.of(:timeout, "not everything has its outcome yet", retriable: true)
    end

    # Waits until all that was sent and acknowledged has its outcome, then closes with its producers and consumers; an
    # open transaction is rolled back. What had none when the time was over, or ended badly and was told nowhere else, is
    # counted in the result: [not done, unknown]. Closing twice is fine.
    def close(timeout: nil)
      return [0, 0] if @native.nil?

      native = @native
      lost = connection.inside do
        Native.session_close_on(connection.native, native, Reattach.milliseconds(timeout))
      end
      begin
        connection.dispatch unless connection.in_listener?
      ensure
        forget
      end
      lost
    end

    def closed? = @native.nil?

    # --- for the classes of this library

    def native = @native || raise(Error.of(:closed, "the session is closed", fatal: true)) # :nodoc:

    attr_reader :listeners # :nodoc:

    # It is closed: frees what it had in the library.
    def forget # :nodoc:
      @listeners.values.each(&:close)
      @children.keys.each(&:forget)
      native, @native = @native, nil
      connection.end_later(:session, native) unless native.nil?
    end

    private

    def routing(type)
      ROUTING.fetch(type) { raise Error.of(:argument, "no routing type: #{type.inspect} (:anycast or :multicast)") }
    end

    # What the block returned, and whether that took effect; if not, it is to be done again.
    def one_try(id)
      before = connection.stat(:recreated)
      Native.session_set_transaction_id(native, id)
      begin
        result = yield
        worked = true
      rescue Error
        raise if connection.stat(:recreated) == before # else it may go well another time

        rollback
        return
      ensure
        give_up unless worked
      end
      [result, commit_once]
    end

    # Whether it took effect, now or before.
    def commit_once
      named = Native.session_has_transaction_id(native).zero?
      operation = Native.session_commit_begin(native)
      finish(operation)
      true
    rescue Error => e
      lost = operation && lost?(e.code, Native.operation_outcome(operation), named)
      give_up unless lost
      raise unless lost || e.code == :duplicate_id # what the broker refused it would refuse again

      !lost
    ensure
      Native.end_ra_operation(operation) if operation
    end

    def lost?(code, outcome, named)
      (code == :rolled_back && outcome == Native::OUTCOME_NOT_DONE) || (code == :outcome_unknown && named)
    end

    # Without waiting: perhaps a wait has just ended badly.
    def give_up
      Native.end_ra_operation(Native.session_rollback_begin(native))
    rescue Error
      nil # the session is gone, and the transaction with it
    end

    def query
      connection.before_waiting
      operation = yield
      connection.dispatch while pending?(operation)
      Native.operation_take_queue_info(operation)
    end

    def opened(child)
      @children[child] = true
      child
    end
  end
end
