--- A broker for tests, on a port of this process, that misbehaves on command; docs/mock.md in the source tree.
--
--     local mock = require "reattach.mock"
--     local broker <close> = mock.start { seed = 7 }
--     broker:create_queue("orders")
--     broker:fault("reset", { at = "send", nth = 3 })
--     run_my_program(broker:url())
--
-- Options and the details of faults are those of ra_mock_start() and ra_mock_fault(). Times are in seconds.
require "reattach" -- by which errors are raised
local native = require "reattach_native"

local Broker = {}
Broker.__index = Broker
function Broker:__close() self:stop() end

local function text(word, values)
    local parts = { word }
    for name, value in pairs(values or {}) do
        parts[#parts + 1] = name .. "=" .. tostring(value):gsub("%%", "%%25"):gsub(",", "%%2C")
    end
    return table.concat(parts, ",")
end

local counters, id = {}, 1
while native.mock_stat_name(id) ~= "unknown" do
    counters[native.mock_stat_name(id)] = id
    id = id + 1
end

local function id_of(counter)
    return counters[counter] or error(("there is no counter \"%s\""):format(counter), 3)
end

function Broker:url() return native.mock_url(self.native) end
function Broker:port() return native.mock_port(self.native) end
function Broker:stop() native.mock_stop(self.native) end
function Broker:fault(action, details) native.mock_fault(self.native, text(action, details)) end
function Broker:clear() native.mock_clear(self.native) end
function Broker:create_queue(name, address) native.mock_create_queue(self.native, name, address) end
function Broker:messages(queue) return native.mock_queue_messages(self.native, queue) end
function Broker:counter(name) return native.mock_count(self.native, id_of(name)) end

--- Waits until a counter is at_least that (1), at most so many seconds (10).
function Broker:wait(name, at_least, timeout)
    native.mock_wait(self.native, id_of(name), at_least or 1, math.ceil((timeout or 10) * 1000))
end

return { start = function(options) return setmetatable({ native = native.mock_start(text(nil, options)) }, Broker) end }
