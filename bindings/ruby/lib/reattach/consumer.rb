# frozen_string_literal: true

module Reattach
  # Receives from one queue; an Enumerable of Message. Made by Session#consumer.
  class Consumer
    include Enumerable
    include Waiting

    WINDOW_OF_THE_CONNECTION = -2
    private_constant :WINDOW_OF_THE_CONNECTION

    def initialize(session, queue, filter, flags, window) # :nodoc:
      @session = session
      connection.before_waiting
      @native, operation = Native.consumer_open_begin(session.native, queue, filter, flags,
                                                      window || WINDOW_OF_THE_CONNECTION)
      await(operation)
    end

    # The next Message, or nil when none came in time. timeout 0: what there is; nil: waits for ever.
    def receive(timeout: nil)
      connection.before_waiting
      slices(timeout) do |slice|
        _, message = look(slice, Native::WAIT_QUIET)
        return message if message
      end
      ask
    end

    # Each message, until none comes for that long; without a timeout for ever. The block acknowledges.
    def each(timeout: nil)
      return enum_for(:each, timeout: timeout) unless block_given?

      while (message = receive(timeout: timeout))
        yield message
      end
      self
    end

    # This message and all before it; or this one alone. Waits only with the option blockOnAcknowledge.
    def acknowledge(message, individually: false)
      if connection.options["blockOnAcknowledge"] == "true" && !connection.in_listener?
        request { Native.consumer_acknowledge_begin(native, message.native, individually ? 1 : 0) }
      elsif individually
        Native.consumer_acknowledge_individually(native, message.native)
      else
        Native.consumer_acknowledge(native, message.native)
      end
    end

    # The next bytes of a message's body, at most so many; none at its end.
    def read(message, length, timeout) # :nodoc:
      connection.before_waiting
      slices(timeout) do |slice|
        native = self.native
        result, piece = patiently do
          Native.consumer_read_piece(native, message.native, length, slice, Native::WAIT_EVENTS)
        end
        return piece if piece

        connection.dispatch if result == Native::EVENTS
      end
      raise Error.of(:timeout, "no more of the body came in time", retriable: true)
    end

    # What was received and not acknowledged goes back to the queue. Closing twice is fine.
    def close
      return if @native.nil?

      native = @native
      connection.inside { Native.consumer_close(native) }
      forget
    end

    def closed? = @native.nil?

    def connection = @session.connection # :nodoc:

    def native = @native || raise(Error.of(:closed, "the consumer is closed", fatal: true)) # :nodoc:

    def forget # :nodoc:
      native, @native = @native, nil
      connection.end_later(:consumer, native) unless native.nil?
    end

    private

    # One look for as long: RECEIVED_... (nil when the time was over) and a Message.
    def look(milliseconds, flag)
      native = self.native
      result, message = patiently { Native.consumer_receive(native, milliseconds, Native::WAIT_EVENTS | flag) }
      return result, Message.new(message, self) if message

      connection.dispatch if result == Native::RECEIVED_EVENTS
      result
    end

    # Before it is said that there is nothing, the broker delivers what it has; its answer is waited for.
    def ask
      slices(connection.call_timeout) do |slice|
        result, message = look(slice, Native::WAIT_ASK)
        return message if [Native::RECEIVED, Native::RECEIVED_NONE].include?(result)
      end
      nil
    end
  end
end
