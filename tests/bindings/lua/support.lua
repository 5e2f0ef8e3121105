-- A runner of tests, a relay that cuts, and what most tests begin with.
local reattach = require "reattach"
local native = require "reattach_native"

local support = { PATIENCE = 20 } -- seconds for what takes milliseconds
local PATIENCE <const> = support.PATIENCE
local BROKER <const> = tonumber(os.getenv "REATTACH_BROKER_PORT")
local RELAY <const> = os.getenv "REATTACH_RELAY"

-- --- assertions ---

local function shown(value)
    if type(value) ~= "table" or getmetatable(value) then return tostring(value) end
    local parts = {}
    for key, item in pairs(value) do parts[#parts + 1] = tostring(key) .. "=" .. shown(item) end
    table.sort(parts)
    return "{" .. table.concat(parts, ", ") .. "}"
end

function support.equal(expected, actual)
    if shown(expected) ~= shown(actual) then
        error(("expected %s, got %s"):format(shown(expected), shown(actual)), 2)
    end
end

-- Calls and expects an error of the library with this code; returns it.
function support.fails(code, call, ...)
    local ok, problem = pcall(call, ...)
    if ok then error("nothing was raised, not " .. code, 2) end
    if not reattach.is_error(problem, code) then
        error(("expected %s, got %s (%s)"):format(code, type(problem) == "table" and problem.code, problem), 2)
    end
    return problem
end

-- --- the relay: it reads orders from a pipe with a name, since Lua's own go one way only ---

local Relay = {}
Relay.__index = Relay

function support.relay()
    local name = os.tmpname()
    assert(os.remove(name) and os.execute("mkfifo " .. name))
    local answers = assert(io.popen(("exec %s --listen 0 --target %d --control < %s"):format(RELAY, BROKER, name)))
    local relay = setmetatable({ answers = answers, orders = assert(io.open(name, "w")), name = name }, Relay)
    relay.port = tonumber(answers:read("l"):match('"port":(%d+)'))
    return relay
end

function Relay:tell(line)
    self.orders:write(line, "\n")
    self.orders:flush()
    return assert(self.answers:read("l"), "the relay has ended")
end

-- Resets every link; there has to be one.
function Relay:cut()
    local hit = tonumber(self:tell("cut rst"):match('"result":(%d+)'))
    assert(hit and hit > 0, "no link to cut")
end

function Relay:close()
    self.orders:close()
    self.answers:close()
    os.remove(self.name)
end

-- --- what most tests begin with ---

local closing, count = {}, 0

function support.closing(object)
    table.insert(closing, object)
    return object
end

function support.queue()
    count = count + 1
    return ("lua.%d.%d"):format(math.floor(native.monotonic() * 1e6), count)
end

function support.url(port, options) return ("tcp://127.0.0.1:%d?%s"):format(port or BROKER, options or "reliable=true") end

function support.connect(url, options)
    local all = { user = "admin", password = "admin" }
    for name, value in pairs(options or {}) do all[name] = value end
    return reattach.connect(url or support.url(), all)
end

-- A connection through a relay, a session, a queue that goes with it unless it is kept, a producer and a consumer.
function support.open(options, kept)
    local all = { relay = support.closing(support.relay()), queue = support.queue() }
    all.connection = support.closing(support.connect(support.url(all.relay.port, options)))
    all.session = all.connection:session()
    all.session:create_queue(all.queue, { temporary = not kept })
    all.producer = all.session:producer(all.queue)
    all.consumer = all.session:consumer(all.queue)
    all.session:start()
    return all
end

-- Waits until it is true; listeners are heard meanwhile.
function support.dispatch_until(connection, happened)
    local limit = native.monotonic() + PATIENCE
    while not happened() do
        if native.monotonic() > limit then error("it did not happen in " .. PATIENCE .. " s", 2) end
        connection:wait(0.1)
    end
end

-- One message goes in and comes out.
function support.works(all)
    all.producer:send("still there", { durable = true })
    local message = all.consumer:receive(PATIENCE)
    support.equal("still there", message and message.body)
    message:acknowledge()
end

-- --- the runner ---

local function run_one(test)
    local ok, problem = xpcall(test, function(e) return type(e) == "string" and debug.traceback(e) or e end)
    while #closing > 0 do
        local object = table.remove(closing)
        local closed, why = pcall(object.close, object)
        if not closed and ok then ok, problem = false, why end
    end
    return ok, problem
end

-- tests: a list of { name, function }. Ends the process; its status says whether all passed.
function support.run(tests)
    local passed, failed = 0, 0
    for _, test in ipairs(tests) do
        local began = native.monotonic()
        local ok, problem = run_one(test[2])
        if ok then passed = passed + 1 else failed = failed + 1 end
        print(("%-6s %-70s %6.2f s"):format(ok and "ok" or "FAILED", test[1], native.monotonic() - began))
        if not ok then print("       " .. tostring(problem):gsub("\n", "\n       ")) end
        io.stdout:flush()
    end
    print(("%d passed, %d failed"):format(passed, failed))
    os.exit(failed == 0, true)
end

return support
