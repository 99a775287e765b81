-- Sends a ring of ready-made HTTP requests (see generators.py) and writes the totals as JSON.
-- BENCH_RING: file of requests, each as "<parts> <mark>\n" and its parts as "<length>\n<bytes>"; between two parts
-- the mark's value is put: "s" the sequence number, "m" the moment in microseconds, "-" nothing.
-- BENCH_TOTALS: where the totals go.
local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds; long micros; } bench_moment; int gettimeofday(bench_moment *, void *);")
local clock = ffi.new("bench_moment")
local ring, place, sequence = {}, 0, 0

local function moment()
  ffi.C.gettimeofday(clock, nil)
  return string.format("%d%06d", tonumber(clock.seconds), tonumber(clock.micros))
end

function init(args)
  local file = assert(io.open(os.getenv("BENCH_RING"), "rb"))
  for line in file:lines() do
    local count, mark = line:match("^(%d+) (.)$")
    local parts = {}
    for number = 1, tonumber(count) do
      local length = tonumber(file:read("*l"))
      parts[number] = length > 0 and file:read(length) or ""
    end
    ring[#ring + 1] = { parts = parts, mark = mark }
  end
  file:close()
end

function request()
  place = place % #ring + 1
  local entry = ring[place]
  if entry.mark == "-" then return entry.parts[1] end
  if entry.mark == "m" then return table.concat(entry.parts, moment()) end
  sequence = sequence + 1
  return table.concat(entry.parts, string.format("%09d", sequence))
end

function done(summary, latency, requests)
  local errors = summary.errors
  local file = assert(io.open(os.getenv("BENCH_TOTALS"), "w"))
  file:write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"errors":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
  file:close()
end
