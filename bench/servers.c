/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers: varve says on standard output where it listens; VictoriaMetrics is given a port that was
 * free a moment ago, and is asked until it is well.
 */
#include "servers.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    SERVERS_ANSWER_BYTES = 1 << 20,
    SERVERS_PATH_BYTES = 600,
    SERVERS_WAIT_S_MAX = 120,
    SERVERS_PAUSE_NS = 10000000,
    SERVERS_IDLE = 30 /* pauses */
};

/* ---- asking ---- */

static char servers_answer[SERVERS_ANSWER_BYTES]; /* the last one */

static size_t servers_keep(char *bytes, size_t size, size_t count, void *context)
{
    size_t *answer_size = context;
    size_t room = SERVERS_ANSWER_BYTES - 1 - *answer_size;
    size_t kept = size * count < room ? size * count : room;
    memcpy(servers_answer + *answer_size, bytes, kept);
    *answer_size += kept;
    servers_answer[*answer_size] = '\0';
    return size * count;
}

/** GET, or POST of a body; the status, 0 when nobody answers. */
static long servers_ask(const bench_server *server, const char *path, const char *body)
{
    char url[SERVERS_PATH_BYTES];
    size_t answer_size = 0;
    long status = 0;
    servers_answer[0] = '\0';
    snprintf(url, sizeof url, "%s%s", server->url, path);
    CURL *link = curl_easy_init();
    if (link == NULL) {
        bench_die("no memory for a connection");
    }
    curl_easy_setopt(link, CURLOPT_URL, url);
    curl_easy_setopt(link, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(link, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(link, CURLOPT_WRITEFUNCTION, servers_keep);
    curl_easy_setopt(link, CURLOPT_WRITEDATA, &answer_size);
    if (body != NULL) {
        curl_easy_setopt(link, CURLOPT_POSTFIELDS, body);
    }
    if (curl_easy_perform(link) == CURLE_OK) {
        curl_easy_getinfo(link, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_easy_cleanup(link);
    return status;
}

/** The answer lives until the next question. */
static const char *servers_must(const bench_server *server, const char *path, const char *body)
{
    long status = servers_ask(server, path, body);
    if (status / 100 != 2) {
        bench_die("%s answers %s with status %ld: %s", server->engine, path, status,
                  servers_answer);
    }
    return servers_answer;
}

static void servers_pause(int64_t start, const char *what)
{
    const struct timespec pause = {.tv_nsec = SERVERS_PAUSE_NS};
    if (bench_now_ns() - start > SERVERS_WAIT_S_MAX * INT64_C(1000000000)) {
        bench_die("%s takes longer than %d s", what, SERVERS_WAIT_S_MAX);
    }
    nanosleep(&pause, NULL);
}

/* ---- starting ---- */

static bool servers_is_victoria(const bench_server *server)
{
    return strcmp(server->engine, "victoria-metrics") == 0;
}

static unsigned servers_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int end = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (end < 0 || bind(end, (struct sockaddr *)&address, size) != 0 ||
        getsockname(end, (struct sockaddr *)&address, &size) != 0) {
        bench_die("no free port");
    }
    close(end);
    return ntohs(address.sin_port);
}

static void servers_start_varve(bench_server *server, const char *program, const char *log)
{
    const char *const argv[] = {program,       "serve",  "--data", server->data, "--listen",
                                "127.0.0.1:0", "--sync", "none",   NULL};
    server->child = bench_child_start(&(bench_command){.argv = argv, .log = log});
    char line[128];
    size_t size = 0;
    while (size + 1 < sizeof line && read(server->child.out, line + size, 1) == 1 &&
           line[size] != '\n') {
        size++;
    }
    line[size] = '\0';
    static const char title[] = "listening http ";
    if (strncmp(line, title, sizeof title - 1) != 0) {
        bench_die("varve does not serve: %s", line);
    }
    snprintf(server->url, sizeof server->url, "%.60s", line + sizeof title - 1);
}

static void servers_start_victoria(bench_server *server, const char *program, const char *log)
{
    char data[SERVERS_PATH_BYTES];
    char listen[64];
    snprintf(data, sizeof data, "-storageDataPath=%s", server->data);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u", servers_free_port());
    snprintf(listen, sizeof listen, "-httpListenAddr=%s", server->url + strlen("http://"));
    const char *const argv[] = {program,
                                data,
                                listen,
                                "-retentionPeriod=100y",
                                "-loggerLevel=ERROR",
                                "-search.maxUniqueTimeseries=100000000",
                                "-search.maxSamplesPerQuery=100000000000",
                                "-search.maxQueryDuration=10m",
                                NULL};
    server->child = bench_child_start(&(bench_command){.argv = argv, .log = log});
    int64_t start = bench_now_ns();
    while (servers_ask(server, "/health", NULL) != 200) {
        servers_pause(start, "the start of victoria-metrics");
    }
}

void bench_server_start_prometheus(bench_server *server, const bench_options *options,
                                   const bench_peer *engine, const char *data)
{
    char config[SERVERS_PATH_BYTES];
    char path[SERVERS_PATH_BYTES];
    char listen[96];
    *server = (bench_server){.engine = engine->name};
    snprintf(server->data, sizeof server->data, "%s", data);
    snprintf(server->log, sizeof server->log, "%s.log", server->data);
    unlink(server->log);
    snprintf(config, sizeof config, "%s/prometheus.yml", bench_scratch(options));
    FILE *file = fopen(config, "we");
    if (file == NULL || fputs("global:\n  scrape_interval: 1h\n", file) < 0 || fclose(file) != 0) {
        bench_die("%s cannot be written", config);
    }
    snprintf(config, sizeof config, "--config.file=%s/prometheus.yml", bench_scratch(options));
    snprintf(path, sizeof path, "--storage.tsdb.path=%s", data);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u", servers_free_port());
    snprintf(listen, sizeof listen, "--web.listen-address=%s", server->url + strlen("http://"));
    const char *const argv[] = {engine->path,
                                config,
                                path,
                                listen,
                                "--storage.tsdb.retention.time=100y",
                                "--query.max-samples=1000000000",
                                NULL};
    server->child = bench_child_start(&(bench_command){.argv = argv, .log = server->log});
    int64_t start = bench_now_ns();
    while (servers_ask(server, "/-/ready", NULL) != 200) {
        servers_pause(start, "the start of prometheus");
    }
}

void bench_server_log(const bench_server *server, char *out_text, size_t capacity)
{
    FILE *file = fopen(server->log, "re");
    size_t size = file == NULL ? 0 : fread(out_text, 1, capacity - 1, file);
    out_text[size] = '\0';
    if (file != NULL) {
        fclose(file);
    }
}

void bench_server_start(bench_server *server, const bench_options *options,
                        const bench_peer *engine)
{
    *server = (bench_server){.engine = engine->name};
    snprintf(server->data, sizeof server->data, "%.400s/%s-data", bench_scratch(options),
             engine->name);
    snprintf(server->log, sizeof server->log, "%s.log", server->data);
    bench_tree_remove(server->data);
    if (servers_is_victoria(server)) {
        servers_start_victoria(server, engine->path, server->log);
    } else {
        servers_start_varve(server, engine->path, server->log);
    }
}

double bench_server_stop(bench_server *server)
{
    return bench_child_stop(&server->child);
}

void bench_server_kill(bench_server *server)
{
    bench_child_kill(&server->child);
}

/* ---- what it has ---- */

void bench_server_settle(const bench_server *server)
{
    if (servers_is_victoria(server)) {
        servers_must(server, "/internal/force_flush", NULL);
    }
}

/** The number after `title` in an answer, where a quote may stand between. */
static double servers_number(const bench_server *server, const char *answer, const char *title)
{
    const char *at = strstr(answer, title);
    if (at == NULL) {
        bench_die("%s answers without %s: %s", server->engine, title, answer);
    }
    at += strlen(title);
    return strtod(at + (*at == '"'), NULL);
}

double bench_server_promql(const bench_server *server, const char *query, long long time_s)
{
    char path[SERVERS_PATH_BYTES];
    char title[64];
    char *escaped = curl_easy_escape(NULL, query, 0);
    snprintf(path, sizeof path, "/api/v1/query?nocache=1&time=%lld&query=%s", time_s,
             escaped == NULL ? "" : escaped);
    curl_free(escaped);
    snprintf(title, sizeof title, "\"value\":[%lld,", time_s);
    return servers_number(server, servers_must(server, path, NULL), title);
}

static double servers_victoria(const bench_server *server, const bench_rows *rows,
                               const char *function)
{
    char query[SERVERS_PATH_BYTES];
    /* Ranges leave their first moment out: half a step later, all steps lie inside. */
    long long end = bench_rows_time_ns(rows->steps - 1) / INT64_C(1000000000) + 5;
    snprintf(query, sizeof query, "sum(%s({__name__=~\"cpu_.*\"}[%zus]))", function,
             rows->steps * 10);
    return bench_server_promql(server, query, end);
}

/** Sum and count of one field of all series, with a query of rows. */
static bench_sum servers_varve(const bench_server *server, const char *field)
{
    char body[256];
    snprintf(body, sizeof body,
             "{\"fields\":[{\"field\":\"%s\",\"agg\":\"sum\"},{\"field\":\"%s\",\"agg\":\"count\"}]"
             ",\"group\":\"all\"}",
             field, field);
    const char *answer = servers_must(server, "/api/v1/rows", body);
    static const char title[] = "\"rows\":[[null,";
    bench_sum sum = {.sum = servers_number(server, answer, title)};
    const char *second = strchr(strstr(answer, title) + sizeof title - 1, ',');
    sum.rows = second == NULL ? 0 : strtod(second + 1, NULL);
    return sum;
}

bench_sum bench_server_sum(const bench_server *server, const bench_rows *rows)
{
    if (servers_is_victoria(server)) {
        return (bench_sum){.sum = servers_victoria(server, rows, "sum_over_time"),
                           .rows = servers_victoria(server, rows, "count_over_time")};
    }
    bench_sum all = {0};
    for (size_t i = 0; i < rows->fields; i++) {
        bench_sum one = servers_varve(server, bench_rows_field(rows, i));
        all.sum += one.sum;
        all.rows += one.rows;
    }
    return all;
}

/* ---- at rest ---- */

static uint64_t servers_part_bytes(const bench_server *server, const char *part)
{
    char path[SERVERS_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", server->data, part);
    return bench_tree_bytes(path);
}

/** Merges begin in the background: they are over when none was active for a while. */
static void servers_merge_victoria(const bench_server *server)
{
    servers_must(server, "/internal/force_flush", NULL);
    servers_must(server, "/internal/force_merge", NULL);
    int64_t start = bench_now_ns();
    for (int idle = 0; idle < SERVERS_IDLE;) {
        const char *answer = servers_must(server, "/metrics", NULL);
        double active =
            servers_number(server, answer, "vm_active_force_merges ") +
            servers_number(server, answer, "vm_active_merges{type=\"storage/big\"} ") +
            servers_number(server, answer, "vm_active_merges{type=\"storage/small\"} ") +
            servers_number(server, answer, "vm_active_merges{type=\"indexdb\"} ");
        idle = active == 0 ? idle + 1 : 0;
        servers_pause(start, "the merge of victoria-metrics");
    }
}

uint64_t bench_server_rest_bytes(bench_server *server, const bench_options *options,
                                 const bench_peer *engine)
{
    if (servers_is_victoria(server)) {
        servers_merge_victoria(server);
        bench_server_stop(server);
        return servers_part_bytes(server, "data") + servers_part_bytes(server, "indexdb") +
               servers_part_bytes(server, "metadata");
    }
    char text[4096];
    char log[SERVERS_PATH_BYTES];
    bench_server_stop(server);
    snprintf(log, sizeof log, "%s/compact.log", bench_scratch(options));
    const char *const argv[] = {engine->path, "compact", "--data", server->data, "--all", NULL};
    bench_child_run(&(bench_command){.argv = argv, .log = log}, text, sizeof text);
    return servers_part_bytes(server, "seg") + servers_part_bytes(server, "manifest") +
           servers_part_bytes(server, "IDENT");
}
