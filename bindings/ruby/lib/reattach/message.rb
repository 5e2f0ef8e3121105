# frozen_string_literal: true

module Reattach
  # A received message. Types: boolean, integers, floats and nil are Ruby's own; strings are String in UTF-8, bytes are
  # String in BINARY, a char is a String of one character. Sending follows the same rule: a String in BINARY goes as
  # bytes, any other as a string, an Integer as a long, a Float as a double.
  class Message
    PIECE = 100 * 1024 # bytes that are read at a time
    private_constant :PIECE

    attr_reader :native # :nodoc:

    def initialize(native, consumer) # :nodoc:
      @native = native
      @consumer = consumer
    end

    # String: in UTF-8 for a text message (nil for the null text), else in BINARY.
    def body
      text = Native.message_type(@native) == Native::MESSAGE_TEXT
      text ? Native.message_get_text(@native) : Native.message_get_body(@native)
    end

    # Bytes of a body that is to be read, of a large message and a consumer that streams; nil when #body has it.
    def large_size
      size = Native.message_large_size(@native)
      size unless size.negative?
    end

    # As of an IO: the next bytes of the body, so many if there are; without a length all that is left. nil at the end if a
    # length was given. Of a consumer that streams only the message received last can be read. timeout: seconds to wait at
    # a time; nil is for ever.
    def read(length = nil, buffer = nil, timeout: nil)
      found = String.new(encoding: Encoding::BINARY)
      until length && found.bytesize >= length
        piece = @consumer.read(self, [length ? length - found.bytesize : PIECE, PIECE].min, timeout)
        break if piece.empty?

        found << piece
      end
      found = buffer.replace(found) if buffer
      found unless length&.positive? && found.empty?
    end

    # As of an IO, and so IO.copy_stream(message, file) saves a body of any size: what there is of the next bytes, at least
    # one; EOFError at the end.
    def readpartial(length, buffer = nil, timeout: nil)
      piece = @consumer.read(self, [length, PIECE].min, timeout)
      raise EOFError, "the body has been read" if piece.empty? && length.positive?

      buffer ? buffer.replace(piece) : piece
    end

    # :default, :object, :text, :bytes, :map, :stream
    def type = Native.message_type_name(Native.message_type(@native)).to_sym

    # A Hash of String to value.
    def properties
      @properties ||= (0...Native.message_property_count(@native)).to_h do |index|
        key = Native.message_property_key(@native, index)
        [key, property(key)]
      end.freeze
    end

    def [](key) = properties[key.to_s]

    def durable? = Native.message_is_durable(@native) == 1
    def priority = Native.message_priority(@native)
    def expiration = Native.message_expiration(@native)
    def timestamp = Native.message_timestamp(@native)
    def address = Native.message_get_address(@native)
    def id = Native.message_id(@native)
    def delivery_count = Native.message_delivery_count(@native)

    # This message and all before it that this consumer received; or this one alone.
    def acknowledge(individually: false)
      @consumer.acknowledge(self, individually: individually)
    end

    # A native message to be sent.
    def self.build(body, properties: {}, durable: false, priority: nil, expires_in: nil) # :nodoc:
      native = Native.message_new(Native::MESSAGE_BYTES)
      set_body(native, body)
      properties.each { |key, value| set_property(native, key.to_s.encode(Encoding::UTF_8), value) }
      Native.message_set_durable(native, durable ? 1 : 0)
      Native.message_set_priority(native, priority) if priority
      Native.message_set_expiration(native, ((Time.now.to_f + expires_in) * 1000).to_i) if expires_in
      native
    end

    def self.set_body(native, body)
      raise TypeError, "a body is a String, not #{body.inspect}" unless body.is_a?(String)
      return Native.message_set_body(native, body) if body.encoding == Encoding::BINARY

      Native.message_set_text(native, body.encode(Encoding::UTF_8))
    end

    def self.set_property(native, key, value)
      case value
      when nil then Native.message_set_null(native, key)
      when true, false then Native.message_set_boolean(native, key, value ? 1 : 0)
      when Integer then Native.message_set_long(native, key, long(key, value))
      when Float then Native.message_set_double(native, key, value)
      when String, Symbol then set_string(native, key, value.to_s)
      else raise TypeError, "property #{key}: nil, true, false, Integer, Float, String or Symbol, not #{value.inspect}"
      end
    end

    def self.long(key, value)
      return value if value.bit_length < 64

      raise RangeError, "property #{key}: #{value} does not fit into 64 bits"
    end

    def self.set_string(native, key, value)
      return Native.message_set_bytes(native, key, value) if value.encoding == Encoding::BINARY

      Native.message_set_string(native, key, value.encode(Encoding::UTF_8))
    end
    private_class_method :set_body, :set_property, :set_string, :long

    private

    def property(key)
      case Native.message_property_type(@native, key)
      when Native::PROPERTY_NULL then nil
      when Native::PROPERTY_BOOLEAN then Native.message_get_boolean(@native, key)
      when Native::PROPERTY_FLOAT then Native.message_get_float(@native, key)
      when Native::PROPERTY_DOUBLE then Native.message_get_double(@native, key)
      when Native::PROPERTY_STRING then Native.message_get_string(@native, key)
      when Native::PROPERTY_BYTES then Native.message_get_bytes(@native, key)
      when Native::PROPERTY_CHAR then char(Native.message_get_char(@native, key))
      else Native.message_get_long(@native, key)
      end
    end

    # A UTF-16 code unit may be half a character.
    def char(unit) = [unit].pack("v").encode(Encoding::UTF_8, Encoding::UTF_16LE, invalid: :replace, undef: :replace)
  end
end
