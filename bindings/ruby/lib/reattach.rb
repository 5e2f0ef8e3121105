# frozen_string_literal: true

require "reattach/native"
require "reattach/error"
require "reattach/event"
require "reattach/message"
require "reattach/connection"
require "reattach/session"
require "reattach/producer"
require "reattach/consumer"

# A client of Apache Artemis whose sessions survive lost connections.
#
#   Reattach.connect("tcp://127.0.0.1:61616?reliable=true", user: "admin", password: "admin") do |connection|
#     connection.session do |session|
#       session.add_failure_listener { |event| puts "#{event.kind}: #{event.replayed} sent again" }
#       session.create_queue("orders")
#       session.producer("orders").send("hello", properties: { seq: 1 }, durable: true)
#       session.start
#       session.consumer("orders").each(timeout: 1) do |message|
#         puts message.body, message.properties["seq"]
#         message.acknowledge
#       end
#     end
#   end
#
# Threads. A waiting method lets other Ruby threads run, and Ctrl-C, Thread#kill and Timeout end it at once. Listeners
# run on the thread that waits or dispatches, and what one raises comes out of the method that was called there.
#
# Times are in seconds, nil is as long as the connection's options allow (to receive: for ever).
module Reattach
  # Gives the block a connection and closes it; without a block it returns the connection. The options are those of the
  # URL, under the same names; what the URL says wins.
  def self.connect(url, timeout: nil, **options)
    connection = Connection.new(url, timeout: timeout, **options)
    return connection unless block_given?

    begin
      yield connection
    ensure
      connection.close
    end
  end

  LONGEST = 1e9 # seconds; what is longer is for ever
  private_constant :LONGEST

  def self.milliseconds(seconds) # :nodoc:
    seconds.nil? || seconds > LONGEST ? -1 : [(seconds * 1000).ceil, 0].max
  end
end
