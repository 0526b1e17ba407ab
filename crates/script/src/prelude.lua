-- The world of scripts, made once per machine. What is given: functions of Rust. What comes back: what Rust needs of it.
--
-- A table that scripts share is seen through a proxy, which reads from it and refuses to change. Globals are such a
-- table, and reading one that is not there is an error.
local native = ...
local error, type, rawget, rawset, select, unpack = error, type, rawget, rawset, select, unpack
local getmetatable, setmetatable, tostring, tonumber = getmetatable, setmetatable, tostring, tonumber
local real_pcall, real_xpcall, real_next, real_sort = pcall, xpcall, next, table.sort
local seen, keys, seek, charge = native.seen, native.keys, native.seek, native.charge
local coroutines, strings, tables = coroutine, string, table
local byte, format, sub, concat = string.byte, string.format, string.sub, table.concat

local READONLY = "Attempt to modify a readonly table"
local originals = {}
local locked

local function refuse()
  error(READONLY, 2)
end

local function protect(original)
  local proxy = {}
  originals[proxy] = original
  return setmetatable(proxy, { __index = original, __newindex = refuse, __metatable = locked, readonly = true })
end
locked = protect({})

local function missing(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end
local missing_is_an_error = { __index = missing }

local visible = {}
for i = 1, #native.keep do
  visible[native.keep[i]] = _G[native.keep[i]]
end

local function check_table(name, t)
  if type(t) ~= "table" then
    error("bad argument #1 to '" .. name .. "' (table expected, got " .. (t == nil and "nil" or type(t)) .. ")", 3)
  end
  return originals[t] or t
end

-- Walking in an order that is the same everywhere.
function visible.pairs(t)
  t = check_table("pairs", t)
  local order, i = keys(t), 0
  return function()
    local key, value
    repeat
      i = i + 1
      key = order[i]
      if key == nil then
        return nil
      end
      value = rawget(t, key)
    until value ~= nil
    return key, value
  end, t, nil
end

local walked, order, at
function visible.next(t, key)
  t = check_table("next", t)
  if key == nil then
    if real_next(t) == nil then
      return nil
    end
    walked, order, at = t, keys(t), 0
  elseif walked ~= t or order[at] ~= key then
    walked, order, at = t, keys(t), 1
    while order[at] ~= key do
      at = at + 1
      if order[at] == nil then
        error("invalid key to 'next'", 2)
      end
    end
  end
  local value
  repeat
    at = at + 1
    key = order[at]
    if key == nil then
      return nil
    end
    value = rawget(t, key)
  until value ~= nil
  return key, value
end

-- Lua's own counts the results in a C int. That overflows for borders that are far apart, and what it does then is up to
-- the compiler: optimised, it writes past the end of the stack. What fits is as it was: 8000, with what it is given.
local UNPACK_MAX = 8000
function visible.unpack(t, i, j)
  t = check_table("unpack", t)
  local first, last = i == nil and 1 or tonumber(i), j == nil and #t or tonumber(j)
  local given = (i ~= nil or j ~= nil) and 3 or 1
  if first and last and last - first + 1 + given > UNPACK_MAX then
    error("too many results to unpack", 2)
  end
  if given == 1 then
    return unpack(t)
  end
  return unpack(t, i, j)
end

function tables.foreach(t, f)
  for key, value in visible.pairs(t) do
    local result = f(key, value)
    if result ~= nil then
      return result
    end
  end
end

function tables.sort(t, before)
  if type(t) == "table" then
    charge(#t * 16)
  end
  return real_sort(t, before)
end

local real_maxn = tables.maxn
function tables.maxn(t)
  if type(t) == "table" then
    charge(#t)
  end
  return real_maxn(t)
end

-- No address reaches a script: objects are numbered as they are asked for.
local numbers, count
function visible.tostring(...)
  if select("#", ...) == 0 then
    error("bad argument #1 to 'tostring' (value expected)", 2)
  end
  local value = ...
  local kind = type(value)
  if kind == "table" then
    local meta = getmetatable(value)
    if type(meta) == "table" and rawget(meta, "__tostring") ~= nil then
      return tostring(value)
    end
  elseif kind == "userdata" then
    return "userdata: (nil)"
  elseif kind ~= "function" and kind ~= "thread" then
    return tostring(value)
  end
  if numbers[value] == nil then
    count = count + 1
    numbers[value] = count
  end
  return format("%s: 0x%012x", kind, numbers[value] * 32)
end

-- Catching: what Rust raised becomes what Redis raises, and the end of a run is not to be caught.
local function caught(ok, ...)
  if ok then
    return true, ...
  end
  return false, seen((...))
end

local function caught_text(ok, ...)
  if ok then
    return true, ...
  end
  local err = seen((...))
  if type(err) == "table" then
    local text = rawget(err, "err")
    if type(text) == "string" or type(text) == "number" then
      err = text
    end
  end
  return false, err
end

function visible.pcall(...)
  return caught_text(real_pcall(...))
end

-- A handler that fails is asked once more, about its own failure. Lua itself would ask it two hundred times over, with
-- the failed calls still on the stack: those of C functions with their buffers, more than the stack of a thread holds.
local ASKED_MAX = 2
function visible.xpcall(f, handler)
  local asked = 0
  return caught(real_xpcall(f, function(err)
    asked = asked + 1
    if asked > ASKED_MAX then
      return "error in error handling"
    end
    return handler(seen(err))
  end))
end

visible.coroutine = protect({
  create = function(f)
    charge(200)
    return coroutines.create(f)
  end,
  wrap = function(f)
    charge(200)
    return coroutines.wrap(f)
  end,
  resume = function(...)
    return caught(coroutines.resume(...))
  end,
  yield = coroutines.yield,
  status = coroutines.status,
  running = coroutines.running,
})

-- What is shared stays as it is.
function visible.setmetatable(t, meta)
  if originals[t] ~= nil then
    error(READONLY, 2)
  end
  return setmetatable(t, meta)
end

local string_meta = protect({ __index = protect(strings) })
function visible.getmetatable(value)
  if type(value) == "string" then
    return string_meta
  end
  return getmetatable(value)
end

function visible.rawset(t, key, value)
  if originals[t] ~= nil then
    error(READONLY, 2)
  end
  return rawset(t, key, value)
end

function visible.rawget(t, key)
  return rawget(originals[t] or t, key)
end

-- Code is text, and sees what all scripts see.
function visible.loadstring(code, name)
  return native.compile(code, name)
end

function visible.load(read, name)
  local parts = {}
  while true do
    local part = read()
    if part == nil or part == "" then
      return native.compile(concat(parts), name or "=(load)")
    end
    if type(part) ~= "string" then
      return nil, "reader function must return a string"
    end
    parts[#parts + 1] = part
  end
end

function visible.collectgarbage()
  return 0
end

function visible.gcinfo()
  return 0, 0
end

-- Loops that call functions of the script, around our own matcher.
local function check_text(name, number, value)
  local kind = type(value)
  if kind == "number" then
    return tostring(value)
  elseif kind ~= "string" then
    if value == nil then
      kind = "no value"
    end
    error("bad argument #" .. number .. " to '" .. name .. "' (string expected, got " .. kind .. ")", 3)
  end
  return value
end

local function gmatch(s, pattern)
  s, pattern = check_text("gmatch", 1, s), check_text("gmatch", 2, pattern)
  local from = 1
  local function step(start, stop, ...)
    if start == nil then
      from = #s + 2
      return nil
    end
    from = stop < start and start + 1 or stop + 1
    return ...
  end
  return function()
    return step(seek(s, pattern, from, false))
  end
end
strings.gmatch, strings.gfind = gmatch, nil

function strings.gsub(s, pattern, replacement, most)
  s, pattern = check_text("gsub", 1, s), check_text("gsub", 2, pattern)
  local kind = type(replacement)
  if kind == "string" or kind == "number" then
    return native.replace(s, pattern, replacement, most)
  elseif kind ~= "function" and kind ~= "table" then
    error("bad argument #3 to 'gsub' (string/function/table expected)", 2)
  end
  most = most or #s + 1
  local anchored = byte(pattern, 1) == 94
  local out, from, done, replaced = {}, 1, false, 0
  local function take(start, stop, ...)
    if start == nil then
      done = true
      return
    end
    replaced = replaced + 1
    if start > from then
      out[#out + 1] = sub(s, from, start - 1)
    end
    local value
    if kind == "function" then
      value = replacement(...)
    else
      value = replacement[(...)]
    end
    if not value then
      value = sub(s, start, stop)
    elseif type(value) ~= "string" and type(value) ~= "number" then
      error("invalid replacement value (a " .. type(value) .. ")", 3)
    end
    out[#out + 1] = value
    if stop < start then
      out[#out + 1] = sub(s, start, start)
      from = start + 1
    else
      from = stop + 1
    end
    done = anchored or from > #s + 1
  end
  while not done and replaced < most do
    take(seek(s, pattern, from, true))
  end
  out[#out + 1] = sub(s, from)
  return concat(out), replaced
end

-- The globals.
strings.dump = nil
visible.string, visible.table, visible.math = protect(strings), protect(tables), protect(math)
visible.bit, visible.struct = protect(native.bit), protect(native.struct)
visible.cjson, visible.cmsgpack = protect(native.cjson), protect(native.cmsgpack)
visible.os = protect({ clock = native.clock })
visible.redis = protect(native.redis)
originals[string_meta].__index = visible.string

-- While a library is loaded it sees less: it may register functions and write to the log.
local loading = {}
for name, value in real_next, visible do
  loading[name] = value
end
loading.math, loading.getmetatable = nil, nil
loading.redis = protect(setmetatable(native.loading, missing_is_an_error))

local globals = protect(visible)
visible._G = globals
local library_meta = { __index = loading, __newindex = refuse, __metatable = locked, readonly = true }
local library_globals = setmetatable({}, library_meta)
originals[library_globals] = loading
loading._G = library_globals
setmetatable(visible, missing_is_an_error)
setmetatable(loading, missing_is_an_error)

return {
  visible = visible,
  globals = globals,
  library_globals = library_globals,
  -- Whether libraries see what they see while they are loaded, or what functions see.
  load_phase = function(is_loading)
    library_meta.__index = is_loading and loading or visible
    originals[library_globals] = library_meta.__index
  end,
  -- Forgets what the last run left.
  reset = function()
    numbers, count = {}, 0
    walked, order, at = nil, nil, nil
  end,
  run = function(f, handler)
    return real_xpcall(f, handler)
  end,
  run_function = function(f, handler, key_names, arguments)
    return real_xpcall(function()
      -- Not a tail call, as which it would count as the function's caller no more.
      local result = f(key_names, arguments)
      return result
    end, handler)
  end,
}
