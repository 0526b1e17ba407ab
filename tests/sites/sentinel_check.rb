# A stock Ruby client in its Sentinel mode: it finds the master, and writes and reads there.
require "redis"

addresses, name, password = ARGV
sentinels = addresses.split(",").map { |address| address.split(":") }.map { |host, port| { host: host, port: port.to_i } }
redis = Redis.new(url: "redis://#{name}", sentinels: sentinels, role: :master, password: password, reconnect_attempts: 5)
redis.set("ruby:key", "value")
raise "another value" unless redis.get("ruby:key") == "value"
counters = redis.pipelined { |pipe| 3.times { pipe.incr("ruby:counter") } }
raise "no counter: #{counters}" unless counters == (counters[0]..counters[0] + 2).to_a
raise "not the master" unless redis.call("ROLE")[0] == "master"
puts "ok"
