--[[
A client of Apache Artemis whose sessions survive lost connections.

    local reattach = require "reattach"

    local connection <close> = reattach.connect("tcp://admin:admin@127.0.0.1:61616?reliable=true")
    local session <close> = connection:session()
    session:add_failure_listener(function(event) print(event.kind, event.replayed) end)
    session:create_queue("orders")
    session:producer("orders"):send("hello", { properties = { seq = 1 }, durable = true })
    session:start()
    for message in session:consumer("orders"):messages(1) do
        print(message.body, message.properties.seq)
        message:acknowledge()
    end

What goes wrong is raised as a table: code ("timeout", "no_queue", ...), message, endpoint, broker_code (nil when it is
not the broker's error), broker_text, retriable, fatal, outcome_unknown; tostring() gives the message.

Listeners run on the thread that waits or dispatches, and what one raises comes out of the method that was called there.
Waiting blocks the Lua state; an event loop polls connection:descriptor() and calls connection:dispatch().

Times are in seconds; nil is as long as the connection's options allow (to receive: for ever).
]]

local native = require "reattach_native"

local reattach = {}

local SLICE <const> = 0.1 -- seconds after which a wait looks up
local FAILURES <const> = native.EVENTS_FAILURE
local PIECE <const> = 100 * 1024 -- bytes of a body that are read or written at a time

-- --- errors ----------------------------------------------------------------------------------------------------------

local Error = {}
Error.__index = Error
Error.__name = "reattach.error"
function Error:__tostring() return self.message end

local function failed(code, message, more)
    local e = { code = code, message = message, endpoint = "", broker_text = "", retriable = false, fatal = false,
                outcome_unknown = false }
    for key, value in pairs(more or {}) do e[key] = value end
    return setmetatable(e, Error)
end

native.set_error_factory(function(_, name, message, endpoint, broker_code, broker_text, retriable, fatal, unknown)
    return failed(name:gsub("^RA_E_", ""):lower(), message, {
        endpoint = endpoint, broker_code = broker_code >= 0 and broker_code or nil, broker_text = broker_text,
        retriable = retriable, fatal = fatal, outcome_unknown = unknown,
    })
end)

-- Whether a value is an error of this library, and, if a code is given, that one.
function reattach.is_error(value, code)
    return getmetatable(value) == Error and (code == nil or value.code == code)
end

local function closed(what) return failed("closed", "the " .. what .. " is closed", { fatal = true }) end

-- An open object's native one.
local function native_of(object)
    return object.native or error(closed(object.what), 0)
end

-- Gives an object's native one back; nil when that was done already.
local function release(object)
    local handle = object.native
    object.native = nil
    if handle then native["end_ra_" .. object.what](handle) end
end

-- --- waiting ---------------------------------------------------------------------------------------------------------

local LONGEST <const> = 1e9 -- seconds; what is longer is for ever

local function milliseconds(seconds)
    if seconds == nil or seconds > LONGEST then return -1 end
    return math.max(math.ceil(seconds * 1000), 0)
end

-- What listeners raised comes out, one error at a time.
local function surface(connection)
    local raised = table.remove(connection.raised, 1)
    if raised then error(raised[1], 0) end
end

-- A listener may not wait; and what listeners raised does not have to wait any longer.
local function before_waiting(connection)
    if connection.dispatching then error(failed("in_listener", "a listener may not wait"), 0) end
    surface(connection)
end

-- Iterates over milliseconds to wait, until the time is over; there is always a first one.
local function slices(timeout)
    local deadline = timeout and native.monotonic() + timeout
    local first = true
    return function()
        local left = deadline and deadline - native.monotonic() or SLICE
        if left <= 0 and not first then return nil end
        first = false
        return milliseconds(math.min(math.max(left, 0), SLICE))
    end
end

-- One wait in the library; nothing when its time was over.
local function patiently(wait, ...)
    local results = table.pack(pcall(wait, ...))
    if results[1] then return table.unpack(results, 2, results.n) end
    if not reattach.is_error(results[2], "timeout") then error(results[2], 0) end
end

-- How long a request that is made now may wait for its answer, in seconds.
local function call_timeout(connection)
    local name = native.connection_is_connected(native_of(connection)) == 1 and "callTimeout" or "callFailoverTimeout"
    local timeout = tonumber(connection:options()[name])
    return timeout >= 0 and timeout / 1000 or nil
end

-- One slice of waiting for an operation: true when it has ended well.
local function has_ended(connection, operation, slice)
    native_of(connection)
    local ok, result = pcall(native.operation_wait, operation, slice, native.WAIT_EVENTS)
    if ok and result == native.EVENTS then connection:dispatch() end
    if ok then return result ~= native.EVENTS end
    if not reattach.is_error(result, "timeout") then error(result, 0) end
    if native.operation_outcome(operation) == native.OUTCOME_PENDING then return false end
    native.operation_wait(operation, 0, 0) -- it ended behind the wait; or with this very error, which it then says again
    return true
end

local function wait_for(connection, operation)
    for slice in slices(call_timeout(connection)) do
        if has_ended(connection, operation, slice) then return end
    end
    error(failed("timeout", "no answer came in time; the work may still be done",
        { retriable = true, outcome_unknown = true }), 0)
end

-- Waits for the end of what a _begin function began; listeners are heard meanwhile.
local function await(connection, operation)
    local ok, problem = pcall(wait_for, connection, operation)
    native.end_ra_operation(operation)
    if not ok then error(problem, 0) end
end

-- The same for as long as it takes; the operation stays.
local function finish(connection, operation)
    repeat until has_ended(connection, operation, milliseconds(SLICE))
end

-- Begins nothing inside a listener, where its end could not be waited for.
local function request(connection, begin, ...)
    before_waiting(connection)
    await(connection, begin(...))
end

-- --- events ----------------------------------------------------------------------------------------------------------

local NUMBERS <const> = { "attempt", "count", "replayed", "unknown", "requeued", "first_tag", "last_tag" }

local kinds = {}
for kind = 1, math.huge do
    local name = native.event_kind_name(kind)
    if name == "unknown" then break end
    kinds[name] = kind
end

local function mask_of(names)
    local mask = 0
    for _, name in ipairs(names) do
        local kind = kinds[name] or error(failed("argument", "no kind of event: " .. tostring(name)), 0)
        mask = mask | 1 << kind
    end
    return mask
end

-- A plain table: the native one is only lent to the listener.
local function event_of(handle, connection)
    local outcome = native.event_outcome(handle)
    local event = {
        kind = native.event_kind_name(native.event_kind(handle)),
        session = connection.sessions[native.event_session(handle)],
        error = native.event_error(handle),
        endpoint = native.event_endpoint(handle),
        text = native.event_text(handle),
        delay = native.event_delay_ms(handle) / 1000,
        failed_over = native.event_failed_over(handle) == 1,
        outcome = outcome ~= native.OUTCOME_PENDING and native.outcome_name(outcome) or nil,
    }
    for _, name in ipairs(NUMBERS) do event[name] = native["event_" .. name](handle) end
    return event
end

local Listener = { what = "listener" }
Listener.__index = Listener

local listeners = setmetatable({}, { __mode = "v" }) -- C knows the number only, and holds nothing alive
local last_id = 0

-- Called by the library inside a dispatch. An error may not pass through C, so it is kept until the dispatch has
-- returned.
native.set_event_handler(function(id, handle)
    local listener = listeners[id]
    if not listener or not listener.native then return end
    local connection = listener.connection
    local ok, problem = pcall(listener.callback, event_of(handle, connection))
    if not ok then table.insert(connection.raised, { problem }) end
end)

local function listen(connection, session, mask, callback)
    if type(callback) ~= "function" then error(failed("argument", "a listener has to be a function"), 0) end
    last_id = last_id + 1
    local home = session or connection -- it lives as long
    local listener = setmetatable({ connection = connection, home = home, id = last_id, callback = callback }, Listener)
    listeners[last_id] = listener
    listener.native = native.connection_listen(native_of(connection), session and native_of(session), mask, last_id)
    home.listeners[last_id] = listener
    return listener
end

-- It hears nothing more. Closing twice is fine.
function Listener:close()
    self.home.listeners[self.id] = nil
    release(self)
end
Listener.__close = Listener.close

local function close_listeners(home)
    for _, listener in pairs(home.listeners) do listener:close() end
end

-- add_listener(callback) hears all kinds of events, add_listener({ "retrying", ... }, callback) these.
local function add_listener(connection, session, names, callback)
    if type(names) == "function" then return listen(connection, session, native.EVENTS_ALL, names) end
    return listen(connection, session, mask_of(names), callback)
end

-- --- messages --------------------------------------------------------------------------------------------------------

reattach.null = setmetatable({}, { __tostring = function() return "null" end }) -- the value of a property without any

local Bytes = {}

-- A property that goes as bytes; a plain string goes as a string, which has to be UTF-8.
function reattach.bytes(text) return setmetatable({ text }, Bytes) end

local function set_property(message, key, value)
    local kind = math.type(value) or type(value)
    if value == reattach.null then
        native.message_set_null(message, key)
    elseif getmetatable(value) == Bytes then
        native.message_set_bytes(message, key, value[1])
    elseif kind == "boolean" then
        native.message_set_boolean(message, key, value and 1 or 0)
    elseif kind == "integer" then
        native.message_set_long(message, key, value)
    elseif kind == "float" then
        native.message_set_double(message, key, value)
    elseif kind == "string" then
        native.message_set_string(message, key, value)
    else
        local text = "property %s: a boolean, number, string, reattach.null or reattach.bytes(...), not a %s"
        error(failed("argument", text:format(key, kind)), 0)
    end
end

local SENDING <const> = { properties = true, durable = true, priority = true, expires_in = true, text = true,
                          address = true, wait = true }

local function build(body, options)
    for name in pairs(options) do
        if not SENDING[name] then error(failed("argument", "send has no option " .. tostring(name)), 0) end
    end
    if type(body) ~= "string" then error(failed("argument", "a body is a string, not a " .. type(body)), 0) end
    local message = native.message_new(native.MESSAGE_BYTES)
    native[options.text and "message_set_text" or "message_set_body"](message, body)
    for key, value in pairs(options.properties or {}) do set_property(message, tostring(key), value) end
    native.message_set_durable(message, options.durable and 1 or 0)
    if options.priority then native.message_set_priority(message, options.priority) end
    if options.expires_in then
        native.message_set_expiration(message, math.ceil((native.wall() + options.expires_in) * 1000))
    end
    return message
end

local READ <const> = {
    [native.PROPERTY_BOOLEAN] = native.message_get_boolean,
    [native.PROPERTY_FLOAT] = native.message_get_float,
    [native.PROPERTY_DOUBLE] = native.message_get_double,
    [native.PROPERTY_STRING] = native.message_get_string,
    [native.PROPERTY_BYTES] = native.message_get_bytes,
    [native.PROPERTY_NULL] = function() return reattach.null end,
    [native.PROPERTY_CHAR] = function(message, key) return utf8.char(native.message_get_char(message, key)) end,
}

local function properties_of(handle)
    local properties = {}
    for index = 0, native.message_property_count(handle) - 1 do
        local key = native.message_property_key(handle, index)
        local read = READ[native.message_property_type(handle, key)] or native.message_get_long
        properties[key] = read(handle, key)
    end
    return properties
end

local Message = {}
Message.__index = Message

-- A plain table of what was received. large_size: bytes of a body that is to be read, of a large message and a consumer that
-- streams; nil when body has it.
local function message_of(handle, consumer)
    local kind, large_size = native.message_type(handle), native.message_large_size(handle)
    local read = kind == native.MESSAGE_TEXT and native.message_get_text or native.message_get_body
    local body = nil
    if large_size < 0 then body = read(handle) end
    return setmetatable({
        native = handle,
        consumer = consumer,
        body = body,
        large_size = large_size >= 0 and large_size or nil,
        properties = properties_of(handle),
        type = native.message_type_name(kind),
        durable = native.message_is_durable(handle) == 1,
        priority = native.message_priority(handle),
        expiration = native.message_expiration(handle),
        timestamp = native.message_timestamp(handle),
        address = native.message_get_address(handle),
        id = native.message_id(handle),
        delivery_count = native.message_delivery_count(handle),
    }, Message)
end

-- This message and all before it that this consumer received; or, individually, this one alone.
function Message:acknowledge(individually) self.consumer:acknowledge(self, individually) end

-- The next bytes of the body, "" at its end.
local function next_piece(message, size, timeout)
    local consumer = message.consumer
    before_waiting(consumer.connection)
    for slice in slices(timeout) do
        local result, piece = patiently(native.consumer_read_piece, native_of(consumer), message.native, size, slice,
            native.WAIT_EVENTS)
        if piece then return piece end
        if result == native.EVENTS then consumer.connection:dispatch() end
    end
    error(failed("timeout", "no more of the body came in time", { retriable = true }), 0)
end

-- As of a file: the next bytes of the body, so many if there are, nil at its end; without a size all that is left. Of a
-- consumer that streams only the message received last can be read. timeout: seconds to wait at a time; nil is for ever.
function Message:read(size, timeout)
    local found, length = {}, 0
    while not size or length < size do
        local piece = next_piece(self, math.min(size and size - length or PIECE, PIECE), timeout)
        if piece == "" then break end
        found[#found + 1] = piece
        length = length + #piece
    end
    if size and size > 0 and length == 0 then return nil end
    return table.concat(found)
end

-- for piece in message:pieces(): what there is of the body, again and again until its end.
function Message:pieces(timeout)
    return function()
        local piece = next_piece(self, PIECE, timeout)
        if piece ~= "" then return piece end
    end
end

-- --- connections -----------------------------------------------------------------------------------------------------

local Connection = { what = "connection" }
Connection.__index = Connection

-- options: timeout, and any option of the URL under its name; what the URL says wins.
function reattach.connect(url, options)
    local bag, timeout = native.options_new(), nil
    for name, value in pairs(options or {}) do
        if name == "timeout" then timeout = value else native.options_set(bag, tostring(name), tostring(value)) end
    end
    return setmetatable({
        native = native.connection_open(url, bag, milliseconds(timeout)),
        sessions = setmetatable({}, { __mode = "v" }), -- by the address of the native one, which events name
        listeners = {},                                -- by number
        raised = {},                                   -- by listeners, on its way to the caller
    }, Connection)
end

-- Listeners: see add_listener() above. They hear the connection and all its sessions.
function Connection:add_listener(names, callback) return add_listener(self, nil, names, callback) end

-- Hears each re-attachment, recreation and loss of a session.
function Connection:add_failure_listener(callback) return listen(self, nil, FAILURES, callback) end

-- Waits for events and has them heard; returns how many there were, 0 when the time is over.
function Connection:wait(timeout)
    before_waiting(self)
    for slice in slices(timeout) do
        patiently(native.connection_wait_event, native_of(self), slice)
        local count = self:dispatch()
        if count > 0 then return count end
    end
    return 0
end

local function dispatch_one(connection)
    connection.dispatching = true
    local ok, result = pcall(native.connection_dispatch, connection.native, 1)
    connection.dispatching = false
    if not ok then error(result, 0) end
    return result > 0
end

-- Has the waiting events heard, now; returns how many there were.
function Connection:dispatch()
    before_waiting(self)
    local count = 0
    while self.native and #self.raised == 0 and dispatch_one(self) do count = count + 1 end
    surface(self)
    return count
end

-- Readable while dispatch has something to do. It belongs to the connection.
function Connection:descriptor() return native.connection_descriptor(native_of(self)) end

function Connection:connected() return self.native ~= nil and native.connection_is_connected(self.native) == 1 end

-- The options in force, by name.
function Connection:options()
    if not self.in_force then
        self.in_force = {}
        for name, value in native.connection_options(native_of(self)):gmatch("([^=\n]+)=([^\n]*)") do
            self.in_force[name] = value
        end
    end
    return self.in_force
end

-- One of the library's counters by its name, "links_lost" for instance.
function Connection:stat(name)
    local id = 1
    while native.stat_name(id) ~= name and native.stat_name(id) ~= "unknown" do id = id + 1 end
    return native.connection_stat(native_of(self), id)
end

local function last_events(connection, forget)
    local ok, problem = true, nil
    if not connection.dispatching then ok, problem = pcall(connection.dispatch, connection) end
    forget()
    if not ok then error(problem, 0) end
end

-- Waits until all that was sent and acknowledged has its outcome, then closes the sessions and itself. Returns how much
-- had none when the time was over: not done, unknown. Closing twice is fine.
function Connection:close(timeout)
    if not self.native then return 0, 0 end
    local not_done, unknown = native.connection_close(self.native, milliseconds(timeout))
    last_events(self, function()
        for _, session in pairs(self.sessions) do session:forget() end
        close_listeners(self)
        release(self)
    end)
    return not_done, unknown
end
function Connection:__close() self:close() end

-- --- sessions --------------------------------------------------------------------------------------------------------

local Session, Producer, Consumer = { what = "session" }, { what = "producer" }, { what = "consumer" }
Session.__index, Producer.__index, Consumer.__index = Session, Producer, Consumer

-- options: transacted. Created stopped.
function Connection:session(options)
    local transacted = options ~= nil and options.transacted or false
    before_waiting(self)
    local handle, operation = native.session_open_begin(native_of(self),
        transacted and native.SESSION_TRANSACTED or native.SESSION_AUTO_COMMIT)
    await(self, operation)
    local session = setmetatable({ connection = self, native = handle, transacted = transacted, listeners = {},
                                   children = setmetatable({}, { __mode = "k" }) }, Session)
    self.sessions[native.session_address(handle)] = session
    return session
end

-- Lets messages come.
function Session:start() native.session_start(native_of(self)) end

-- Stops delivery.
function Session:stop() native.session_stop(native_of(self)) end

local ROUTING <const> = { anycast = native.ROUTING_ANYCAST, multicast = native.ROUTING_MULTICAST }

local function routing_of(kind)
    local text = 'no routing type: %s ("anycast" or "multicast")'
    return ROUTING[kind] or error(failed("argument", text:format(kind)), 0)
end

-- options: address (the queue's name), routing_type ("anycast"), durable (true), temporary (it lives as long as the
-- session, and is not durable), filter.
function Session:create_queue(name, options)
    options = options or {}
    local routing = routing_of(options.routing_type or "anycast")
    local flags = options.temporary and native.QUEUE_TEMPORARY or options.durable ~= false and native.QUEUE_DURABLE or 0
    request(self.connection, native.session_create_queue_begin, native_of(self), name, options.address, routing, flags,
        options.filter)
end

-- For "anycast", "multicast" or both.
function Session:create_address(name, ...)
    local wanted = {}
    for _, kind in ipairs(select("#", ...) > 0 and { ... } or { "anycast" }) do wanted[routing_of(kind)] = true end
    request(self.connection, native.session_create_address_begin, native_of(self), name,
        wanted[native.ROUTING_MULTICAST] and 1 or 0, wanted[native.ROUTING_ANYCAST] and 1 or 0)
end

-- With the messages in it. It must have no consumers.
function Session:delete_queue(name)
    request(self.connection, native.session_delete_queue_begin, native_of(self), name)
end

-- A plain table of what the broker knows of a queue, or nil when there is none.
function Session:query_queue(name)
    before_waiting(self.connection)
    local operation = native.session_query_queue_begin(native_of(self), name)
    wait_for(self.connection, operation)
    local info = native.operation_take_queue_info(operation)
    if native.queue_info_exists(info) == 0 then return nil end
    return {
        name = native.queue_info_name(info),
        address = native.queue_info_address(info),
        filter = native.queue_info_filter(info),
        routing_type = native.routing_type_name(native.queue_info_routing_type(info)),
        durable = native.queue_info_is_durable(info) == 1,
        temporary = native.queue_info_is_temporary(info) == 1,
        consumer_count = native.queue_info_consumer_count(info),
        message_count = native.queue_info_message_count(info),
    }
end

-- Sets a pair of texts that the broker shows with this session, and sets again when it is recreated. options: unique (true:
-- an error when any other session of the broker has this value under this key; if one has when this session is recreated,
-- it is lost).
function Session:add_metadata(key, value, options)
    local unique = options ~= nil and options.unique
    local begin = unique and native.session_add_unique_metadata_begin or native.session_add_metadata_begin
    request(self.connection, begin, native_of(self), key, value)
end

function Session:add_listener(names, callback) return add_listener(self.connection, self, names, callback) end
function Session:add_failure_listener(callback) return listen(self.connection, self, FAILURES, callback) end

-- Everything sent and acknowledged since the last one takes effect, or does not.
function Session:commit() request(self.connection, native.session_commit_begin, native_of(self)) end
function Session:rollback() request(self.connection, native.session_rollback_begin, native_of(self)) end

-- Without waiting: perhaps a wait has just ended badly. When it fails, the session is gone, and the transaction with it.
local function give_up(session)
    local ok, operation = pcall(native.session_rollback_begin, session.native)
    if ok then native.end_ra_operation(operation) end
end

-- Whether it took effect, now or before; false: it is to be done again.
local function commit_once(session)
    local named = native.session_has_transaction_id(native_of(session)) == 0
    local operation = native.session_commit_begin(native_of(session))
    local ok, problem = pcall(finish, session.connection, operation)
    local outcome = native.operation_outcome(operation)
    native.end_ra_operation(operation)
    if ok then return true end
    if reattach.is_error(problem, "rolled_back") and outcome == native.OUTCOME_NOT_DONE
        or reattach.is_error(problem, "outcome_unknown") and named then
        return false
    end
    give_up(session)
    if reattach.is_error(problem, "duplicate_id") then return true end
    error(problem, 0) -- what the broker refused it would refuse again
end

-- Whether it took effect, and what work returned; false: it is to be done again.
local function one_try(session, id, work)
    local before = session.connection:stat("recreated")
    native.session_set_transaction_id(native_of(session), id)
    local results = table.pack(pcall(work, session))
    if results[1] then
        if not commit_once(session) then return false end
        return table.unpack(results, 1, results.n)
    end
    local recreated = session.native and session.connection:stat("recreated") ~= before
    if not (recreated and reattach.is_error(results[2])) then -- else it may go well another time
        give_up(session)
        error(results[2], 0)
    end
    session:rollback()
    return false
end

local function random_id()
    local source <close> = assert(io.open("/dev/urandom", "rb"))
    return (source:read(16):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

-- Does a transaction once and only once: calls work(session), which sends and acknowledges, and commits. Returns what work
-- returned.
--
-- If the session was recreated meanwhile, or the commit's outcome is unknown, it does so again under the same id, as often as
-- it takes, so work has to do the same each time. id names this work, such as the number of an order; the same id is the same
-- work also when the program is started again; nil: one is drawn. What work raises comes out, rolled back. outcome_unknown
-- comes out only when nothing was sent, so that no message carried the id.
function Session:transact(work, id)
    before_waiting(self.connection)
    id = id or random_id()
    local results
    repeat results = table.pack(one_try(self, id, work)) until results[1]
    return table.unpack(results, 2, results.n)
end

-- Whether the open transaction can only be rolled back.
function Session:rollback_only() return native.session_is_rollback_only(native_of(self)) == 1 end

-- Waits until everything sent and acknowledged so far has its outcome. timeout nil: the connection's callTimeout.
function Session:flush(timeout)
    before_waiting(self.connection)
    for slice in slices(timeout or call_timeout(self.connection)) do
        local ok, problem = pcall(native.session_flush, native_of(self), slice)
        if ok then return end
        if not reattach.is_error(problem, "timeout") then error(problem, 0) end
        self.connection:dispatch()
    end
    error(failed("timeout", "not everything has its outcome yet", { retriable = true }), 0)
end

-- It is closed: frees what it had in the library.
function Session:forget()
    close_listeners(self)
    for child in pairs(self.children) do release(child) end
    release(self)
end

-- Waits until all that was sent and acknowledged has its outcome, then closes with its producers and consumers; an open
-- transaction is rolled back. Returns how much had none when the time was over, or ended badly and was told nowhere
-- else: not done, unknown. Closing twice is fine.
function Session:close(timeout)
    if not self.native then return 0, 0 end
    local not_done, unknown = native.session_close(self.native, milliseconds(timeout))
    last_events(self.connection, function() self:forget() end)
    return not_done, unknown
end
function Session:__close() self:close() end

-- --- producers -------------------------------------------------------------------------------------------------------

local function open_child(class, session, begin, ...)
    before_waiting(session.connection)
    local handle, operation = begin(native_of(session), ...)
    await(session.connection, operation)
    local child = setmetatable({ session = session, connection = session.connection, native = handle }, class)
    session.children[child] = true
    return child
end

-- Without an address: an anonymous one, whose sends say where to.
function Session:producer(address) return open_child(Producer, self, native.producer_open_begin, address) end

local function waits(producer, options)
    if options.wait ~= nil then return options.wait end
    local option = options.durable and "blockOnDurableSend" or "blockOnNonDurableSend"
    return not producer.session.transacted and producer.connection:options()[option] == "true"
end

-- Again whenever there may be room, for callTimeout at most.
local function with_room(producer, call, ...)
    for slice in slices(call_timeout(producer.connection)) do
        local ok, result = pcall(call, native_of(producer), ...)
        if ok then return result end
        if not reattach.is_error(result, "would_block") or producer.connection.dispatching then error(result, 0) end
        patiently(native.producer_wait_writable, native_of(producer), slice, native.WAIT_EVENTS)
        producer.connection:dispatch()
    end
    error(failed("timeout", "no room for the message in time; it was not sent", { retriable = true }), 0)
end

-- Sends a body, a string of bytes. options: text (true: as a text message; UTF-8), properties, durable, priority (0 to
-- 9), expires_in (seconds), address (an anonymous producer's), and wait: whether to wait until the broker has it.
--
-- wait nil: as the options blockOnDurableSend and blockOnNonDurableSend say, and not in a transaction, whose commit
-- answers for all. wait = false also works inside a listener; session:flush() waits for all such sends, and closing the
-- session counts those that ended badly.
function Producer:send(body, options)
    options = options or {}
    local message, wait = build(body, options), waits(self, options)
    if wait then before_waiting(self.connection) end
    local send = native[wait and "producer_send_begin" or "producer_send_forget"]
    local operation = with_room(self, send, options.address, message)
    native.end_ra_message(message)
    if wait then await(self.connection, operation) end
end

-- What gives the next bytes, and what sets it back to where it stood (nil: that is not possible).
local function reader_of(source)
    if type(source) == "function" then return source, nil end
    local start = source:seek()
    return function() return source:read(PIECE) end, start and function() assert(source:seek("set", start)) end
end

local function write_all(producer, read)
    for piece in read do
        local done = 0
        while done < #piece do done = done + with_room(producer, native.producer_write_some, piece, done) end
    end
    return with_room(producer, native.producer_finish_large_begin)
end

local function send_body(producer, address, message, read)
    with_room(producer, native.producer_start_large, address, message, 0)
    local ok, result = pcall(write_all, producer, read)
    if ok then return result end
    if producer.native then native.producer_cancel_large(producer.native) end
    error(result, 0)
end

local function send_stream(producer, address, message, source, wait)
    local read, set_back = reader_of(source)
    while true do
        local ok, problem = pcall(function()
            local operation = send_body(producer, address, message, read)
            if wait then await(producer.connection, operation) else native.end_ra_operation(operation) end
        end)
        if ok then return end
        if not set_back or not reattach.is_error(problem, "large_interrupted") then error(problem, 0) end
        set_back()
    end
end

-- Sends one message whose body need not fit into memory: what a file gives, or what a function gives until it gives nil.
-- options: as for send.
--
-- If the session was recreated and the message cannot go on, a file that can be set back to where it stood is, and sent anew;
-- otherwise large_interrupted is raised, and nothing of the message was stored.
function Producer:send_stream(source, options)
    options = options or {}
    before_waiting(self.connection)
    local message = build("", options)
    local ok, problem = pcall(send_stream, self, options.address, message, source, waits(self, options))
    native.end_ra_message(message)
    if not ok then error(problem, 0) end
end

-- It sends nothing more. Closing twice is fine.
function Producer:close()
    if self.native then native.producer_close(self.native) end
    release(self)
end
Producer.__close = Producer.close

-- --- consumers -------------------------------------------------------------------------------------------------------

-- options: filter, browse, window (bytes that the broker sends ahead; 0: nothing, -1: without limit), stream (large messages
-- are handed out when they begin, for message:read()).
function Session:consumer(queue, options)
    options = options or {}
    local flags = (options.browse and native.CONSUMER_BROWSE or 0) | (options.stream and native.CONSUMER_STREAM or 0)
    return open_child(Consumer, self, native.consumer_open_begin, queue, options.filter, flags, options.window or -2)
end

-- RECEIVED_... (nil when the time was over) and the message.
local function look(consumer, slice, flag)
    local result, handle = patiently(native.consumer_receive, native_of(consumer), slice, native.WAIT_EVENTS | flag)
    if handle then return result, message_of(handle, consumer) end
    if result == native.RECEIVED_EVENTS then consumer.connection:dispatch() end
    return result
end

-- The next message, or nil when none came in time. timeout 0: what there is; nil: waits for ever.
function Consumer:receive(timeout)
    before_waiting(self.connection)
    for slice in slices(timeout) do
        local _, message = look(self, slice, native.WAIT_QUIET)
        if message then return message end
    end
    -- Before it is said that there is nothing, the broker delivers what it has.
    for slice in slices(call_timeout(self.connection)) do
        local result, message = look(self, slice, native.WAIT_ASK)
        if message or result == native.RECEIVED_NONE then return message end
    end
    return nil
end

-- for message in consumer:messages(timeout): until none comes for that long, without a timeout for ever.
function Consumer:messages(timeout)
    return function() return self:receive(timeout) end
end

-- This message and all before it; or, individually, this one alone. Waits only with the option blockOnAcknowledge.
function Consumer:acknowledge(message, individually)
    if self.connection:options().blockOnAcknowledge == "true" and not self.connection.dispatching then
        request(self.connection, native.consumer_acknowledge_begin, native_of(self), message.native,
            individually and 1 or 0)
    else
        native[individually and "consumer_acknowledge_individually" or "consumer_acknowledge"](native_of(self),
            message.native)
    end
end

-- What was received and not acknowledged goes back to the queue. Closing twice is fine.
function Consumer:close()
    if self.native then native.consumer_close(self.native) end
    release(self)
end
Consumer.__close = Consumer.close

return reattach
