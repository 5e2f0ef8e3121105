# frozen_string_literal: true

module Reattach
  # Sends to one address, or (an anonymous one) wherever each send says. Made by Session#producer.
  class Producer
    include Waiting

    def initialize(session, address) # :nodoc:
      @session = session
      connection.before_waiting
      @native, operation = Native.producer_open_begin(session.native, address)
      await(operation)
    end

    # Sends a body: a String in BINARY as bytes, any other as a text. options: properties (a Hash, see Message for the
    # types), durable, priority (0 to 9), expires_in (seconds). address: an anonymous producer's.
    #
    # wait: whether to wait until the broker has it. nil: as the options blockOnDurableSend and blockOnNonDurableSend
    # say, and not in a transaction, whose commit answers for all. false also works inside a listener; Session#flush
    # waits for all such sends, and closing the session counts those that ended badly.
    def send(body, address: nil, wait: nil, **options)
      message = Message.build(body, **options)
      wait = waits?(options[:durable]) if wait.nil?
      connection.before_waiting if wait
      sent = with_room do
        next Native.producer_send_begin(native, address, message) if wait

        Native.producer_send_forget(native, address, message)
      end
      await(sent) if wait
      self
    ensure
      Native.end_ra_message(message) if message
    end

    # It sends nothing more. Closing twice is fine.
    def close
      return if @native.nil?

      Native.producer_close(@native)
      forget
    end

    def closed? = @native.nil?

    def connection = @session.connection # :nodoc:

    def native = @native || raise(Error.of(:closed, "the producer is closed", fatal: true)) # :nodoc:

    def forget # :nodoc:
      native, @native = @native, nil
      connection.end_later(:producer, native) unless native.nil?
    end

    private

    def waits?(durable)
      return false if @session.transacted?

      connection.options[durable ? "blockOnDurableSend" : "blockOnNonDurableSend"] == "true"
    end

    # Again whenever there may be room, for as long as an answer may take.
    def with_room
      slices(connection.call_timeout) do |slice|
        return yield
      rescue TimeoutError => e
        raise if e.code != :would_block || connection.in_listener?

        patiently { Native.producer_wait_writable(native, slice, Native::WAIT_EVENTS) }
        connection.dispatch
      end
      raise Error.of(:timeout, "no room for the message in time; it was not sent", retriable: true)
    end
  end
end
