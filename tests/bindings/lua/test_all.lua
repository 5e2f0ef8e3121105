local reattach = require "reattach"
local native = require "reattach_native"
local support = require "support"

local equal, fails, open, connect, queue_name = support.equal, support.fails, support.open, support.connect, support.queue
local dispatch_until, works, closing, PATIENCE = support.dispatch_until, support.works, support.closing, support.PATIENCE

local tests = {}
local function test(name, body) tests[#tests + 1] = { name, body } end

-- --- messages ---

test("body and properties come back with their types", function()
    local all = open()
    local properties = { long = math.maxinteger, least = math.mininteger, odd = (1 << 53) + 1, double = 1.5, whole = 2.0,
                         text = "grün", yes = true, no = false, nothing = reattach.null }
    local sent = { bytes = reattach.bytes("x\0\xff") }
    for key, value in pairs(properties) do sent[key] = value end
    all.producer:send("grüß\0dich", { text = true, properties = sent, durable = true, priority = 7 })
    local message = all.consumer:receive(PATIENCE)
    properties.bytes = "x\0\xff"
    equal(properties, message.properties)
    equal({ "integer", "integer", "float" }, { math.type(message.properties.odd), math.type(message.properties.long),
                                               math.type(message.properties.whole) })
    equal({ "grüß\0dich", "text", true, 7, 1, all.queue },
        { message.body, message.type, message.durable, message.priority, message.delivery_count, message.address })
    message:acknowledge()
end)

test("a body is bytes unless it is said to be text", function()
    local all = open()
    all.producer:send("\0\xff")
    local message = all.consumer:receive(PATIENCE)
    equal({ "bytes", "\0\xff" }, { message.type, message.body })
end)

test("what has no type is refused", function()
    local all = open()
    fails("argument", all.producer.send, all.producer, 5)
    fails("argument", all.producer.send, all.producer, "", { properties = { a = {} } })
    fails("argument", all.producer.send, all.producer, "", { propertys = {} })
    fails("argument", all.producer.send, all.producer, "\xff", { text = true })
    works(all)
end)

test("for takes one message after the other", function()
    local all, bodies = open(), {}
    for i = 1, 5 do all.producer:send(tostring(i)) end
    for message in all.consumer:messages(0.2) do bodies[#bodies + 1] = message.body end
    equal("12345", table.concat(bodies))
    equal(nil, all.consumer:receive(0))
end)

test("a message expires when it was said to, and not a second before", function()
    local all = open()
    local pipe = assert(io.popen "date +%s%3N")
    local now = pipe:read("n")
    pipe:close()
    all.producer:send("x", { expires_in = 0.9 })
    local message = all.consumer:receive(PATIENCE)
    assert(message and message.expiration >= now + 900, message and message.expiration - now)
end)

test("an end just behind a slice of a wait is the end", function()
    local connection <close> = connect()
    local session, real, waits = connection:session { transacted = true }, native.operation_wait, 0
    local late = fails("timeout", native.connection_wait_event, connection.native, 1)
    native.operation_wait = function(operation)
        waits = waits + 1
        local result = real(operation, -1, 0)
        if waits == 1 then error(late, 0) end
        return result
    end
    local ok, problem = pcall(session.commit, session)
    native.operation_wait = real
    equal({ true, 2 }, { ok or problem, waits })
end)

test("an endless timeout is one", function()
    local connection <close> = connect(nil, { timeout = math.huge })
    local session = connection:session()
    session:create_queue("lua.endless", { temporary = true })
    local producer, consumer = session:producer("lua.endless"), session:consumer("lua.endless")
    session:start()
    producer:send("x")
    equal("x", consumer:receive(math.huge).body)
    session:flush(math.huge)
    equal({ 0, 0 }, { session:close(math.huge) })
    equal({ 0, 0 }, { connection:close(math.huge) })
end)

test("window zero receives what is there", function()
    local all = open()
    all.producer:send("one")
    all.session:flush()
    all.consumer:close()
    equal("one", all.session:consumer(all.queue, { window = 0 }):receive(0).body)
end)

test("nothing is done before the commit", function()
    local all = open()
    local session <close> = all.connection:session { transacted = true }
    local producer = session:producer(all.queue)
    producer:send("dropped")
    session:rollback()
    producer:send("kept")
    equal(nil, all.consumer:receive(0))
    session:commit()
    equal("kept", all.consumer:receive(PATIENCE).body)
end)

test("queues are created, asked for and deleted", function()
    local session, queue = closing(connect()):session(), queue_name()
    session:create_queue(queue, { filter = "a = 1" })
    local info = session:query_queue(queue)
    equal({ queue, "a = 1", "anycast", true, 0 },
        { info.address, info.filter, info.routing_type, info.durable, info.message_count })
    local problem = fails("queue_exists", session.create_queue, session, queue)
    equal(101, problem.broker_code)
    assert(problem.broker_text:find(queue, 1, true), problem.broker_text)
    session:delete_queue(queue)
    equal(nil, session:query_queue(queue))
end)

test("metadata is taken also when the session was recreated", function()
    local all, heard = open("reliable=true&confirmationWindowSize=-1"), {}
    local other, key = closing(connect()):session(), queue_name()
    all.session:add_metadata(key, "till")
    all.session:add_failure_listener(function(event) heard[#heard + 1] = event.kind end)
    all.relay:cut()
    dispatch_until(all.connection, function() return #heard > 0 end)
    equal({ "recreated" }, heard)
    all.session:add_metadata(key .. ".own", "", { unique = true })
    for taken, value in pairs { [key] = "till", [key .. ".own"] = "" } do
        local problem = fails("rejected", other.add_metadata, other, taken, value, { unique = true })
        equal(114, problem.broker_code)
    end
    other:add_metadata(key, "till")
    fails("argument", other.add_metadata, other, "", "x")
end)

test("errors name what was wrong", function()
    local problem = fails("option", connect, nil, { noSuchOption = 1 })
    assert(tostring(problem):find("noSuchOption", 1, true), tostring(problem))
    fails("url", connect, "nonsense")
    problem = fails("connect", connect, "tcp://127.0.0.1:1")
    equal({ "127.0.0.1:1", nil }, { problem.endpoint, problem.broker_code })
    local stranger = closing(connect(nil, { password = "wrong" }))
    fails("security", stranger.session, stranger)
    local session = closing(connect()):session()
    fails("no_queue", session.consumer, session, "missing." .. queue_name())
    fails("no_address", session.producer, session, "missing." .. queue_name())
    fails("argument", session.create_queue, session, queue_name(), { routing_type = "other" })
    fails("state", session.commit, session)
    local ok, text = pcall(session.create_queue, session, "a\0b")
    assert(not ok and tostring(text):find("zero byte", 1, true), tostring(text))
end)

test("what is closed says so", function()
    local all = open()
    all.producer:close()
    fails("closed", all.producer.send, all.producer, "x")
    all.session:close()
    equal({ 0, 0 }, { all.session:close() })
    fails("closed", all.session.flush, all.session)
    fails("closed", all.consumer.receive, all.consumer, 0)
    all.connection:close()
    fails("closed", all.connection.session, all.connection)
    equal(false, all.connection:connected())
end)

-- --- transactions that are done once ---

-- Without a window every cut ends in a recreated session; the queue is durable, for a temporary one would go with it.
local function open_transacted()
    local all = { relay = closing(support.relay()), queue = queue_name(), calls = 0, admin = closing(connect()):session() }
    all.admin:create_queue(all.queue)
    all.connection = closing(connect(support.url(all.relay.port, "reconnectAttempts=-1&retryInterval=20")))
    all.session = all.connection:session { transacted = true }
    local producer = all.session:producer(all.queue)
    function all.work()
        all.calls = all.calls + 1
        for _, body in ipairs { "a", "b" } do producer:send(body, { durable = true }) end
        return all.calls, "done"
    end
    function all.bodies()
        local found = {}
        all.admin:start()
        local consumer <close> = all.admin:consumer(all.queue)
        for message in consumer:messages(0.2) do
            found[#found + 1] = message.body
            message:acknowledge()
        end
        return table.concat(found)
    end
    return all
end

test("a transaction gives what the work gave", function()
    local all = open_transacted()
    equal({ 1, "done" }, { all.session:transact(all.work) })
    equal("ab", all.bodies())
end)

test("a commit that never arrived is done again", function()
    local all = open_transacted()
    all.relay:tell("cut-at broker 43 1 before rst")
    equal({ 2, "done" }, { all.session:transact(all.work) })
    equal("ab", all.bodies())
end)

test("the same id is the same work", function()
    local all = open_transacted()
    for _ = 1, 2 do all.session:transact(all.work, "order 7 of " .. all.queue) end
    equal({ 2, "ab" }, { all.calls, all.bodies() })
end)

test("a session recreated meanwhile is no reason to give up", function()
    local all = open_transacted()
    equal({ 2, "done" }, { all.session:transact(function()
        local calls, done = all.work()
        if calls == 1 then
            all.relay:cut()
            dispatch_until(all.connection, function() return all.connection:stat("recreated") == 1 end)
        end
        return calls, done
    end) })
    equal("ab", all.bodies())
end)

test("what the work raises comes out and undoes it", function()
    local all, mine = open_transacted(), { "mine" }
    local ok, problem = pcall(all.session.transact, all.session, function() all.work() error(mine) end)
    equal({ false, true }, { ok, rawequal(problem, mine) })
    fails("no_queue", all.session.transact, all.session, function() all.work() all.session:delete_queue("missing") end)
    equal({ 2, "" }, { all.calls, all.bodies() })
    fails("argument", all.session.transact, all.session, all.work, "")
    fails("state", all.admin.transact, all.admin, all.work)
    equal(2, all.calls)
end)

-- --- bodies in pieces ---

local BODY <const> = ("0123456789abcdef"):rep(156250)

test("a file is streamed in and out", function()
    local all = open()
    all.consumer:close()
    local source <close> = assert(io.tmpfile())
    source:write(BODY)
    source:seek("set", 0)
    all.producer:send_stream(source, { properties = { n = 1 }, durable = true })
    all.producer:send("small")
    local consumer = all.session:consumer(all.queue, { stream = true })
    local message = consumer:receive(PATIENCE)
    equal({ #BODY, 1 }, { message.large_size, message.properties.n })
    local pieces = { message:read(5) }
    for piece in message:pieces() do pieces[#pieces + 1] = piece end
    assert(table.concat(pieces) == BODY and #pieces > 20, #pieces)
    equal(nil, message:read(1))
    message:acknowledge()
    local small = consumer:receive(PATIENCE)
    equal({ "sm", "all", "" }, { small:read(2), small:read(), small:read() })
    assert(small.large_size == nil and small.body == "small")
    all.session:flush()
end)

test("a function may be the source", function()
    local all, n = open(), 0
    all.producer:send_stream(function()
        n = n + 1
        return n <= 3 and ("x"):rep(n) or nil
    end)
    equal("xxxxxx", all.consumer:receive(PATIENCE).body)
    local ok, problem = pcall(all.producer.send_stream, all.producer, function() error("why", 0) end)
    equal({ false, "why" }, { ok, problem })
    works(all)
end)

test("a read in vain ends in time and another message ends the body", function()
    local all = open()
    all.consumer:close()
    local sent = false
    all.producer:send_stream(function()
        if not sent then sent = true return BODY end
    end, { durable = true })
    all.producer:send("next")
    local consumer = all.session:consumer(all.queue, { stream = true, window = 0 })
    local large = consumer:receive(PATIENCE)
    equal("01234", large:read(5, PATIENCE))
    all.session:stop()
    fails("timeout", function() while large:read(100000, 0.2) do end end)
    all.session:start()
    equal("next", consumer:receive(PATIENCE).body)
    fails("state", large.read, large, 1)
end)

-- A source that cuts the connection when it is read for the tenth time, like a file or like a pipe. The queue is kept: the
-- broker could clear a temporary one away after the recreated session has sent to it.
local function through_a_cut(seekable, options)
    local all, at, reads = open("reliable=true&maxUnconfirmed=300000" .. options, true), 1, 0
    local source = {}
    function source:seek(whence, offset)
        if not seekable then return nil, "not seekable" end
        if whence == "set" then at = offset + 1 end
        return at - 1
    end
    function source:read(size)
        reads = reads + 1
        if reads == 10 then
            all.session:flush() -- so that the first pieces are gone from memory
            all.relay:cut()
        end
        local piece = BODY:sub(at, at + size - 1)
        at = at + #piece
        return piece ~= "" and piece or nil
    end
    all.producer:send_stream(source, { durable = true })
    assert(all.consumer:receive(PATIENCE).body == BODY)
    return reads
end

test("a stream does not notice a cut where the session survives", function()
    assert(through_a_cut(false, "") < 30)
end)

test("a lost session has a file sent from its start", function()
    assert(through_a_cut(true, "&confirmationWindowSize=-1") > 30)
end)

test("a lost session is told when the source cannot be set back", function()
    fails("large_interrupted", through_a_cut, false, "&confirmationWindowSize=-1")
end)

-- --- listeners ---

test("a cut is heard inside receive", function()
    local all, heard = open(), {}
    all.session:add_failure_listener(function(event)
        heard[#heard + 1] = event
        all.producer:send("after", { durable = true, wait = false })
    end)
    all.relay:cut()
    equal("after", all.consumer:receive(PATIENCE).body)
    equal({ 1, "reattached", true, false },
        { #heard, heard[1].kind, heard[1].session == all.session, heard[1].failed_over })
end)

test("the order of a cut is legal", function()
    local all, heard = open(), {}
    all.connection:add_listener({ "disconnected", "retrying", "reattached", "recreated", "session_lost" },
        function(event) heard[#heard + 1] = event end)
    for cut = 1, 3 do
        all.relay:cut()
        dispatch_until(all.connection, function() return #heard >= 3 * cut end)
        works(all)
        equal({ "disconnected", "retrying", "reattached" },
            { heard[3 * cut - 2].kind, heard[3 * cut - 1].kind, heard[3 * cut].kind })
    end
    equal(9, #heard)
    assert(reattach.is_error(heard[1].error))
    equal("127.0.0.1:" .. all.relay.port, heard[2].endpoint)
end)

test("nothing is heard but inside a wait or dispatch", function()
    local all, heard = open(), 0
    all.session:add_failure_listener(function() heard = heard + 1 end)
    all.relay:cut()
    local limit = native.monotonic() + PATIENCE
    while all.connection:stat("reattached") == 0 do assert(native.monotonic() < limit, "no re-attachment") end
    equal(0, heard)
    equal("number", type(all.connection:descriptor()))
    equal({ 1, 1, 0 }, { all.connection:dispatch(), heard, all.connection:dispatch() })
end)

test("an error comes out of the method that waited", function()
    local all, others, mine = open(), 0, { "mine" }
    all.session:add_failure_listener(function() error(mine) end)
    all.session:add_failure_listener(function() others = others + 1 end)
    all.relay:cut()
    local ok, problem = pcall(all.consumer.receive, all.consumer, PATIENCE)
    equal({ false, true, 1 }, { ok, rawequal(problem, mine), others })
    works(all)
end)

test("each of two errors comes out", function()
    local all, texts = open(), {}
    for _, text in ipairs { "first", "second" } do
        all.session:add_failure_listener(function() error(text, 0) end)
    end
    all.relay:cut()
    for i = 1, 2 do texts[i] = select(2, pcall(all.consumer.receive, all.consumer, PATIENCE)) end
    equal({ "first", "second" }, texts)
    works(all)
end)

test("a coroutine may wait, and is where its listeners run", function()
    local all, thread = open(), nil
    all.session:add_failure_listener(function() thread = coroutine.running() end)
    all.relay:cut()
    local waiter = coroutine.create(function() dispatch_until(all.connection, function() return thread end) end)
    assert(coroutine.resume(waiter))
    assert(rawequal(thread, waiter))
end)

test("a yield across the library is an error, not a jump", function()
    local all = open()
    all.session:add_failure_listener(function() coroutine.yield() end)
    all.relay:cut()
    local ok, problem = coroutine.resume(coroutine.create(function() all.consumer:receive(PATIENCE) end))
    equal({ false, true }, { ok, tostring(problem):find("yield", 1, true) ~= nil })
    works(all)
end)

test("a listener may close its session", function()
    local all = open()
    all.connection:add_failure_listener(function() all.session:close() end)
    all.relay:cut()
    fails("closed", all.consumer.receive, all.consumer, PATIENCE)
    local session <close> = all.connection:session()
    equal(nil, session:query_queue("missing"))
end)

test("a listener may close the connection", function()
    local all = open()
    all.session:add_failure_listener(function() all.connection:close() end)
    all.relay:cut()
    fails("closed", all.consumer.receive, all.consumer, PATIENCE)
end)

test("a listener may remove itself", function()
    local all, once, always, listener = open(), 0, 0, nil
    listener = all.session:add_failure_listener(function()
        once = once + 1
        listener:close()
    end)
    all.session:add_failure_listener(function() always = always + 1 end)
    for cut = 1, 2 do
        all.relay:cut()
        dispatch_until(all.connection, function() return always == cut end)
    end
    equal(1, once)
    works(all)
end)

test("a listener may acknowledge", function()
    local all, heard = open(), 0
    all.producer:send("one", { durable = true })
    local message = all.consumer:receive(PATIENCE)
    all.session:add_failure_listener(function()
        message:acknowledge(true)
        heard = heard + 1
    end)
    all.relay:cut()
    dispatch_until(all.connection, function() return heard == 1 end)
    all.session:flush()
    equal(0, all.session:query_queue(all.queue).message_count)
end)

test("a listener may not wait", function()
    local all, codes = open(), {}
    local calls = {
        function() all.consumer:receive(1) end, function() all.session:flush() end,
        function() all.connection:session() end, function() all.session:query_queue(all.queue) end,
        function() all.producer:send("x", { durable = true }) end, function() all.connection:wait() end,
        function() all.connection:dispatch() end, function() all.session:stop() end,
    }
    all.session:add_failure_listener(function()
        for i, call in ipairs(calls) do codes[i] = select(2, pcall(call)).code end
    end)
    all.relay:cut()
    dispatch_until(all.connection, function() return #codes > 0 end)
    equal(#calls, #codes)
    for _, code in ipairs(codes) do equal("in_listener", code) end
    works(all)
    equal(nil, all.consumer:receive(0))
end)

test("a storm of cuts loses and doubles nothing", function()
    local all, heard, got, sent = open(), 0, 0, 0
    all.session:add_failure_listener(function(event) heard = heard + (event.kind == "reattached" and 1 or 0) end)
    all.relay:tell("every 30..60 rst 0")
    local limit = native.monotonic() + 3 * PATIENCE
    repeat
        assert(native.monotonic() < limit, "messages are missing")
        all.producer:send("", { properties = { seq = sent }, durable = true })
        sent = sent + 1
        for message in all.consumer:messages(sent > got + 50 and PATIENCE or 0.001) do
            equal(got, message.properties.seq)
            got = got + 1
            message:acknowledge(true)
        end
    until got >= sent and heard >= 10
    all.relay:tell("schedule off")
    all.session:flush()
    equal(nil, all.consumer:receive(0))
    equal(0, all.session:query_queue(all.queue).message_count)
end)

test("the end is heard and told by every call", function()
    local all, heard = open("confirmationWindowSize=65536"), {}
    all.connection:add_listener(function(event)
        heard[event.kind] = true
        heard.first = heard.first or event.kind
    end)
    all.relay:cut()
    dispatch_until(all.connection, function() return heard.gave_up and heard.session_lost end)
    equal("disconnected", heard.first)
    assert(reattach.is_error(select(2, pcall(all.producer.send, all.producer, "x", { durable = true }))))
    assert(reattach.is_error(select(2, pcall(all.consumer.receive, all.consumer, PATIENCE))))
end)

test("a kind that does not exist is refused", function()
    local all = open()
    local problem = fails("argument", all.connection.add_listener, all.connection, { "reatached" }, print)
    assert(tostring(problem):find("reatached", 1, true))
    fails("argument", all.connection.add_failure_listener, all.connection, nil)
end)

-- --- life ---

test("the interpreter exits with a live connection", function()
    local program = os.tmpname()
    local file = assert(io.open(program, "w"))
    file:write [[
        local connection = require "reattach".connect(arg[1], { user = "admin", password = "admin" })
        connection:add_listener(function(event) error(event.kind) end)
        local session = connection:session()
        session:create_queue(arg[2], { temporary = true })
        session:start()
        session:producer(arg[2]):send("x", { durable = true })
        print "well"
    ]]
    file:close()
    for _ = 1, 20 do -- a module that goes before its thread would be noticed only now and then
        local command = ("timeout %d lua5.4 %s '%s' %s 2>&1"):format(PATIENCE, program, support.url(), queue_name())
        local pipe = assert(io.popen(command))
        local output = pipe:read("a")
        equal({ "well\n", true, "exit", 0 }, { output, pipe:close() })
    end
    os.remove(program)
end)

test("the example in the README runs", function()
    local path = package.searchpath("reattach", package.path):gsub("reattach.lua$", "README.md")
    local queue, program = queue_name(), os.tmpname()
    local text = assert(io.open(path)):read("a"):match("```lua\n(.-)```"):gsub("orders", queue)
    text = text:gsub("tcp://[^?]*", support.url():match("^[^?]*"))
    assert(io.open(program, "w")):write(text):close()
    local pipe = assert(io.popen(("timeout %d lua5.4 %s 2>&1"):format(PATIENCE, program)))
    equal({ "hello\t1\n" }, { pipe:read("a") })
    pipe:close()
    os.remove(program)
    closing(connect()):session():delete_queue(queue)
end)

test("Ctrl-C ends a program that receives", function()
    local program = os.tmpname()
    local file = assert(io.open(program, "w"))
    file:write [[
        local session = require "reattach".connect(arg[1], { user = "admin", password = "admin" }):session()
        session:create_queue(arg[2], { temporary = true })
        session:start()
        local consumer = session:consumer(arg[2])
        print "waiting"
        io.stdout:flush()
        consumer:receive()
    ]]
    file:close()
    local pipe = assert(io.popen(("echo $$; exec lua5.4 %s '%s' %s 2>&1"):format(program, support.url(), queue_name())))
    local process = pipe:read("n", "l")
    equal("waiting", pipe:read("l"))
    local began = native.monotonic()
    os.execute("kill -INT " .. process)
    local output = pipe:read("a")
    assert(output:find("interrupted!", 1, true), output)
    assert(native.monotonic() - began < 2, "it took " .. native.monotonic() - began .. " s")
    pipe:close()
    os.remove(program)
end)

local function entries(directory)
    local pipe = assert(io.popen("ls /proc/$PPID/" .. directory .. " | wc -l"))
    local count = pipe:read("n")
    pipe:close()
    return count
end

local kept = setmetatable({}, { __mode = "k" }) -- every native object that a round made and that is still there

local function watch(...)
    for _, object in ipairs { ... } do kept[object.native] = true end
end

local function round(close)
    local connection = connect()
    local session = connection:session()
    local listener = session:add_failure_listener(function() session:close() end) -- holds them in its hands
    local queue = queue_name()
    session:create_queue(queue, { temporary = true })
    local consumer, producer = session:consumer(queue), session:producer(queue)
    session:start()
    producer:send("x", { properties = { seq = 1 } })
    local message = consumer:receive(PATIENCE)
    watch(connection, session, listener, consumer, producer, message)
    message:acknowledge()
    if close then connection:close() end
end

local function census()
    collectgarbage()
    collectgarbage()
    local objects = 0
    for _ in pairs(kept) do objects = objects + 1 end
    return { objects = objects, threads = entries("task"), descriptors = entries("fd") }
end

-- What was not closed ends in the background.
local function nothing_left(before)
    local limit, after = native.monotonic() + PATIENCE, nil
    repeat
        after = census()
        if after.objects <= before.objects and after.threads <= before.threads
            and after.descriptors <= before.descriptors then return end
    until native.monotonic() > limit
    equal(before, after)
end

test("a thousand rounds leave nothing", function()
    round(true)
    local before = census()
    for _ = 1, 1000 do round(true) end
    nothing_left(before)
    equal(0, before.objects)
end)

test("what was never closed is collected", function()
    round(false)
    nothing_left { objects = 0, threads = 1, descriptors = math.huge }
    local before = census()
    for _ = 1, 100 do round(false) end
    nothing_left(before)
end)

local function session_round(connection, close)
    local session = connection:session()
    local listener = session:add_failure_listener(function() session:close() end)
    local producer = session:producer()
    watch(session, listener, producer)
    if close then session:close() end
end

test("a thousand sessions of one connection leave nothing", function()
    local connection <close> = connect()
    session_round(connection, true)
    local before = census()
    for _ = 1, 1000 do session_round(connection, true) end
    nothing_left(before)
    equal(0, before.objects)
end)

test("sessions that were never closed are collected with their listeners", function()
    local connection <close> = connect()
    session_round(connection, false)
    nothing_left { objects = 0, threads = math.huge, descriptors = math.huge }
    for _ = 1, 100 do session_round(connection, false) end
    nothing_left { objects = 0, threads = math.huge, descriptors = math.huge }
end)

-- --- the mock ---

test("a cut at a chosen send of the mock is heard", function()
    local broker <close> = require "reattach.mock".start { seed = 7 }
    broker:create_queue("q")
    local connection <close> = reattach.connect(broker:url(), { reliable = true, timeout = PATIENCE })
    local session, heard = connection:session(), {}
    session:add_failure_listener(function(event) heard[#heard + 1] = event.kind end)
    broker:fault("reset", { at = "send", nth = 2 })
    local producer = session:producer("q")
    for n = 1, 3 do producer:send(tostring(n), { durable = true }) end
    connection:dispatch()
    equal({ "reattached" }, heard)
    equal({ 3, 1 }, { broker:messages("q"), broker:counter("cut") })
    broker:wait("reattached")
    fails("timeout", broker.wait, broker, "cut", 2, 0.01)
    fails("option", broker.fault, broker, "rest")
end)

support.run(tests)
