/* SPDX-License-Identifier: Apache-2.0 */
/* The server under a service manager: what it says, and what it has given up. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/check.h"
#include "support/http_client.h"
#include "support/program.h"
#include "support/temp_dir.h"

typedef struct fixture {
    temp_dir dir;
    char data[600];
    char file[600];
    int notify_fd;
} fixture;

static int begin(void **state)
{
    static fixture f;
    temp_dir_create(&f.dir);
    (void)snprintf(f.data, sizeof f.data, "%s", temp_dir_path(&f.dir, "data"));
    (void)snprintf(f.file, sizeof f.file, "%s", temp_dir_path(&f.dir, "varve.yaml"));
    f.notify_fd = -1;
    *state = &f;
    return 0;
}

static int end(void **state)
{
    fixture *f = *state;
    if (f->notify_fd >= 0) {
        close(f->notify_fd);
    }
    temp_dir_remove(&f->dir);
    return unsetenv("NOTIFY_SOCKET") + unsetenv("WATCHDOG_USEC");
}

/** Listen as a service manager does; a name that begins with '@' is abstract. */
static void listen_as(fixture *f, const char *name)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 30};
    size_t size = strlen(name);
    assert_true(size < sizeof local.sun_path);
    memcpy(local.sun_path, name, size);
    if (name[0] == '@') {
        local.sun_path[0] = '\0';
    }
    f->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(f->notify_fd >= 0);
    assert_int_equal(bind(f->notify_fd, (struct sockaddr *)&local,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)),
                     0);
    assert_int_equal(setsockopt(f->notify_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience),
                     0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
}

/** The next message that is no sign of life begins so. */
static void expect_message(const fixture *f, const char *begin_text)
{
    char message[1024];
    do {
        ssize_t size = recv(f->notify_fd, message, sizeof message - 1, 0);
        assert_true(size > 0);
        message[size] = '\0';
    } while (strcmp(message, "WATCHDOG=1") == 0);
    if (strncmp(message, begin_text, strlen(begin_text)) != 0) {
        print_error("%s\n", message);
    }
    assert_memory_equal(message, begin_text, strlen(begin_text));
}

static void expect_watchdog(const fixture *f)
{
    char message[1024] = "";
    while (strcmp(message, "WATCHDOG=1") != 0) {
        ssize_t size = recv(f->notify_fd, message, sizeof message - 1, 0);
        assert_true(size > 0);
        message[size] = '\0';
    }
}

static void check_messages(fixture *f, const char *name)
{
    program server;
    listen_as(f, name);
    PROGRAM_SERVE(&server, "--data", f->data, "--listen", "127.0.0.1:0");
    expect_message(f, "STATUS=opening ");
    expect_message(f, "READY=1\nSTATUS=serving on 127.0.0.1:");
    assert_int_equal(kill(server.pid, SIGHUP), 0);
    expect_message(f, "RELOADING=1\nMONOTONIC_USEC=");
    expect_message(f, "READY=1");
    assert_int_equal(kill(server.pid, SIGTERM), 0);
    expect_message(f, "STOPPING=1\n");
    assert_int_equal(program_stop(&server, 0), 0);
}

static void the_manager_hears_how_it_goes(void **state)
{
    fixture *f = *state;
    char path[108];
    (void)snprintf(path, sizeof path, "/tmp/varve-notify-%ld", (long)getpid());
    check_messages(f, path);
    assert_int_equal(unlink(path), 0);
}

static void abstract_sockets_are_known(void **state)
{
    fixture *f = *state;
    char name[64];
    (void)snprintf(name, sizeof name, "@varve-manager-%ld", (long)getpid());
    check_messages(f, name);
}

static void signs_of_life_are_given(void **state)
{
    fixture *f = *state;
    program server;
    char name[64];
    (void)snprintf(name, sizeof name, "@varve-watchdog-%ld", (long)getpid());
    listen_as(f, name);
    assert_int_equal(setenv("WATCHDOG_USEC", "2000000", 1), 0);
    PROGRAM_SERVE(&server, "--data", f->data, "--listen", "127.0.0.1:0", "--http-prefix", "/x");
    expect_watchdog(f);
    /* A request is counted when it has ended, which may be after its sign was given. */
    bool is_counted = false;
    while (!is_counted) {
        http_reply reply = http_get(server.port, "/x/metrics");
        assert_int_equal(reply.code, 200);
        is_counted = strstr(reply.body, "{path=\"/healthz\",code=\"200\"}") != NULL;
        http_reply_free(&reply);
    }
    assert_int_equal(program_stop(&server, SIGTERM), 0);
}

static void a_manager_that_is_gone_changes_nothing(void **state)
{
    fixture *f = *state;
    program server;
    assert_int_equal(setenv("NOTIFY_SOCKET", "/no/such/socket", 1), 0);
    PROGRAM_SERVE(&server, "--data", f->data, "--listen", "127.0.0.1:0");
    assert_int_equal(program_stop(&server, SIGTERM), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", "nonsense", 1), 0);
    PROGRAM_SERVE(&server, "--data", f->data, "--listen", "127.0.0.1:0");
    assert_int_equal(program_stop(&server, SIGTERM), 0);
}

/* ---- what it has given up ---- */

static void read_proc(const program *server, const char *name, char *text, size_t capacity)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%ld/%s", (long)server->pid, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, capacity - 1, file);
    text[size] = '\0';
    (void)fclose(file);
}

static unsigned long long hex_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    assert_non_null(at);
    return strtoull(at + strlen(key), NULL, 16);
}

static void privileges_are_given_up(void **state)
{
    fixture *f = *state;
    program server;
    char text[8192];
    const unsigned long long bind_low_ports = 1ull << 10; /* CAP_NET_BIND_SERVICE */
    PROGRAM_SERVE(&server, "--data", f->data, "--listen", "127.0.0.1:0");
    read_proc(&server, "status", text, sizeof text);
    assert_non_null(strstr(text, "NoNewPrivs:\t1\n"));
    assert_int_equal(hex_after(text, "CapEff:") & ~bind_low_ports, 0);
    assert_int_equal(hex_after(text, "CapPrm:") & ~bind_low_ports, 0);
    assert_int_equal(hex_after(text, "CapInh:"), 0);
    read_proc(&server, "limits", text, sizeof text);
    unsigned long long core = strtoull(strstr(text, "Max core file size") + 18, NULL, 10);
    assert_true(core <= 1);
    /* Of every thread: they were started afterwards. */
    http_reply reply = http_get(server.port, "/healthz");
    assert_int_equal(reply.code, 200);
    http_reply_free(&reply);
    assert_int_equal(program_stop(&server, SIGTERM), 0);
}

static void privileges_stay_when_asked_for(void **state)
{
    fixture *f = *state;
    program server;
    char own[8192];
    char text[8192];
    const program self = {.pid = getpid()};
    PROGRAM_SERVE(&server, "--data", f->data, "--listen", "127.0.0.1:0", "--allow-root",
                  "--allow-core");
    read_proc(&self, "status", own, sizeof own);
    read_proc(&server, "status", text, sizeof text);
    assert_true(hex_after(text, "CapEff:") == hex_after(own, "CapEff:"));
    read_proc(&self, "limits", own, sizeof own);
    read_proc(&server, "limits", text, sizeof text);
    assert_memory_equal(strstr(own, "Max core"), strstr(text, "Max core"), 40);
    assert_int_equal(program_stop(&server, SIGTERM), 0);
}

static void root_does_not_serve_others_unless_told_to(void **state)
{
    fixture *f = *state;
    program server;
    if (geteuid() != 0) {
        skip();
    }
    program_result result =
        PROGRAM_RUN("serve", "--data", f->data, "--listen", "0.0.0.0:0", "--insecure-no-auth");
    assert_int_equal(result.exit_code, 2);
    assert_non_null(strstr(result.err, "--allow-root"));
    assert_non_null(strstr(result.err, "event=serve.root"));
    program_result_free(&result);
    PROGRAM_SERVE(&server, "--data", f->data, "--listen", "0.0.0.0:0", "--insecure-no-auth",
                  "--allow-root");
    assert_int_equal(program_stop(&server, SIGTERM), 0);
}

/* ---- memory that is never code ---- */

/** From now on no memory is both written and run, as MemoryDenyWriteExecute of systemd has it. */
static void deny_write_execute(void)
{
#define LOAD(member) \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, member))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define DENY  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
    struct sock_filter filter[] = {
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 4),
        LOAD(args[2]),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, PROT_WRITE | PROT_EXEC),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_WRITE | PROT_EXEC, 0, 1),
        DENY,
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
        LOAD(args[2]),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
        DENY,
        ALLOW,
    };
    struct sock_fprog loaded = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &loaded), 0);
}

/** In a child, since what is denied stays denied. */
static int serve_without_executable_memory(const fixture *f)
{
    program server;
    deny_write_execute();
    void *memory =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory == MAP_FAILED);
    PROGRAM_SERVE(&server, "--data", f->data, "--listen", "127.0.0.1:0");
    http_reply reply = http_post(server.port, "/write", "m,h=ab12 v=1 1\nm,h=ba21 v=2 1\n");
    assert_int_equal(reply.code, 204);
    http_reply_free(&reply);
    reply = http_get(server.port, "/api/v1/export?match[]=m%7Bh%3D~%22%5Ba-b%5D%2B1%2B2%22%7D");
    assert_int_equal(reply.code, 200);
    assert_non_null(strstr(reply.body, "ab12"));
    assert_null(strstr(reply.body, "ba21"));
    http_reply_free(&reply);
    return program_stop(&server, SIGTERM);
}

static void patterns_match_without_executable_memory(void **state)
{
    fixture *f = *state;
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(serve_without_executable_memory(f));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- a health check ---- */

static void expect_ping(program_result result, int exit_code, const char *text)
{
    assert_int_equal(result.exit_code, exit_code);
    assert_true(strstr(result.out, text) != NULL || strstr(result.err, text) != NULL);
    program_result_free(&result);
}

static void a_ping_tells_by_its_exit_code(void **state)
{
    fixture *f = *state;
    program server;
    char url[80];
    PROGRAM_SERVE(&server, "--data", f->data, "--listen", "127.0.0.1:0");
    (void)snprintf(url, sizeof url, "%s/", server.url);
    expect_ping(PROGRAM_RUN("ping", "--url", url), 0, "is ready");
    assert_int_equal(setenv("VARVE_URL", server.url, 1), 0);
    expect_ping(PROGRAM_RUN("ping"), 0, "is ready");
    assert_int_equal(unsetenv("VARVE_URL"), 0);
    (void)snprintf(url, sizeof url, "%s/no/such", server.url);
    expect_ping(PROGRAM_RUN("ping", "--url", url), 1, "404");
    assert_int_equal(program_stop(&server, SIGTERM), 0);
    expect_ping(PROGRAM_RUN("ping", "--url", server.url), 4, "onnect");
    expect_ping(PROGRAM_RUN("ping", "--url", "ftp://127.0.0.1"), 2, "ftp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_manager_hears_how_it_goes, begin, end),
        cmocka_unit_test_setup_teardown(abstract_sockets_are_known, begin, end),
        cmocka_unit_test_setup_teardown(signs_of_life_are_given, begin, end),
        cmocka_unit_test_setup_teardown(a_manager_that_is_gone_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(privileges_are_given_up, begin, end),
        cmocka_unit_test_setup_teardown(privileges_stay_when_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(root_does_not_serve_others_unless_told_to, begin, end),
        cmocka_unit_test_setup_teardown(patterns_match_without_executable_memory, begin, end),
        cmocka_unit_test_setup_teardown(a_ping_tells_by_its_exit_code, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
