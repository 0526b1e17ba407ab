/* hiredis: pipelines and blocking pops between the two surviving nodes. Debian 12 has release 0.14, which speaks RESP2
 * only; pushes of RESP3 are the business of the Python and JavaScript clients. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIPELINED 50

static void fail(const char *what, const redisContext *node, const redisReply *reply) {
    printf("FAILED %s: %s%s\n", what, node->err ? node->errstr : "", reply && reply->str ? reply->str : "");
    exit(1);
}

static long kills(void) {
    long count = 0;
    FILE *file = fopen(getenv("QUORATE_KILLS"), "r");
    if (!file || fscanf(file, "%ld", &count) != 1) {
        printf("FAILED the number of kills cannot be read\n");
        exit(1);
    }
    fclose(file);
    return count;
}

static redisContext *connect_to(int port) {
    struct timeval patience = {90, 0};
    redisContext *node = redisConnect("127.0.0.1", port);
    if (!node || node->err || redisSetTimeout(node, patience) != REDIS_OK) {
        printf("FAILED no connection to port %d\n", port);
        exit(1);
    }
    return node;
}

/* One command; the number that it answers, or -1 for what is no number. */
static long long run(redisContext *node, const char *command, long argument) {
    redisReply *reply = redisCommand(node, command, argument);
    if (!reply || reply->type == REDIS_REPLY_ERROR) fail(command, node, reply);
    long long value = reply->type == REDIS_REPLY_INTEGER ? reply->integer
                    : reply->type == REDIS_REPLY_STRING ? atoll(reply->str) : -1;
    freeReplyObject(reply);
    return value;
}

int main(void) {
    int ports[2];
    long before = kills(), rounds = 0, rounds_min = 150;
    const char *quick_or_long = getenv("QUORATE_LONG");
    if (quick_or_long && !strcmp(quick_or_long, "1")) rounds_min = 5000;
    if (sscanf(getenv("QUORATE_SURVIVORS"), "%d,%d", &ports[0], &ports[1]) != 2) return 2;
    redisContext *nodes[2] = {connect_to(ports[0]), connect_to(ports[1])};
    redisContext *waiting = connect_to(ports[0]);
    for (int i = 0; i < 2; i++) run(nodes[i], "SELECT 10", 0);
    run(waiting, "SELECT 10", 0);
    run(nodes[0], "FLUSHDB", 0);

    for (; rounds < rounds_min || kills() - before < 2; rounds++) {
        redisContext *node = nodes[rounds % 2], *other = nodes[1 - rounds % 2];
        redisReply *reply;
        redisAppendCommand(waiting, "BLPOP queue 60");
        if (redisBufferWrite(waiting, NULL) != REDIS_OK) fail("BLPOP", waiting, NULL);
        for (int i = 0; i < PIPELINED; i++) {
            redisAppendCommand(node, "INCR exact");
            redisAppendCommand(node, "GET exact");
        }
        for (long i = 1; i <= PIPELINED; i++) {
            long expected = rounds * PIPELINED + i;
            if (redisGetReply(node, (void **)&reply) != REDIS_OK || reply->integer != expected) fail("INCR", node, reply);
            freeReplyObject(reply);
            if (redisGetReply(node, (void **)&reply) != REDIS_OK || !reply->str || atol(reply->str) != expected) {
                fail("GET", node, reply);
            }
            freeReplyObject(reply);
        }
        if (run(other, "GET exact", 0) != (rounds + 1) * PIPELINED) fail("GET on the other node", other, NULL);
        run(other, "RPUSH queue %ld", rounds);
        if (redisGetReply(waiting, (void **)&reply) != REDIS_OK || reply->type != REDIS_REPLY_ARRAY ||
            reply->elements != 2 || atol(reply->element[1]->str) != rounds) {
            fail("BLPOP", waiting, reply);
        }
        freeReplyObject(reply);
    }
    for (int i = 0; i < 2; i++) redisFree(nodes[i]);
    redisFree(waiting);
    printf("%ld rounds, over %ld dead leaders\n", rounds, kills() - before);
    return 0;
}
