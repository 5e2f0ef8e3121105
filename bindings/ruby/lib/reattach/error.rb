# frozen_string_literal: true

module Reattach
  # What the library or the broker refused. `code` is a symbol (:timeout, :no_queue, ...); rescue a class below for all
  # errors after which a program does the same.
  class Error < StandardError
    attr_reader :code, :endpoint, :broker_code, :broker_text

    # fields: endpoint, broker_code (nil when it is not the broker's error), broker_text, retriable, fatal,
    # outcome_unknown
    def initialize(code, message, **fields)
      super(message)
      @code = code
      @endpoint = fields.fetch(:endpoint, "")
      @broker_code = fields[:broker_code]
      @broker_text = fields.fetch(:broker_text, "")
      @retriable = fields.fetch(:retriable, false)
      @fatal = fields.fetch(:fatal, false)
      @outcome_unknown = fields.fetch(:outcome_unknown, false)
    end

    # The same call, made again later, may well work.
    def retriable? = @retriable

    # The object will not work again.
    def fatal? = @fatal

    # The work may have been done, so doing it again may double it.
    def outcome_unknown? = @outcome_unknown

    # Of the class that belongs to the code.
    def self.of(code, message, **fields)
      (CLASSES[code] || Error).new(code, message, **fields)
    end

    def self.from_native(_code, name, message, endpoint, broker_code, broker_text, retriable, fatal, unknown) # :nodoc:
      of(name.delete_prefix("RA_E_").downcase.to_sym, message,
         endpoint: endpoint, broker_code: (broker_code unless broker_code.negative?), broker_text: broker_text,
         retriable: retriable, fatal: fatal, outcome_unknown: unknown)
    end
  end

  class UsageError < Error; end       # the call was wrong: fix the program
  class ClosedError < UsageError; end # the object is closed
  class TimeoutError < Error; end
  class InterruptedError < Error; end
  class ConnectionError < Error; end  # the way to the broker
  class BrokerError < Error; end      # what the broker says
  class OutcomeError < Error; end     # how work ended: rolled back, not done, unknown

  class Error
    CLASSES = {
      UsageError => %i[argument option url state in_listener forked type not_found stale],
      ClosedError => %i[closed],
      TimeoutError => %i[timeout would_block],
      InterruptedError => %i[interrupted],
      ConnectionError => %i[resolve connect connect_timeout link_closed link_lost link_silent protocol version
                            disconnected gave_up session_lost],
      BrokerError => %i[security no_queue queue_exists no_address no_route filter address_full duplicate_id rejected],
      OutcomeError => %i[rolled_back not_done outcome_unknown large_interrupted],
    }.flat_map { |kind, codes| codes.map { |code| [code, kind] } }.to_h.freeze
    private_constant :CLASSES
  end
end
