# frozen_string_literal: true

module Reattach
  # What a listener hears. `kind` is a symbol: :disconnected, :retrying, :gave_up, :closed, :events_lost of the
  # connection; :reattached, :recreated, :session_lost, :send_outcome, :writable, :operation of a session; :log.
  Event = Struct.new(:kind, :session, :error, :endpoint, :text, :attempt, :delay, :count, :replayed, :unknown,
                     :requeued, :failed_over, :first_tag, :last_tag, :outcome, keyword_init: true) do
    alias_method :failed_over?, :failed_over
  end

  class Event
    NUMBERS = %i[attempt count replayed unknown requeued first_tag last_tag].freeze
    KINDS = (1..).lazy.map { |kind| [Native.event_kind_name(kind), kind] }
                 .take_while { |name, _| name != "unknown" }.map { |name, kind| [name.to_sym, kind] }.to_h.freeze
    private_constant :NUMBERS, :KINDS

    # A copy: the native one is only lent to the listener.
    def self.from_native(native, session) # :nodoc:
      numbers = NUMBERS.to_h { |name| [name, Native.public_send("event_#{name}", native)] }
      new(kind: Native.event_kind_name(Native.event_kind(native)).to_sym, session: session,
          error: Native.event_error(native), endpoint: Native.event_endpoint(native), text: Native.event_text(native),
          delay: Native.event_delay_ms(native) / 1000.0, failed_over: Native.event_failed_over(native) == 1,
          outcome: outcome_of(native), **numbers).freeze
    end

    def self.mask(kinds) # :nodoc:
      kinds.sum do |kind|
        1 << KINDS.fetch(kind) do
          raise Error.of(:argument, "no kind of event: #{kind.inspect} (there are #{KINDS.keys.join(", ")})")
        end
      end
    end

    def self.outcome_of(native)
      outcome = Native.event_outcome(native)
      Native.outcome_name(outcome).to_sym unless outcome == Native::OUTCOME_PENDING
    end
    private_class_method :outcome_of
  end

  # One block that hears events; made by Connection#add_listener and the like.
  class Listener
    BY_ID = ObjectSpace::WeakMap.new # C knows the number only, and holds nothing alive
    private_constant :BY_ID
    @last_id = 0

    class << self
      def next_id = @last_id += 1

      # Called by the library inside a dispatch. An exception may not pass through C, so it is kept until the dispatch
      # has returned.
      def deliver(id, native) = BY_ID[id]&.deliver(native)
      private :next_id
    end

    def initialize(connection, session, mask, block) # :nodoc:
      @connection = connection
      @home = session || connection # it lives as long
      @block = block
      @id = self.class.send(:next_id)
      BY_ID[@id] = self
      @native = Native.connection_listen(connection.native, session&.native, mask, @id)
      @home.listeners[@id] = self
    end

    # It hears nothing more. Closing twice is fine.
    def close
      return if @native.nil?

      native, @native = @native, nil
      Native.listener_close(native)
      @home.listeners.delete(@id)
      @connection.end_later(:listener, native)
    end

    def closed? = @native.nil?

    def deliver(native) # :nodoc:
      return if @native.nil?

      @block.call(Event.from_native(native, @connection.session_of(native)))
    rescue Exception => e
      @connection.raised(e)
    end
  end
end
