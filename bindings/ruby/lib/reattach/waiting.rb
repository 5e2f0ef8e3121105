# frozen_string_literal: true

module Reattach
  # How everything that belongs to a connection waits: in the library, while other Ruby threads run; listeners are heard
  # whenever events come.
  module Waiting # :nodoc:
    SLICE = 0.1 # seconds after which a wait looks up, for Ctrl-C and for events
    private_constant :SLICE

    private

    # Yields milliseconds to wait, until the block breaks out or the time is over.
    def slices(timeout)
      deadline = timeout && now + timeout
      loop do
        left = deadline ? [deadline - now, 0].max : SLICE
        yield Reattach.milliseconds([left, SLICE].min)
        break if deadline && now >= deadline
      end
    end

    # One wait in the library; nil when its time was over.
    def patiently(&wait)
      connection.inside(&wait)
    rescue TimeoutError, InterruptedError # the latter ends the waits of all threads when one of them is interrupted
      nil
    end

    # Waits for the end of what a _begin function began, for as long as the connection's options allow.
    def await(operation)
      connection.dispatch while pending?(operation)
    ensure
      Native.end_ra_operation(operation)
    end

    def pending?(operation)
      native = connection.native
      connection.inside { Native.operation_wait_on(native, operation, -1, Native::WAIT_EVENTS) } == Native::EVENTS
    rescue InterruptedError
      retry
    rescue TimeoutError => e
      # It may have ended behind the wait; or with this very error, which it then says again.
      return Native.operation_wait_on(native, operation, 0, 0) != 0 unless
        Native.operation_outcome(operation) == Native::OUTCOME_PENDING

      raise Error.of(:timeout, "#{e.message}; the work may still be done", retriable: true, outcome_unknown: true)
    end

    # The same for as long as it takes; the operation stays.
    def finish(operation)
      loop do
        native = connection.native
        result = connection.inside do
          Native.operation_wait_on(native, operation, Reattach.milliseconds(SLICE), Native::WAIT_EVENTS)
        end
        return unless result == Native::EVENTS

        connection.dispatch
      rescue TimeoutError, InterruptedError
        raise unless Native.operation_outcome(operation) == Native::OUTCOME_PENDING
      end
    end

    # Begins nothing inside a listener, where its end could not be waited for.
    def request
      connection.before_waiting
      await(yield)
    end

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end
