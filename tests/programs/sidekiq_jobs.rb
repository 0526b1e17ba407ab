# The jobs of the Sidekiq check, and how its processes reach the cluster. Each job counts its runs.
require "sidekiq"

Sidekiq.configure_server do |config|
  config.redis = { url: ENV.fetch("REDIS_URL"), timeout: 90 }
  config.average_scheduled_poll_interval = 1
end

# A job that just works.
class Count
  include Sidekiq::Worker

  def perform(number)
    Sidekiq.redis { |node| node.hincrby("runs", "count:#{number}", 1) }
  end
end

# A job that fails at first, as a call to a service that is down does.
class SecondTime
  include Sidekiq::Worker
  sidekiq_options retry: 3
  sidekiq_retry_in { 0 }

  def perform(number)
    times = Sidekiq.redis { |node| node.hincrby("runs", "second:#{number}", 1) }
    raise "not yet" if times < 2
  end
end
