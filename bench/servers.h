/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers of a comparison, and what they are sent: line protocol over HTTP.
 *
 *   servers.c   starting, sending, asking            bodies.c   the lines
 *
 * A server is a process of its own; the client is this one, so its CPU time is told apart.
 */
#ifndef VV_BENCH_SERVERS_H
#define VV_BENCH_SERVERS_H

#include "hosts.h"
#include "versus.h"

typedef struct bench_server {
    bench_child child;
    char url[64];
    char data[512]; /* its directory */
    char log[520];
    const char *engine;
} bench_server;

/** A fresh one on a directory of its own below the scratch directory. engine: "varve" or
 * "victoria-metrics". */
void bench_server_start(bench_server *server, const bench_options *options,
                        const bench_peer *engine);
/** Prometheus on a directory that has data; returns when it is ready, all of its log replayed. */
void bench_server_start_prometheus(bench_server *server, const bench_options *options,
                                   const bench_peer *engine, const char *data);
/** What it has said on standard error, terminated. */
void bench_server_log(const bench_server *server, char *out_text, size_t capacity);
/** Ends it cleanly; its files stay. The CPU seconds of its whole life. */
double bench_server_stop(bench_server *server);
/** Wait until everything that was taken can be asked for. */
void bench_server_settle(const bench_server *server);
/** Bytes at rest of a server that was stopped: everything in files, merged into one part, without
 * logs (which are empty) and saved caches. */
uint64_t bench_server_rest_bytes(bench_server *server, const bench_options *options,
                                 const bench_peer *engine);
/** Ends it at once. */
void bench_server_kill(bench_server *server);
/** What a query of PromQL answers with one number, at a time in seconds. */
double bench_server_promql(const bench_server *server, const char *query, long long time_s);
/** Count and sum of all values it has of the set. */
bench_sum bench_server_sum(const bench_server *server, const bench_rows *rows);

/* ---- bodies.c ---- */

typedef struct bench_body {
    char *bytes;
    size_t size;
} bench_body;

/** The lines of a set as bodies of requests. Each connection has hosts of its own, so that the
 * lines of a host arrive in the order of time; body k of connection c is bodies[c][k]. */
typedef struct bench_bodies {
    bench_rows rows;
    bool is_split; /* a line for each field: cpu_usage_user,... value=1i */
    size_t connections, count;
    bench_body *bodies; /* [connection * count + k] */
    bench_sum sum;      /* of all values */
} bench_bodies;

enum { BENCH_BODY_LINES = 5000 };

bench_bodies bench_bodies_make(const bench_rows *rows, size_t connections, bool is_split);
void bench_bodies_free(bench_bodies *bodies);

typedef struct bench_sending {
    double seconds;
    double client_cpu_s;
    double p50_ns, p99_ns; /* of a request, from its first byte to its answer */
} bench_sending;

/** Send all, each connection in a thread of its own; ends the program at an answer other than 2xx.
 */
bench_sending bench_bodies_send(const bench_bodies *bodies, const bench_server *server);

#endif
