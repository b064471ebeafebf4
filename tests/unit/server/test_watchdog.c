/* SPDX-License-Identifier: Apache-2.0 */
/* Signs of life: given while the server answers, and only then. */
#include "server/watchdog.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/notify.h"
#include "net/probe.h"
#include "support/check.h"
#include "sys/clock.h"
#include "sys/process.h"
#include "sys/thread.h"

typedef struct fixture {
    vv_alloc alloc;
    vv_notify notify;
    int notify_fd;
    int listen_fd;
    char address[64];
    sem_t logged;
    char event[64];
} fixture;

static fixture *watched;

static void remember_event(void *context, uint32_t level, const char *event, const char *message)
{
    (void)context;
    (void)level;
    (void)message;
    (void)snprintf(watched->event, sizeof watched->event, "%s", event);
    assert_int_equal(sem_post(&watched->logged), 0);
}

/** A datagram socket with an abstract name, and a listening one that nobody accepts from. */
static int begin(void **state)
{
    static fixture f;
    varve_error err;
    char name[64];
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    socklen_t size = sizeof v4;
    struct timeval patience = {.tv_sec = 20};
    f = (fixture){.notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                  .listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    watched = &f;
    vv_alloc_init(&f.alloc, NULL);
    assert_int_equal(sem_init(&f.logged, 0, 0), 0);
    int length = snprintf(name, sizeof name, "@varve-test-%ld-%p", (long)getpid(), (void *)state);
    memcpy(local.sun_path + 1, name + 1, (size_t)length - 1);
    assert_int_equal(bind(f.notify_fd, (struct sockaddr *)&local,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length)),
                     0);
    assert_int_equal(setsockopt(f.notify_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience),
                     0);
    check_ok(vv_notify_init(&f.notify, name, &err), &err);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(f.listen_fd, (struct sockaddr *)&v4, sizeof v4), 0);
    assert_int_equal(listen(f.listen_fd, 8), 0);
    assert_int_equal(getsockname(f.listen_fd, (struct sockaddr *)&v4, &size), 0);
    (void)snprintf(f.address, sizeof f.address, "127.0.0.1:%u", ntohs(v4.sin_port));
    *state = &f;
    return 0;
}

static int end(void **state)
{
    fixture *f = *state;
    close(f->notify_fd);
    close(f->listen_fd);
    assert_int_equal(vv_alloc_bytes(&f->alloc), 0);
    return 0;
}

/** Answers clients with some bytes, or none, until its socket is shut down. */
typedef struct answerer {
    int listen_fd;
    const char *answer;
} answerer;

static void answerer_main(void *context)
{
    const answerer *a = context;
    for (;;) {
        char request[512];
        int fd = accept(a->listen_fd, NULL, NULL);
        if (fd < 0) {
            return;
        }
        ssize_t size = recv(fd, request, sizeof request, 0);
        assert_true(size <= 0 || memcmp(request, "GET /x HTTP/1.1\r\n", 17) == 0);
        (void)send(fd, a->answer, strlen(a->answer), MSG_NOSIGNAL); /* it may have given up */
        close(fd);
    }
}

static vv_watchdog_options options_of(fixture *f, uint64_t period_us)
{
    return (vv_watchdog_options){.alloc = &f->alloc,
                                 .notify = &f->notify,
                                 .address = f->address,
                                 .path = VARVE_STR("/x"),
                                 .period_us = period_us,
                                 .log = remember_event};
}

static void a_server_that_answers_gives_signs(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_thread thread = {.is_started = false};
    answerer a = {.listen_fd = f->listen_fd, .answer = "HTTP/1.1 503 Busy\r\n\r\n"};
    check_ok(vv_thread_start(&thread, "answerer", answerer_main, &a, &err), &err);
    vv_watchdog *watchdog;
    vv_watchdog_options options = options_of(f, 20 * 1000 * 1000);
    check_ok(vv_watchdog_start(&options, &watchdog, &err), &err);
    char message[64];
    ssize_t size = recv(f->notify_fd, message, sizeof message, 0);
    assert_int_equal(size, 10);
    assert_memory_equal(message, "WATCHDOG=1", 10);
    vv_watchdog_stop(watchdog);
    vv_watchdog_stop(NULL);
    assert_int_equal(shutdown(f->listen_fd, SHUT_RDWR), 0);
    vv_thread_join(&thread);
}

static void a_server_that_hangs_gives_none(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_watchdog *watchdog;
    vv_watchdog_options options = options_of(f, 40 * 1000); /* 10 ms for an answer */
    check_ok(vv_watchdog_start(&options, &watchdog, &err), &err);
    while (sem_wait(&f->logged) != 0) {
    }
    assert_string_equal(f->event, "watchdog.silent");
    char message[64];
    assert_int_equal(recv(f->notify_fd, message, sizeof message, MSG_DONTWAIT), -1);
    vv_watchdog_stop(watchdog);
}

static void a_probe_tells_life_from_death(void **state)
{
    fixture *f = *state;
    varve_error err;
    vv_thread thread = {.is_started = false};
    answerer a = {.listen_fd = f->listen_fd, .answer = ""};
    int64_t late = vv_deadline_after_ns(20 * VV_NS_PER_S);
    check_ok(vv_thread_start(&thread, "answerer", answerer_main, &a, &err), &err);
    assert_true(vv_probe_answers(f->address, VARVE_STR("/x"), late)); /* closed: too many */
    assert_int_equal(shutdown(f->listen_fd, SHUT_RDWR), 0);
    vv_thread_join(&thread);
    assert_false(vv_probe_answers(f->address, VARVE_STR("/x"), late)); /* nobody listens */
    static const char *const bad[] = {"",       ":",       "127.0.0.1",   "127.0.0.1:65536",
                                      "[::1:1", "[]:1",    "unix:",       "unix:/no/such/socket",
                                      "a.b:1",  "1.2.3:x", "[1.2.3.4]:1", "["};
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        assert_false(vv_probe_answers(bad[index], VARVE_STR("/x"), late));
    }
}

static void the_period_is_that_of_this_process(void **state)
{
    (void)state;
    char pid[32];
    (void)snprintf(pid, sizeof pid, "%llu", (unsigned long long)vv_process_id());
    assert_int_equal(vv_watchdog_period_us(NULL, NULL), 0);
    assert_int_equal(vv_watchdog_period_us("30000000", NULL), 30000000);
    assert_int_equal(vv_watchdog_period_us("30000000", pid), 30000000);
    assert_int_equal(vv_watchdog_period_us("30000000", "1"), 0);
    assert_int_equal(vv_watchdog_period_us("30000000", "x"), 0);
    assert_int_equal(vv_watchdog_period_us("30s", NULL), 0);
    assert_int_equal(vv_watchdog_period_us("18446744073709551615", NULL), UINT64_C(86400000000));
}

static void names_of_sockets_are_checked(void **state)
{
    (void)state;
    varve_error err;
    vv_notify notify;
    char name[VV_NOTIFY_NAME_BYTES_MAX + 2];
    check_ok(vv_notify_init(&notify, NULL, &err), &err);
    check_ok(vv_notify_init(&notify, "", &err), &err);
    check_ok(vv_notify_send(&notify, &err, "READY=1"), &err); /* nobody listens */
    memset(name, 'x', sizeof name);
    name[0] = '/';
    name[VV_NOTIFY_NAME_BYTES_MAX] = '\0';
    check_ok(vv_notify_init(&notify, name, &err), &err);
    check_status(VARVE_E_IO, vv_notify_send(&notify, &err, "READY=1"));
    name[VV_NOTIFY_NAME_BYTES_MAX] = 'x';
    name[VV_NOTIFY_NAME_BYTES_MAX + 1] = '\0';
    check_status(VARVE_E_INVALID, vv_notify_init(&notify, name, &err));
    check_status(VARVE_E_INVALID, vv_notify_init(&notify, "@", &err));
    check_status(VARVE_E_INVALID, vv_notify_init(&notify, "vsock:2:3", &err));
    check_ok(vv_notify_send(&notify, &err, "READY=1"), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_server_that_answers_gives_signs, begin, end),
        cmocka_unit_test_setup_teardown(a_server_that_hangs_gives_none, begin, end),
        cmocka_unit_test_setup_teardown(a_probe_tells_life_from_death, begin, end),
        cmocka_unit_test(the_period_is_that_of_this_process),
        cmocka_unit_test(names_of_sockets_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
