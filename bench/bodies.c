/* SPDX-License-Identifier: Apache-2.0 */
/* Line protocol as bodies of requests, and their sending over connections that stay open. */
#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "servers.h"

enum { BODIES_CONNECTIONS_MAX = 16 };

/* ---- making ---- */

/** The lines of one step, of some hosts, with a line for each field. */
static void bodies_write_split(FILE *target, const bench_walk *walk, size_t step, size_t first_host,
                               size_t host_count)
{
    const bench_rows *rows = &walk->rows;
    for (size_t host = first_host; host < first_host + host_count; host++) {
        bench_tags tags;
        bench_tags_of(host, &tags);
        for (size_t field = 0; field < rows->fields; field++) {
            fprintf(target, "%s_%s", bench_rows_metric(rows), bench_rows_field(rows, field));
            for (size_t i = 0; i < BENCH_TAGS; i++) {
                fprintf(target, ",%s=%s", bench_tag_name(i), tags.values[i]);
            }
            fprintf(target, " value=%.0fi %lld\n", walk->values[host * rows->fields + field],
                    (long long)bench_rows_time_ns(step));
        }
    }
}

typedef struct bodies_writer {
    FILE *file; /* NULL: between two bodies */
    size_t lines, done;
} bodies_writer;

/** Lines of one step and of the hosts of one connection, cut into bodies. */
static void bodies_add(bench_bodies *all, bodies_writer *writer, const bench_walk *walk,
                       const bench_prefixes *prefixes, size_t step, size_t connection)
{
    size_t first = all->rows.hosts * connection / all->connections;
    size_t end = all->rows.hosts * (connection + 1) / all->connections;
    size_t lines_each = all->is_split ? all->rows.fields : 1;
    while (first < end) {
        bench_body *body = &all->bodies[connection * all->count + writer->done];
        if (writer->file == NULL) {
            writer->file = open_memstream(&body->bytes, &body->size);
            writer->lines = 0;
        }
        if (writer->file == NULL || writer->done == all->count) {
            bench_die("no memory for a body");
        }
        size_t room = (BENCH_BODY_LINES - writer->lines) / lines_each;
        size_t count = end - first < room ? end - first : room;
        if (all->is_split) {
            bodies_write_split(writer->file, walk, step, first, count);
        } else {
            bench_lines_write(writer->file, walk, prefixes, step, first, count);
        }
        writer->lines += count * lines_each;
        first += count;
        if (writer->lines + lines_each > BENCH_BODY_LINES) {
            fclose(writer->file);
            *writer = (bodies_writer){.done = writer->done + 1};
        }
    }
}

bench_bodies bench_bodies_make(const bench_rows *rows, size_t connections, bool is_split)
{
    bench_bodies all = {.rows = *rows, .is_split = is_split, .connections = connections};
    bodies_writer writers[BODIES_CONNECTIONS_MAX] = {{0}};
    size_t hosts_each = rows->hosts / connections + 1;
    size_t lines = hosts_each * rows->steps * (is_split ? rows->fields : 1);
    all.count = lines / BENCH_BODY_LINES + 1;
    all.bodies = bench_memory(connections * all.count, sizeof *all.bodies);
    bench_prefixes *prefixes = is_split ? NULL : bench_prefixes_make(rows);
    bench_walk walk = bench_walk_start(rows);
    for (size_t step = 0; step < rows->steps; step++) {
        bench_walk_next(&walk);
        for (size_t i = 0; i < rows->hosts * rows->fields; i++) {
            all.sum.sum += walk.values[i];
        }
        for (size_t i = 0; i < connections; i++) {
            bodies_add(&all, &writers[i], &walk, prefixes, step, i);
        }
    }
    for (size_t i = 0; i < connections; i++) {
        if (writers[i].file != NULL) {
            fclose(writers[i].file);
        }
    }
    all.sum.rows = (double)bench_rows_values(rows);
    bench_walk_end(&walk);
    if (prefixes != NULL) {
        bench_prefixes_free(prefixes);
    }
    return all;
}

void bench_bodies_free(bench_bodies *bodies)
{
    for (size_t i = 0; i < bodies->connections * bodies->count; i++) {
        free(bodies->bodies[i].bytes);
    }
    free(bodies->bodies);
    *bodies = (bench_bodies){0};
}

/* ---- sending ---- */

typedef struct bodies_sender {
    const bench_bodies *bodies;
    const bench_server *server;
    pthread_barrier_t *start;
    size_t connection;
    int64_t *latencies; /* a place for each body */
    size_t sent;
} bodies_sender;

/** Answers have no bodies worth keeping. */
static size_t bodies_ignore(char *bytes, size_t size, size_t count, void *context)
{
    (void)bytes;
    (void)context;
    return size * count;
}

static void *bodies_send(void *context)
{
    bodies_sender *sender = context;
    char url[128];
    snprintf(url, sizeof url, "%s/write", sender->server->url);
    CURL *link = curl_easy_init();
    if (link == NULL) {
        bench_die("no memory for a connection");
    }
    /* Without "Expect: 100-continue", and with one packet less for it. */
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    headers = curl_slist_append(headers, "Content-Type: text/plain");
    curl_easy_setopt(link, CURLOPT_URL, url);
    curl_easy_setopt(link, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(link, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(link, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(link, CURLOPT_WRITEFUNCTION, bodies_ignore);
    pthread_barrier_wait(sender->start);
    for (size_t i = 0; i < sender->bodies->count; i++) {
        const bench_body *body =
            &sender->bodies->bodies[sender->connection * sender->bodies->count + i];
        if (body->size == 0) {
            continue;
        }
        long status = 0;
        curl_easy_setopt(link, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->size);
        curl_easy_setopt(link, CURLOPT_POSTFIELDS, body->bytes);
        int64_t start = bench_now_ns();
        CURLcode code = curl_easy_perform(link);
        sender->latencies[sender->sent] = bench_now_ns() - start;
        sender->sent++;
        curl_easy_getinfo(link, CURLINFO_RESPONSE_CODE, &status);
        if (code != CURLE_OK || status / 100 != 2) {
            bench_die("%s takes no lines: %s, status %ld", sender->server->engine,
                      curl_easy_strerror(code), status);
        }
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(link);
    return NULL;
}

bench_sending bench_bodies_send(const bench_bodies *bodies, const bench_server *server)
{
    pthread_t threads[BODIES_CONNECTIONS_MAX];
    bodies_sender senders[BODIES_CONNECTIONS_MAX];
    pthread_barrier_t start;
    int64_t *latencies = bench_memory(bodies->connections * bodies->count, sizeof *latencies);
    curl_global_init(CURL_GLOBAL_ALL);
    pthread_barrier_init(&start, NULL, (unsigned)bodies->connections + 1);
    for (size_t i = 0; i < bodies->connections; i++) {
        senders[i] = (bodies_sender){.bodies = bodies,
                                     .server = server,
                                     .start = &start,
                                     .connection = i,
                                     .latencies = latencies + i * bodies->count};
        if (pthread_create(&threads[i], NULL, bodies_send, &senders[i]) != 0) {
            bench_die("no thread");
        }
    }
    pthread_barrier_wait(&start);
    int64_t began = bench_now_ns();
    int64_t cpu_began = bench_cpu_ns();
    size_t sent = 0;
    for (size_t i = 0; i < bodies->connections; i++) {
        pthread_join(threads[i], NULL);
        memmove(latencies + sent, senders[i].latencies, senders[i].sent * sizeof *latencies);
        sent += senders[i].sent;
    }
    bench_sending sending = {
        .seconds = (double)(bench_now_ns() - began) * 1e-9,
        .client_cpu_s = (double)(bench_cpu_ns() - cpu_began) * 1e-9,
        .p50_ns = bench_quantile(latencies, sent, 0.5),
        .p99_ns = bench_quantile(latencies, sent, 0.99),
    };
    pthread_barrier_destroy(&start);
    free(latencies);
    return sending;
}
