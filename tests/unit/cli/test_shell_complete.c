/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "base/text.h"
#include "cli/shell_complete.h"
#include "support/check.h"

/* Names of a made-up database; what was asked last is kept. */
typedef struct fixture {
    vv_alloc alloc;
    vv_arena arena;
    char asked[128]; /* "labels of cpu", "values of host of cpu" */
    bool fails;
} fixture;

static varve_text metric_names[] = {VV_TEXT_INIT("cpu"), VV_TEXT_INIT("cpu_percent"),
                                    VV_TEXT_INIT("query"), VV_TEXT_INIT("two words"),
                                    VV_TEXT_INIT("weather")};
static varve_text field_names[] = {VV_TEXT_INIT("idle"), VV_TEXT_INIT("user")};
static varve_text label_names[] = {VV_TEXT_INIT("dc"), VV_TEXT_INIT("host")};
static varve_text label_values[] = {VV_TEXT_INIT("a b"), VV_TEXT_INIT("a\"q"), VV_TEXT_INIT("web1"),
                                    VV_TEXT_INIT("web2"), VV_TEXT_INIT("wéb")};

static varve_status give_names(void *context, vv_shell_names_kind kind, varve_text metric,
                               varve_text label, vv_arena *arena, varve_text **out_names,
                               size_t *out_count, varve_error *out_err)
{
    static const struct {
        const char *what;
        varve_text *names;
        size_t count;
    } lists[] = {
        [VV_SHELL_METRICS] = {"metrics", metric_names, VV_ARRAY_COUNT(metric_names)},
        [VV_SHELL_FIELDS] = {"fields", field_names, VV_ARRAY_COUNT(field_names)},
        [VV_SHELL_LABELS] = {"labels", label_names, VV_ARRAY_COUNT(label_names)},
        [VV_SHELL_VALUES] = {"values", label_values, VV_ARRAY_COUNT(label_values)},
    };
    fixture *f = context;
    (void)arena;
    vv_text_format(f->asked, sizeof f->asked, "%s%s%.*s%s%.*s", lists[kind].what,
                   label.size > 0 ? " of " : "", VV_TEXT_ARGS(label), metric.size > 0 ? " of " : "",
                   VV_TEXT_ARGS(metric));
    *out_names = lists[kind].names;
    *out_count = lists[kind].count;
    return f->fails ? vv_fail(out_err, VARVE_E_TIMEOUT, "too slow") : VARVE_OK;
}

/** What is offered, as "begin: one two ...ending". */
static const char *offered(fixture *f, const char *line)
{
    static char text[4096];
    vv_completions found;
    varve_error err;
    vv_shell_names names = {.list = give_names, .context = f};
    f->asked[0] = '\0';
    vv_arena_reset(&f->arena);
    check_ok(vv_shell_complete(vv_text_from_string(line), &names, &f->arena, &found, &err), &err);
    size_t size = 0;
    text[0] = '\0';
    for (size_t i = 0; i < found.count; i++) {
        size += vv_text_format(text + size, sizeof text - size, "%s%.*s", i == 0 ? "" : " ",
                               VV_TEXT_ARGS(found.texts[i]));
    }
    vv_text_format(text + size, sizeof text - size, "|%.*s", VV_TEXT_ARGS(found.ending));
    return text;
}

static int set_up(void **state)
{
    static fixture f;
    memset(&f, 0, sizeof f);
    vv_alloc_init(&f.alloc, NULL);
    vv_arena_init(&f.arena, &f.alloc, SIZE_MAX);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    vv_arena_deinit(&f->arena);
    assert_int_equal(0, vv_alloc_bytes(&f->alloc));
    return 0;
}

static void shell_complete_knows_verbs_and_metrics_first(void **state)
{
    assert_string_equal("cpu cpu_percent| ", offered(*state, "cpu"));
    assert_string_equal("weather| ", offered(*state, "  we"));
    /* A metric may be called like a verb: offered once. */
    assert_string_equal("query| ", offered(*state, "que"));
    assert_non_null(strstr(offered(*state, ""), "verify"));
    assert_string_equal("verify version| ", offered(*state, "ver"));
    assert_string_equal("|", offered(*state, "# cp"));
    assert_string_equal(".mode| ", offered(*state, ".m"));
}

static void shell_complete_knows_where_a_selector_is(void **state)
{
    fixture *f = *state;
    assert_string_equal("cpu cpu_percent| ", offered(f, "query cp"));
    assert_string_equal("cpu cpu_percent|", offered(f, "query 'cp"));
    assert_string_equal("dc host|=", offered(f, "query 'cpu{"));
    assert_string_equal("labels of cpu", f->asked);
    assert_string_equal("host|=", offered(f, "cpu{dc=\"x\", h"));
    assert_string_equal("host|=", offered(f, "cpu{ dc =~ \"a,}\\\"\" ,h"));
    assert_string_equal("web1\" web2\"|", offered(f, "query cpu{host=~\"we"));
    assert_string_equal("values of host of cpu", f->asked);
    assert_string_equal("\"a b\" \"web1\" \"web2\" \"wéb\"|", offered(f, "cpu{host!="));
    assert_string_equal("a b\" web1\" web2\" wéb\"|", offered(f, "cpu{host=\""));
    assert_string_equal("|", offered(f, "cpu{host=\"web1\""));
    assert_string_equal("|", offered(f, "cpu{host='we"));
    assert_string_equal("|", offered(f, "query \"cpu{ho"));
    assert_string_equal("dc host|=", offered(f, "{"));
    assert_string_equal("labels", f->asked);
}

static void shell_complete_knows_options_and_their_words(void **state)
{
    fixture *f = *state;
    assert_string_equal("descending| ", offered(f, "query cpu --desc"));
    assert_string_equal("descending| ", offered(f, "cpu --desc"));
    assert_string_equal("| ", offered(f, "query cpu --ur"));
    assert_string_equal("| ", offered(f, "query cpu --dat"));
    assert_string_equal("max max_time|", offered(f, "query cpu --agg min,ma"));
    assert_string_equal("p90 p95 p99|", offered(f, "query cpu --agg=p9"));
    assert_string_equal("dc host|", offered(f, "query --last 1h cpu{a=\"b\"} --by "));
    assert_string_equal("labels of cpu", f->asked);
    assert_string_equal("host|", offered(f, "cpu --by dc,h"));
    assert_string_equal("labels of cpu", f->asked);
    assert_string_equal("user|", offered(f, "query cpu --fields idle,u"));
    assert_string_equal("fields of cpu", f->asked);
    assert_string_equal("json jsonl| ", offered(f, "query cpu --format j"));
    assert_string_equal("ms| ", offered(f, "query cpu --precision m"));
    assert_string_equal("csv| ", offered(f, ".mode cs"));
    assert_string_equal("off on| ", offered(f, ".timer "));
    /* A flag takes no word: what follows is an operand. */
    assert_string_equal("cpu cpu_percent| ", offered(f, "query --descending c"));
}

static void shell_complete_reads_operands_off_the_table(void **state)
{
    assert_string_equal("verify version| ", offered(*state, "help ver"));
    assert_string_equal("| ", offered(*state, "info c"));
    assert_string_equal("weather| ", offered(*state, "series cpu we"));
}

static void shell_complete_is_quiet_when_names_fail(void **state)
{
    fixture *f = *state;
    f->fails = true;
    assert_string_equal("|=", offered(f, "cpu{"));
    assert_string_equal("verify version| ", offered(f, "ver"));
}

static void shell_complete_common_text_splits_no_character(void **state)
{
    (void)state;
    varve_text texts[] = {VV_TEXT_INIT("aé"), VV_TEXT_INIT("aè")};
    vv_completions found = {.texts = texts, .count = 2};
    assert_int_equal(1, vv_completions_common(&found).size);
    found.count = 1;
    assert_int_equal(3, vv_completions_common(&found).size);
    found.count = 0;
    assert_int_equal(0, vv_completions_common(&found).size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shell_complete_knows_verbs_and_metrics_first, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(shell_complete_knows_where_a_selector_is, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(shell_complete_knows_options_and_their_words, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(shell_complete_reads_operands_off_the_table, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(shell_complete_is_quiet_when_names_fail, set_up, tear_down),
        cmocka_unit_test(shell_complete_common_text_splits_no_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
