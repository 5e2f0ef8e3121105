# frozen_string_literal: true

module Reattach
  # Sends to one address, or (an anonymous one) wherever each send says. Made by Session#producer.
  class Producer
    include Waiting

    PIECE = 100 * 1024 # bytes of a source that are read at a time
    private_constant :PIECE

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

    # Sends one message whose body need not fit into memory: what source.read(length) gives, of a File for example, until
    # it gives nothing. The rest: as for #send.
    #
    # If the session was recreated and the message cannot go on, a source that has a position is set back to where it stood
    # and sent anew; otherwise :large_interrupted is raised, and nothing of the message was stored.
    def send_stream(source, address: nil, wait: nil, **options)
      connection.before_waiting
      message = Message.build("".b, **options)
      wait = waits?(options[:durable]) if wait.nil?
      start = position(source)
      begin
        sent = send_body(message, address, source)
        wait ? await(sent) : Native.end_ra_operation(sent)
      rescue OutcomeError => e
        raise if start.nil? || e.code != :large_interrupted

        source.pos = start
        retry
      end
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

    # nil for a source that cannot be read again, a pipe for example.
    def position(source)
      source.pos if source.respond_to?(:pos=)
    rescue SystemCallError
      nil
    end

    def send_body(message, address, source)
      with_room { Native.producer_start_large(native, address, message, 0) }
      begin
        while (piece = source.read(PIECE)) && !piece.empty?
          write(piece)
        end
        finished = with_room { Native.producer_finish_large_begin(native) }
      ensure
        Native.producer_cancel_large(@native) unless finished || closed?
      end
    end

    def write(piece)
      done = 0
      done += with_room { Native.producer_write_some(native, piece, done) } while done < piece.bytesize
    end

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
