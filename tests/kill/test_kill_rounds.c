/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kills the real server with SIGKILL at a random moment under four writers, again and again on one
 * directory. One request is one batch. Afterwards, of every writer's batches:
 *
 *   K1  each one that was answered is there with all of its rows (sync=group);
 *   K2  the one under way is there as a whole or not at all;
 *   K3  there is no other row;
 *   K4  what rounds before have left stays as it was.
 *
 * Rounds: VARVE_KILL_ROUNDS, else a tenth of VARVE_TEST_PERCENT, at least 3.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "support/check.h"
#include "support/program.h"
#include "support/setting.h"
#include "support/temp_dir.h"

#define KILL_WRITERS     4
#define KILL_BATCH_ROWS  16
#define KILL_BATCHES_MAX 100000

typedef struct kill_writer {
    pthread_t thread;
    uint32_t port;
    uint64_t round;
    int number;
    uint64_t answered;       /* batches 0 to answered - 1 were */
    atomic_bool *is_writing; /* some writer had an answer */
} kill_writer;

/* ---- writers -------------------------------------------------------------------------------- */

static bool kill_send(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t part = send(fd, bytes, size, MSG_NOSIGNAL);
        if (part <= 0) {
            return false;
        }
        bytes += part;
        size -= (size_t)part;
    }
    return true;
}

/* Sends one batch over an open connection; true when it was answered with success. */
static bool kill_write_batch(int fd, const kill_writer *writer, uint64_t batch)
{
    char body[4096];
    char text[4400];
    size_t size = 0;
    for (uint64_t i = 0; i < KILL_BATCH_ROWS; i++) {
        size += (size_t)snprintf(
            body + size, sizeof body - size, "kill,round=%llu,w=%d b=%llui,s=\"%llu-%llu\" %llu\n",
            (unsigned long long)writer->round, writer->number, (unsigned long long)batch,
            (unsigned long long)batch, (unsigned long long)i,
            (unsigned long long)(batch * KILL_BATCH_ROWS + i));
    }
    int total = snprintf(text, sizeof text,
                         "POST /write HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n%s",
                         size, body);
    if (!kill_send(fd, text, (size_t)total)) {
        return false;
    }
    size_t have = 0;
    while (have < sizeof text - 1) { /* a 204 has no body: its head is all */
        ssize_t part = recv(fd, text + have, sizeof text - 1 - have, 0);
        if (part <= 0) {
            return false;
        }
        have += (size_t)part;
        text[have] = '\0';
        if (strstr(text, "\r\n\r\n") != NULL) {
            return strncmp(text, "HTTP/1.1 204", 12) == 0;
        }
    }
    return false;
}

static void *kill_write(void *context)
{
    kill_writer *writer = context;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)writer->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
        while (writer->answered < KILL_BATCHES_MAX &&
               kill_write_batch(fd, writer, writer->answered)) {
            writer->answered += 1;
            atomic_store(writer->is_writing, true);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    atomic_store(writer->is_writing, true); /* a writer that was refused ends the wait, too */
    return NULL;
}

/* ---- what is left --------------------------------------------------------------------------- */

/* Rows are in order of writer and time: "time,b,s" of one writer and round. Returns the batches. */
static uint64_t kill_check_writer(const char *data, const kill_writer *writer)
{
    char selector[96];
    snprintf(selector, sizeof selector, "kill{round=\"%llu\",w=\"%d\"}",
             (unsigned long long)writer->round, writer->number);
    program_result result = PROGRAM_RUN("query", selector, "--data", data, "--fields", "b,s",
                                        "--format", "tsv", "--precision", "ns");
    if (result.exit_code != 0) {
        print_error("%s\n", result.err);
    }
    assert_int_equal(result.exit_code, 0);
    uint64_t rows = 0;
    const char *line = strchr(result.out, '\n'); /* behind the header */
    assert_non_null(line);
    for (line += 1; *line != '\0'; line = strchr(line, '\n') + 1, rows++) {
        char expected[128];
        uint64_t batch = rows / KILL_BATCH_ROWS;
        int size = snprintf(expected, sizeof expected, "%llu\t%llu\t%d\t%llu\t%llu-%llu\n",
                            (unsigned long long)rows, (unsigned long long)writer->round,
                            writer->number, (unsigned long long)batch, (unsigned long long)batch,
                            (unsigned long long)(rows % KILL_BATCH_ROWS));
        if (strncmp(line, expected, (size_t)size) != 0) { /* K3 */
            print_error("round %llu, writer %d, row %llu: %.80s\n",
                        (unsigned long long)writer->round, writer->number, (unsigned long long)rows,
                        line);
            fail();
        }
    }
    program_result_free(&result);
    if (rows % KILL_BATCH_ROWS != 0 || rows / KILL_BATCH_ROWS < writer->answered ||
        rows / KILL_BATCH_ROWS > writer->answered + 1) { /* K2, K1, K3 */
        print_error("round %llu, writer %d: %llu batches answered, %llu rows of %d each\n",
                    (unsigned long long)writer->round, writer->number,
                    (unsigned long long)writer->answered, (unsigned long long)rows,
                    KILL_BATCH_ROWS);
        fail();
    }
    return rows / KILL_BATCH_ROWS;
}

static void kill_check_total(const char *data, uint64_t batches)
{
    char expected[64];
    snprintf(expected, sizeof expected, "count(b)\r\n%llu\r\n",
             (unsigned long long)(batches * KILL_BATCH_ROWS));
    program_result result = PROGRAM_RUN("query", "kill", "--data", data, "--fields", "b", "--agg",
                                        "count", "--by", "", "--csv");
    assert_int_equal(result.exit_code, 0);
    assert_string_equal(result.out, expected); /* K4 */
    program_result_free(&result);
}

static int64_t kill_now_us(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* *out_start_us: how long it took until the server told its address, recovery included. */
static uint64_t kill_round(const char *data, uint64_t round, long delay_us, int64_t *out_start_us)
{
    program server;
    kill_writer writers[KILL_WRITERS];
    atomic_bool is_writing = false;
    int64_t begin_us = kill_now_us();
    PROGRAM_SERVE(&server, "--data", data, "--listen", "127.0.0.1:0", "--sync", "group");
    *out_start_us = kill_now_us() - begin_us;
    for (int i = 0; i < KILL_WRITERS; i++) {
        writers[i] = (kill_writer){
            .port = server.port, .round = round, .number = i, .is_writing = &is_writing};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, kill_write, &writers[i]), 0);
    }
    while (!atomic_load(&is_writing)) {
        usleep(200);
    }
    usleep((useconds_t)delay_us); /* the moment is what is tried */
    assert_int_equal(program_stop(&server, SIGKILL), 128 + SIGKILL);
    uint64_t batches = 0;
    for (int i = 0; i < KILL_WRITERS; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
    }
    uint64_t answered = 0;
    for (int i = 0; i < KILL_WRITERS; i++) {
        answered += writers[i].answered;
    }
    assert_true(answered > 0);
    for (int i = 0; i < KILL_WRITERS; i++) {
        batches += kill_check_writer(data, &writers[i]);
    }
    return batches;
}

/* ---- rounds --------------------------------------------------------------------------------- */

static int kill_compare(const void *a, const void *b)
{
    const int64_t *left = a;
    const int64_t *right = b;
    return (*left > *right) - (*left < *right);
}

static void killed_servers_keep_what_they_answered(void **state)
{
    (void)state;
    uint64_t share = setting_percent() / 10;
    uint64_t rounds = setting_number("VARVE_KILL_ROUNDS", share < 3 ? 3 : share);
    unsigned int seed = (unsigned int)setting_number("VARVE_KILL_SEED", (uint64_t)time(NULL));
    uint64_t batches = 0;
    temp_dir data;
    temp_dir_create(&data);
    printf("VARVE_KILL_SEED=%u, %lu rounds\n", seed, rounds);
    int64_t *starts_us = calloc(rounds + 1, sizeof *starts_us);
    assert_non_null(starts_us);
    for (unsigned long round = 1; round <= rounds; round++) {
        long delay_us = rand_r(&seed) % 150000;
        batches += kill_round(data.path, round, delay_us, &starts_us[round - 1]);
        kill_check_total(data.path, batches);
    }
    program_result result = PROGRAM_RUN("verify", "--data", data.path);
    assert_int_equal(result.exit_code, 0);
    qsort(starts_us, rounds, sizeof *starts_us, kill_compare);
    printf("kill rounds: %lu, batches kept: %llu, restart p50 %lld ms, p99 %lld ms\n", rounds,
           (unsigned long long)batches, (long long)(starts_us[rounds / 2] / 1000),
           (long long)(starts_us[rounds * 99 / 100] / 1000));
    free(starts_us);
    program_result_free(&result);
    temp_dir_remove(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_servers_keep_what_they_answered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
