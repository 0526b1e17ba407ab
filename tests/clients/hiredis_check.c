/* A stock hiredis client: what a program in C sends, synchronously and pipelined. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, const char *got) {
    fprintf(stderr, "hiredis: %s: got %s\n", what, got ? got : "(nothing)");
    exit(1);
}

static redisReply *call(redisContext *c, const char *what, int type, const char *format, const char *a, const char *b) {
    redisReply *reply = redisCommand(c, format, a, b);
    if (!reply) fail(what, c->errstr);
    if (reply->type != type) fail(what, reply->str);
    return reply;
}

int main(int argc, char **argv) {
    if (argc != 2) fail("usage", "hiredis-check PORT");
    struct timeval patience = {20, 0};
    redisContext *c = redisConnectWithTimeout("127.0.0.1", atoi(argv[1]), patience);
    if (!c || c->err) fail("connect", c ? c->errstr : "no memory");

    redisReply *reply = call(c, "SET", REDIS_REPLY_STATUS, "SET %s %s", "hiredis:key", "value with spaces");
    freeReplyObject(reply);
    reply = call(c, "GET", REDIS_REPLY_STRING, "GET %s%s", "hiredis:key", "");
    if (strcmp(reply->str, "value with spaces")) fail("GET", reply->str);
    freeReplyObject(reply);
    reply = call(c, "missing", REDIS_REPLY_NIL, "GET %s%s", "hiredis:", "missing");
    freeReplyObject(reply);
    reply = call(c, "error", REDIS_REPLY_ERROR, "HGET %s %s", "hiredis:key", "field");
    if (strncmp(reply->str, "WRONGTYPE", 9)) fail("error", reply->str);
    freeReplyObject(reply);

    /* Binary safe. */
    const char binary[] = {'a', 0, '\r', '\n', 'b'};
    reply = redisCommand(c, "SET hiredis:binary %b", binary, sizeof binary);
    freeReplyObject(reply);
    reply = redisCommand(c, "GET hiredis:binary");
    if (!reply || reply->len != sizeof binary || memcmp(reply->str, binary, sizeof binary)) fail("binary", "other bytes");
    freeReplyObject(reply);

    /* A long pipeline keeps its order, reads between writes included. */
    freeReplyObject(redisCommand(c, "DEL hiredis:counter"));
    for (int i = 0; i < 1000; i++) {
        redisAppendCommand(c, "INCR hiredis:counter");
        redisAppendCommand(c, "GET hiredis:counter");
    }
    for (int i = 1; i <= 1000; i++) {
        if (redisGetReply(c, (void **)&reply) != REDIS_OK || reply->integer != i) fail("pipeline INCR", c->errstr);
        freeReplyObject(reply);
        if (redisGetReply(c, (void **)&reply) != REDIS_OK || atoi(reply->str) != i) fail("pipeline GET", c->errstr);
        freeReplyObject(reply);
    }
    redisFree(c);
    return 0;
}
