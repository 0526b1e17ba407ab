/* A stand-in of NodeAPI: a file-transfer server's state in Redis, kept with hiredis as the workload model says.
 *
 *   nodeapi CONTRACT ADDRESSES NAME PASSWORD LABEL WORKERS INTERVAL_MS JOURNAL
 *
 * CONTRACT is how it finds its Redis: "plain" (one address, also of a balancer) or "sentinel" (a list of
 * Sentinels and the NAME of the set). Each worker is a process with one connection, does an operation every
 * INTERVAL_MS, and writes what it was told to JOURNAL.<number>:
 *
 *   S value | s         a step of the counter of changes, acknowledged | unknown
 *   N first count | n count   numbers of events
 *   T id outcome, F id outcome, E number outcome     a transfer, a file of one, an event: A(cknowledged), R(efused), U(nknown)
 *   G number | g        an event of the log, acknowledged | unknown       Y number   the poller saw it
 *   X text   an error reply      L text   a lost connection      W text   what a read showed and cannot be
 *   D ms     the slowest answer so far
 */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_BATCH 25
#define WORKERS_MAX 256

static volatile sig_atomic_t stopping;
static const char *contract, *name, *password, *label;
static char addresses[1024];
static FILE *journal;
static redisContext *server;
static int worker, interval_ms;
static long made, slowest_ms, seen_until;
static char text[4001];

static void stop(int number) {
    (void)number;
    stopping = 1;
}

static long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void rest(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* The database's own limit of NodeAPI is 20 s. */
static redisContext *dial(const char *host, int port, int seconds) {
    struct timeval patience = {seconds, 0};
    redisContext *c = redisConnectWithTimeout(host, port, patience);
    if (c && !c->err && redisSetTimeout(c, patience) == REDIS_OK) return c;
    if (c) redisFree(c);
    return NULL;
}

/* Connects, gives the password, and insists on a master as Sentinel's clients do. */
static redisContext *greet(const char *host, int port) {
    redisContext *c = dial(host, port, 20);
    if (!c) return NULL;
    redisReply *r = redisCommand(c, "AUTH %s", password);
    int good = r && r->type == REDIS_REPLY_STATUS;
    if (r) freeReplyObject(r);
    if (good && !strcmp(contract, "sentinel")) {
        r = redisCommand(c, "ROLE");
        good = r && r->type == REDIS_REPLY_ARRAY && r->elements > 0 && !strcmp(r->element[0]->str, "master");
        if (r) freeReplyObject(r);
    }
    if (good) return c;
    redisFree(c);
    return NULL;
}

static redisContext *from_sentinel(const char *host, int port) {
    redisContext *s = dial(host, port, 2), *c = NULL;
    if (!s) return NULL;
    redisReply *r = redisCommand(s, "SENTINEL get-master-addr-by-name %s", name);
    if (r && r->type == REDIS_REPLY_ARRAY && r->elements == 2) c = greet(r->element[0]->str, atoi(r->element[1]->str));
    if (r) freeReplyObject(r);
    redisFree(s);
    return c;
}

static void find_server(void) {
    while (!stopping) {
        char list[sizeof addresses], *save = NULL;
        strcpy(list, addresses);
        for (char *a = strtok_r(list, ",", &save); a; a = strtok_r(NULL, ",", &save)) {
            char *colon = strrchr(a, ':');
            *colon = 0;
            int port = atoi(colon + 1);
            server = strcmp(contract, "sentinel") ? greet(a, port) : from_sentinel(a, port);
            if (server) return;
        }
        rest(100);
    }
}

static void lost(const char *what) {
    fprintf(journal, "L %s: %s\n", what, server && server->errstr[0] ? server->errstr : "closed");
    if (server) redisFree(server);
    server = NULL;
}

/* The next reply of a batch; none if the connection is lost, and then none of the rest either. */
static redisReply *next_reply(const char *what) {
    redisReply *r = NULL;
    if (!server) return NULL;
    if (redisGetReply(server, (void **)&r) != REDIS_OK || !r) {
        lost(what);
        return NULL;
    }
    if (r->type == REDIS_REPLY_ERROR) fprintf(journal, "X %s: %s\n", what, r->str);
    return r;
}

static char outcome(const char *what) {
    redisReply *r = next_reply(what);
    char o = !r ? 'U' : r->type == REDIS_REPLY_ERROR ? 'R' : 'A';
    if (r) freeReplyObject(r);
    return o;
}

static long number(const char *what) {
    redisReply *r = next_reply(what);
    long n = !r ? -1 : r->type == REDIS_REPLY_INTEGER ? (long)r->integer : 0;
    if (r) freeReplyObject(r);
    return n;
}

static long change(void) {
    redisAppendCommand(server, "INCR m:xfer:seq:str");
    long n = number("INCR");
    if (n > 0) fprintf(journal, "S %ld\n", n);
    if (n < 0) fprintf(journal, "s\n");
    return n;
}

/* An event whose number, text and place come at once, for the pollers. */
static void log_event(void) {
    redisAppendCommand(server,
        "EVAL %s 2 m:log:seq:str m:log:idx:zset %s",
        "local n = redis.call('INCR', KEYS[1]) redis.call('ZADD', KEYS[2], n, n .. ':' .. ARGV[1]) return n", label);
    long n = number("EVAL");
    if (n > 0) fprintf(journal, "G %ld\n", n);
    if (n < 0) fprintf(journal, "g\n");
}

static void create(void) {
    char id[96];
    snprintf(id, sizeof id, "%s.%d.%ld", label, worker, ++made);
    long n = change();
    if (n <= 0) return;
    redisAppendCommand(server, "HMSET m:xfer:%s:hash id %s status waiting start_spec %s", id, id, text);
    redisAppendCommand(server, "ZADD m:xfer:bymod:zset %ld %s", n, id);
    redisAppendCommand(server, "SADD m:xfer:active:set %s", id);
    redisAppendCommand(server, "RPUSH m:jobq:list %s", id);
    char o = outcome("HMSET");
    for (int i = 0; i < 3; i++) {
        char p = outcome("create");
        if (p != o) o = 'U';
    }
    fprintf(journal, "T %s %c\n", id, o);
    if (server) log_event();
}

static void progress(void) {
    if (!made) {
        create();
        return;
    }
    long n = change();
    if (n <= 0) return;
    redisAppendCommand(server, "HMSET m:xfer:%s.%d.%ld:sess:hash s %b", label, worker, made, text, (size_t)700);
    redisAppendCommand(server, "HMSET m:xfer:%s.%d.%ld:hash status running bytes %ld", label, worker, made, n);
    redisAppendCommand(server, "ZADD m:xfer:bymod:zset %ld %s.%d.%ld", n, label, worker, made);
    for (int i = 0; i < 3; i++) outcome("progress");
}

static void files(void) {
    if (!made) create();
    if (!server) return;
    redisAppendCommand(server, "INCRBY m:ev:seq:str %d", EVENTS_BATCH);
    long last = number("INCRBY");
    if (last < 0) fprintf(journal, "n %d\n", EVENTS_BATCH);
    if (last <= 0) return;
    long first = last - EVENTS_BATCH + 1;
    fprintf(journal, "N %ld %d\n", first, EVENTS_BATCH);
    for (long e = first; e <= last; e++) {
        redisAppendCommand(server, "RPUSH m:xfer:%s.%d.%ld:files:list %b", label, worker, made, text, (size_t)400);
        redisAppendCommand(server, "SET m:ev:%ld:str %s:%ld:%b EX 129600", e, label, e, text, (size_t)480);
        redisAppendCommand(server, "ZADD m:ev:idx:zset %ld %ld", e, e);
    }
    for (long e = first; e <= last; e++) {
        fprintf(journal, "F %s.%d.%ld %c\n", label, worker, made, outcome("RPUSH"));
        char o = outcome("SET"), p = outcome("ZADD");
        fprintf(journal, "E %ld %c\n", e, o == p ? o : 'U');
    }
}

/* The transfer that changed last, whoever created it, is there. */
static void poll_one(void) {
    redisReply *r = redisCommand(server, "ZREVRANGE m:xfer:bymod:zset 0 0");
    if (!r) {
        lost("poll");
        return;
    }
    if (r->type == REDIS_REPLY_ERROR) fprintf(journal, "X poll: %s\n", r->str);
    if (r->type == REDIS_REPLY_ARRAY && r->elements == 1) {
        redisAppendCommand(server, "HGETALL m:xfer:%s:hash", r->element[0]->str);
        redisReply *h = next_reply("HGETALL");
        if (h && h->type == REDIS_REPLY_ARRAY && h->elements == 0) fprintf(journal, "W transfer %s is listed and gone\n", r->element[0]->str);
        if (h) freeReplyObject(h);
    }
    freeReplyObject(r);
}

/* What has happened since the last time: each event of the log once, in its order. */
static void poll_log(void) {
    redisAppendCommand(server, "ZRANGEBYSCORE m:log:idx:zset (%ld +inf LIMIT 0 1000", seen_until);
    redisReply *r = next_reply("ZRANGEBYSCORE");
    for (size_t i = 0; r && r->type == REDIS_REPLY_ARRAY && i < r->elements; i++) {
        seen_until = atol(r->element[i]->str);
        fprintf(journal, "Y %ld\n", seen_until);
    }
    if (r) freeReplyObject(r);
}

static int work(const char *path) {
    char file[512];
    snprintf(file, sizeof file, "%s.%d", path, worker);
    journal = fopen(file, "w");
    if (!journal) return 1;
    memset(text, 'x', sizeof text - 1);
    srand(worker * 7919 + getpid());
    rest(rand() % interval_ms);
    while (!stopping) {
        if (!server) find_server();
        if (!server) break;
        long begun = now_ms();
        int dice = rand() % 100;
        if (worker == 0) poll_log();
        else if (dice < 4) create();
        else if (dice < 40) progress();
        else if (dice < 50) files();
        else poll_one();
        long took = now_ms() - begun;
        if (took > slowest_ms) fprintf(journal, "D %ld\n", slowest_ms = took);
        fflush(journal);
        if (took < interval_ms) rest(interval_ms - took);
    }
    /* What was told at the very end is seen too. */
    if (worker == 0 && server) {
        rest(1000);
        poll_log();
    }
    return fclose(journal) ? 1 : 0;
}

int main(int argc, char **argv) {
    if (argc != 9 || strlen(argv[2]) >= sizeof addresses) {
        fprintf(stderr, "usage: nodeapi plain|sentinel ADDRESSES NAME PASSWORD LABEL WORKERS INTERVAL_MS JOURNAL\n");
        return 2;
    }
    contract = argv[1], name = argv[3], password = argv[4], label = argv[5];
    strcpy(addresses, argv[2]);
    interval_ms = atoi(argv[7]);
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    pid_t children[WORKERS_MAX];
    int count = atoi(argv[6]), failed = 0;
    for (worker = 0; worker < count && worker < WORKERS_MAX; worker++) {
        children[worker] = fork();
        if (children[worker] == 0) exit(work(argv[8]));
    }
    int status, left = worker;
    while (left > 0) {
        if (wait(&status) > 0) {
            left--;
            failed |= status;
        } else if (errno == EINTR && stopping) {
            for (int i = 0; i < worker; i++) kill(children[i], SIGTERM);
        }
    }
    return failed != 0;
}
