/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/check.h"

static jmp_buf escape;
static const char *failed_claim;
static int failed_line;
static int covered_count;

static void note_failure(const char *file, int line, const char *claim)
{
    assert_non_null(strstr(file, "test_assert.c"));
    failed_line = line;
    failed_claim = claim;
    longjmp(escape, 1);
}

static void note_cover(const char *file, int line)
{
    (void)file;
    (void)line;
    covered_count += 1;
}

static void true_claims_do_nothing(void **state)
{
    (void)state;
    int evaluations = 0;
    VV_ASSERT(++evaluations == 1);
    assert_int_equal(evaluations, 1);
    VV_DEBUG_ASSERT(evaluations == 1);
}

static void false_claims_reach_the_handler(void **state)
{
    (void)state;
    vv_assert_set_handler(note_failure);
    failed_claim = NULL;
    if (setjmp(escape) == 0) {
        VV_ASSERT(1 + 1 == 3);
        fail();
    }
    vv_assert_set_handler(NULL);
    assert_string_equal(failed_claim, "1 + 1 == 3");
    assert_in_range(failed_line, 1, 200);
}

static void cover_is_reported_where_it_holds(void **state)
{
    (void)state;
    covered_count = 0;
    VV_COVER(covered_count == 0);
    vv_cover_set_handler(note_cover);
    VV_COVER(covered_count == 5);
    assert_int_equal(covered_count, 0);
    VV_COVER(covered_count == 0);
    vv_cover_set_handler(NULL);
#ifdef NDEBUG
    assert_int_equal(covered_count, 0);
#else
    assert_int_equal(covered_count, 1);
#endif
}

/* What a child that fails a claim writes to standard error; it must die by SIGABRT. */
static void run_failing_child(char *output, size_t capacity)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL);
        VV_ASSERT(capacity == 0);
        _exit(0);
    }
    assert_int_not_equal(child, -1);
    (void)close(ends[1]);
    size_t size = 0;
    ssize_t part = 0;
    while (size < capacity - 1 && (part = read(ends[0], output + size, capacity - 1 - size)) > 0) {
        size += (size_t)part;
    }
    output[size] = '\0';
    (void)close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void the_default_writes_one_line_and_aborts(void **state)
{
    (void)state;
    char output[1024];
    run_failing_child(output, sizeof output);
    assert_non_null(strstr(output, "test_assert.c:"));
    assert_non_null(strstr(output, "assertion failed: capacity == 0\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(true_claims_do_nothing),
        cmocka_unit_test(false_claims_reach_the_handler),
        cmocka_unit_test(cover_is_reported_where_it_holds),
        cmocka_unit_test(the_default_writes_one_line_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
