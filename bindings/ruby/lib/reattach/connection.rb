# frozen_string_literal: true

require "reattach/waiting"

module Reattach
  # The way to a broker, kept up for the sessions on it.
  class Connection
    include Waiting

    FAILURES = %i[reattached recreated session_lost].freeze
    private_constant :FAILURES

    def initialize(url, timeout: nil, **options)
      @sessions = ObjectSpace::WeakMap.new # by the address of the native one, which events name
      @listeners = {} # by number; those of one session are kept by it
      @raised = []    # by listeners, on its way to the caller
      @ended = []     # native objects that go when no thread is inside the library
      @inside = 0
      @native = Native.connection_open_aside(url.encode(Encoding::UTF_8), native_options(options),
                                             Reattach.milliseconds(timeout))
    end

    # Opens a session and gives it to the block; without a block it returns the session. Created stopped.
    def session(transacted: false)
      session = Session.new(self, transacted ? Native::SESSION_TRANSACTED : Native::SESSION_AUTO_COMMIT)
      return session unless block_given?

      begin
        yield session
      ensure
        session.close
      end
    end

    # The block hears events of these kinds (see Event), of the connection and all its sessions; without kinds: of all.
    def add_listener(*kinds, session: nil, &block)
      raise ArgumentError, "a block is needed" if block.nil?

      mask = kinds.empty? ? Native::EVENTS_ALL : Event.mask(kinds)
      Listener.new(self, session, mask, block)
    end

    # The block hears each re-attachment, recreation and loss of a session.
    def add_failure_listener(session: nil, &block)
      add_listener(*FAILURES, session: session, &block)
    end

    # Waits for events and has them heard; returns how many there were, 0 when the time is over.
    def wait(timeout: nil)
      before_waiting
      slices(timeout) do |slice|
        patiently { Native.connection_wait_event(native, slice) }
        count = dispatch
        return count if count.positive?
      end
      0
    end

    # Has the waiting events heard, now and on this thread; returns how many there were.
    def dispatch
      before_waiting
      return 0 if @dispatcher # another thread is at it

      count = 0
      @dispatcher = Thread.current
      count += 1 while @native && @raised.empty? && Native.connection_dispatch(@native, 1).positive?
      surface
      count
    ensure
      @dispatcher = nil if @dispatcher == Thread.current
    end

    # Readable while dispatch has something to do. The descriptor belongs to the connection.
    def fileno = Native.connection_descriptor(native)

    def to_io = @to_io ||= IO.for_fd(fileno, autoclose: false)

    def connected? = !@native.nil? && Native.connection_is_connected(@native) == 1

    # One of the library's counters by its name, :links_lost for instance.
    def stat(name)
      id = (1..).find { |number| [name.to_s, "unknown"].include?(Native.stat_name(number)) }
      Native.connection_stat(native, id)
    end

    # The options in force, a Hash of String to String.
    def options
      @options ||= Native.connection_options(native).lines(chomp: true).to_h { |line| line.split("=", 2) }.freeze
    end

    # Waits until all that was sent and acknowledged has its outcome, then closes the sessions and itself. What had none
    # when the time was over is counted in the result: [not done, unknown]. Closing twice is fine.
    def close(timeout: nil)
      return [0, 0] if @native.nil?

      lost = inside { Native.connection_close(native, Reattach.milliseconds(timeout)) }
      begin
        dispatch unless in_listener?
      ensure
        forget
      end
      lost
    end

    def closed? = @native.nil?

    # --- for the classes of this library

    def native = @native || raise(Error.of(:closed, "the connection is closed", fatal: true)) # :nodoc:

    def connection = self # :nodoc:

    def in_listener? = @dispatcher == Thread.current # :nodoc:

    # A listener may not wait; and what listeners raised does not have to wait any longer.
    def before_waiting # :nodoc:
      raise Error.of(:in_listener, "a listener may not wait") if in_listener?

      surface
    end

    # Around every call that lets other threads run: they may close what it uses.
    def inside # :nodoc:
      @inside += 1
      yield
    ensure
      @inside -= 1
      end_natives
    end

    def end_later(kind, native) # :nodoc:
      @ended << [kind, native]
      end_natives
    end

    def raised(exception) = @raised << exception # :nodoc:

    def session_opened(session) = @sessions[Native.session_address(session.native)] = session # :nodoc:

    def session_of(event) = @sessions[Native.event_session(event)] # :nodoc:

    attr_reader :listeners # :nodoc:

    # How long what is asked now may wait for its answer, in seconds; nil is for ever.
    def call_timeout # :nodoc:
      milliseconds = options.fetch(connected? ? "callTimeout" : "callFailoverTimeout").to_i
      milliseconds / 1000.0 unless milliseconds.negative?
    end

    private

    # One exception at a time.
    def surface
      raise @raised.shift unless @raised.empty?
    end

    def native_options(options)
      native = Native.options_new
      options.each { |name, value| Native.options_set(native, name.to_s, value.to_s.encode(Encoding::UTF_8)) }
      native
    end

    def forget
      @sessions.values.each(&:forget)
      @listeners.values.each(&:close)
      native, @native = @native, nil
      end_later(:connection, native) unless native.nil?
    end

    def end_natives
      return unless @inside.zero?

      while (kind, native = @ended.shift)
        Native.public_send("end_ra_#{kind}", native)
      end
    end
  end
end
