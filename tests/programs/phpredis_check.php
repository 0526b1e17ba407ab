<?php
// phpredis: what web sites do with it (cache, counters, transactions, scripts, locks) on both surviving nodes.

$ports = array_map('intval', explode(',', getenv('QUORATE_SURVIVORS')));
$rounds_min = getenv('QUORATE_LONG') === '1' ? 3000 : 150;

function kills(): int
{
    return (int) file_get_contents(getenv('QUORATE_KILLS'));
}

function expect(string $what, $expected, $got): void
{
    if ($expected !== $got) {
        echo "FAILED $what: expected ", json_encode($expected), ', got ', json_encode($got), "\n";
        exit(1);
    }
}

function connect(int $port): Redis
{
    $node = new Redis();
    $node->connect('127.0.0.1', $port, 5.0, null, 0, 90.0);
    // A closed connection is to be an error, not a second try.
    $node->setOption(Redis::OPT_MAX_RETRIES, 0);
    $node->select(9);
    return $node;
}

set_exception_handler(function (Throwable $error): void {
    echo "FAILED {$error}\n";
    exit(1);
});

$nodes = array_map('connect', $ports);
$nodes[0]->flushDB();
$before = kills();
$ids = array_map(fn (Redis $node) => $node->client('id'), $nodes);

for ($round = 1; $round <= $rounds_min || kills() - $before < 2; $round++) {
    [$own, $other] = $round % 2 ? $nodes : array_reverse($nodes);
    expect('set', true, $own->set("cache:$round", serialize(['round' => $round]), ['nx', 'ex' => 600]));
    expect('get', ['round' => $round], unserialize($other->get("cache:$round")));
    expect('incr', $round, $own->incr('exact'));
    $replies = $other->multi()->hIncrBy('hash', 'field', 2)->zIncrBy('zset', 0.5, 'member')->exec();
    expect('a transaction', [2 * $round, 0.5 * $round], $replies);
    expect('a pipeline', [$round, (string) $round], $own->pipeline()->rPush('list', $round)->lIndex('list', -1)->exec());
    $script = "return {redis.call('incr', KEYS[1]), ARGV[1], cjson.encode({ARGV[1]})}";
    expect('a script', [$round, "x$round", "[\"x$round\"]"], $other->eval($script, ['scripted', "x$round"], 1));
    $own->watch('watched');
    $value = (int) $own->get('watched');
    $disturbed = $round % 4 === 0 ? $other->incr('watched') : null;
    $done = $own->multi()->set('watched', $value + 1)->exec();
    expect('a watched transaction', $disturbed ? false : [true], $done);
    expect('add to a stream', 1, preg_match('/^\d+-\d+$/', $own->xAdd('stream', '*', ['round' => $round])));
    usleep(5000);
}
$rounds = $round - 1;
expect('entries', $rounds, $nodes[1]->xLen('stream'));
expect('a list', array_map('strval', range(1, $rounds)), $nodes[0]->lRange('list', 0, -1));
expect('keys', $rounds, count((function (Redis $node): array {
    $node->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
    $found = [];
    for ($cursor = null; ($keys = $node->scan($cursor, 'cache:*', 100)) !== false;) {
        $found += array_flip($keys);
    }
    return $found;
})($nodes[1])));
expect('the connections are those of the beginning', $ids, array_map(fn (Redis $node) => $node->client('id'), $nodes));
$deaths = kills() - $before;
echo "$rounds rounds, over $deaths dead leaders\n";
