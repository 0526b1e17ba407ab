# Sidekiq: a process on each surviving node, jobs pushed through both, some later, some that fail and are retried.
#
# Sidekiq takes a job off its queue before it runs it (BRPOP), so a job is never run twice, and lost only with its
# process. No process dies here: each job runs exactly as often as it should.
require "sidekiq"
require "sidekiq/api"
require_relative "sidekiq_jobs"

PORTS = ENV.fetch("QUORATE_SURVIVORS").split(",").map(&:to_i)
LONG = ENV["QUORATE_LONG"] == "1"
PATIENCE = 90
$stdout.sync = true

def failed(why)
  puts "FAILED #{why}"
  exit 1
end

def expect(what, expected, got)
  failed("#{what}: expected #{expected.inspect}, got #{got.inspect}") unless expected == got
end

def wait_until(what)
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + PATIENCE
  until yield
    failed("#{what}: not within #{PATIENCE} s") if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
    sleep 0.05
  end
end

def kills = File.read(ENV.fetch("QUORATE_KILLS")).to_i

def url(number) = "redis://127.0.0.1:#{PORTS[number % 2]}/8"

def start(number)
  log = File.join(ENV.fetch("QUORATE_WORK"), "sidekiq-#{number}.log")
  jobs = File.join(__dir__, "sidekiq_jobs.rb")
  [spawn({ "REDIS_URL" => url(number) }, "sidekiq", "-r", jobs, "-c", "4", out: log, err: log), log]
end

before = kills
pools = [0, 1].map { |n| ConnectionPool.new(size: 2) { Redis.new(url: url(n), timeout: PATIENCE) } }
Sidekiq.redis = pools[0]
Sidekiq.redis(&:flushdb)
processes = [start(0), start(1)]
at_exit do
  processes.each { |pid, _| Process.kill("TERM", pid) rescue nil }
  processes.each { |pid, _| Process.wait(pid) rescue nil }
end
wait_until("both processes are there") { Sidekiq::ProcessSet.new.size == 2 }

clients = pools.map { |pool| Sidekiq::Client.new(pool) }
expected = {}
number = 0
while number < (LONG ? 5_000 : 250) || kills - before < 2
  client = clients[number % 2]
  client.push("class" => Count, "args" => [number])
  expected["count:#{number}"] = 1
  if number % 20 == 0
    client.push("class" => SecondTime, "args" => [number])
    expected["second:#{number}"] = 2
    client.push("class" => Count, "args" => [-1 - number], "at" => Time.now.to_f + 1)
    expected["count:#{-1 - number}"] = 1
  end
  number += 1
  # Not more than a few in the queue, so that the work spans the kills.
  wait_until("processes keep pace") { Sidekiq::Queue.new.size < 40 } if number % 20 == 0
end
bulk = (1_000_000...1_000_100).map { |n| [n] }
clients[1].push_bulk("class" => Count, "args" => bulk)
bulk.each { |(n)| expected["count:#{n}"] = 1 }

runs = {}
wait_until("all jobs have run") do
  runs = pools[1].with { |node| node.hgetall("runs") }.transform_values(&:to_i)
  runs.values.sum >= expected.values.sum
end
expect("how often jobs ran", {}, runs.reject { |name, times| expected[name] == times })
expect("jobs that ran", expected.size, runs.size)
wait_until("all is counted") { Sidekiq::Stats.new.processed >= expected.values.sum }
stats = Sidekiq::Stats.new
expect("jobs left over", [0, 0, 0, 0], [stats.enqueued, stats.scheduled_size, stats.retry_size, stats.dead_size])
processes.each do |pid, log|
  expect("end of a process", nil, Process.wait(pid, Process::WNOHANG))
  troubles = File.readlines(log).grep(/Error fetching|heartbeat:|Redis::|ConnectionError/)
  failed("a process met trouble: #{troubles.first(5)}") unless troubles.empty?
end
puts "#{expected.size} jobs, each as often as it should, over #{kills - before} dead leaders"
