<?php
// phpredis: its Sentinel class finds the master, its client writes and reads there.
[, $addresses, $name, $password] = $argv;
$master = false;
foreach (explode(',', $addresses) as $address) {
    [$host, $port] = explode(':', $address);
    try {
        $sentinel = new RedisSentinel($host, (int) $port, 2.0);
        $master = $sentinel->getMasterAddrByName($name);
        count($sentinel->sentinels($name)) === 2 or die("not two other sentinels\n");
        $sentinel->ckquorum($name) or die("no quorum\n");
    } catch (RedisException $error) {
        continue;
    }
    if ($master) {
        break;
    }
}
$master or die("no master\n");
$redis = new Redis();
$redis->connect($master[0], (int) $master[1], 20.0);
$redis->auth($password);
$redis->set('php:key', "binary \0 value");
$redis->get('php:key') === "binary \0 value" or die("another value\n");
$replies = $redis->multi()->incr('php:counter')->get('php:counter')->exec();
$replies[0] === (int) $replies[1] or die("no transaction\n");
echo "ok\n";
