/* SPDX-License-Identifier: Apache-2.0 */
/* Every row of config.def: both sides of its range, every origin, what it prints reads back. */
#include "server/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json_writer.h"
#include "base/slice.h"
#include "base/text.h"
#include "support/check.h"
#include "support/failing_alloc.h"

typedef struct fixture {
    vv_alloc alloc;
    vv_config config;
    vv_buf text;
    varve_error err;
} fixture;

static int begin(void **state)
{
    static fixture f;
    vv_alloc_init(&f.alloc, NULL);
    vv_buf_init(&f.text, &f.alloc, SIZE_MAX);
    check_ok(vv_config_init(&f.config, &f.alloc, &f.err), &f.err);
    *state = &f;
    return 0;
}

static int end(void **state)
{
    fixture *f = *state;
    vv_buf_deinit(&f->text);
    vv_config_deinit(&f->config);
    assert_int_equal(vv_alloc_bytes(&f->alloc), 0);
    return 0;
}

static varve_status give(fixture *f, vv_setting_id id, vv_origin origin, varve_text text)
{
    vv_given given = {.origin = origin, .line = 3, .column = 7, .texts = &text, .count = 1};
    return vv_config_set(&f->config, id, &given, &f->err);
}

static varve_status parse(fixture *f, const char *yaml)
{
    vv_config_deinit(&f->config);
    check_ok(vv_config_init(&f->config, &f->alloc, &f->err), &f->err);
    return vv_config_parse_file(&f->config, VV_TEXT("a.yaml"), vv_text_from_string(yaml), &f->err);
}

static bool is_text(const vv_setting *setting)
{
    return setting->kind == VV_KIND_TEXT || setting->kind == VV_KIND_LIST;
}

/** A value of the setting that is not its default, in memory of the fixture's buffer. */
static varve_text other_value(fixture *f, vv_setting_id id)
{
    const vv_setting *setting = &vv_settings[id];
    vv_buf_reset(&f->text);
    if (setting->kind == VV_KIND_BOOL) {
        bool is_on = f->config.values[id].number != 0;
        vv_buf_append_text(&f->text, is_on ? VV_TEXT("false") : VV_TEXT("true"));
    } else if (setting->kind == VV_KIND_WORD) {
        varve_text rest = vv_text_from_string(setting->words);
        varve_text word;
        while (vv_text_split(&rest, '|', &word) && vv_text_equal(word, f->config.values[id].text)) {
        }
        vv_buf_append_text(&f->text, word);
    } else if (is_text(setting)) {
        vv_buf_append_fill(&f->text, 'x', setting->least == 0 ? 1 : (size_t)setting->least);
    } else {
        bool is_most = f->config.values[id].number == setting->most;
        vv_setting_print_number(setting, is_most ? setting->least : setting->most, &f->text);
    }
    return vv_buf_text(&f->text);
}

/* ---- the table ---- */

static void every_row_says_what_it_is(void **state)
{
    (void)state;
    for (size_t id = 0; id < VV_SETTING_COUNT; id++) {
        const vv_setting *setting = &vv_settings[id];
        assert_int_equal(vv_setting_find(vv_text_from_string(setting->name)), id);
        assert_true(strlen(setting->help) > 5);
        assert_true(setting->help[strlen(setting->help) - 1] != '.');
        assert_int_equal(setting->kind == VV_KIND_WORD, setting->words != NULL);
        assert_true(setting->kind == VV_KIND_BOOL || setting->argument != NULL);
        for (const char *c = setting->name; *c != '\0'; c++) {
            assert_true(*c == '-' || (*c >= 'a' && *c <= 'z'));
        }
        uint64_t member_max =
            setting->server.size == 4 || setting->database.size == 4 ? UINT32_MAX : UINT64_MAX;
        assert_true(setting->most <= member_max);
    }
}

static void variables_are_named_as_their_settings(void **state)
{
    (void)state;
    char name[128];
    assert_int_equal(vv_setting_variable(VV_SETTING_QUERY_TIMEOUT, name, sizeof name), 19);
    assert_string_equal(name, "VARVE_QUERY_TIMEOUT");
    assert_int_equal(vv_setting_find(VV_TEXT("url")), VV_SETTING_COUNT); /* of the client */
    assert_int_equal(vv_setting_find(VV_TEXT("")), VV_SETTING_COUNT);
}

static void defaults_are_those_of_the_options(void **state)
{
    fixture *f = *state;
    vv_server_options server;
    vv_server_options server_applied;
    varve_options database;
    varve_options database_applied;
    vv_server_options_init(&server);
    varve_options_init(&database);
    server_applied = server;
    database_applied = database;
    vv_config_apply(&f->config, &server_applied, &database_applied);
    assert_int_equal(server.unix_mode, server_applied.unix_mode);
    for (size_t id = 0; id < VV_SETTING_COUNT; id++) {
        vv_member member = vv_settings[id].server;
        if (is_text(&vv_settings[id])) {
            if (member.size > 0) {
                varve_text texts[2];
                memcpy(&texts[0], (char *)&server + member.offset, sizeof texts[0]);
                memcpy(&texts[1], (char *)&server_applied + member.offset, sizeof texts[1]);
                assert_true(vv_text_equal(texts[0], texts[1]));
            }
            continue;
        }
        assert_memory_equal((char *)&server + member.offset,
                            (char *)&server_applied + member.offset, member.size);
        member = vv_settings[id].database;
        /* What the options leave open, with 0, the table may say. */
        uint64_t number = 0;
        memcpy(&number, (char *)&database + member.offset, member.size);
        uint64_t applied = 0;
        memcpy(&applied, (char *)&database_applied + member.offset, member.size);
        if (id == VV_SETTING_SYNC) {
            assert_int_equal(applied, VARVE_SYNC_GROUP);
        } else if (number != 0) {
            assert_int_equal(number, applied);
        }
    }
}

static void values_reach_their_members(void **state)
{
    fixture *f = *state;
    for (size_t id = 0; id < VV_SETTING_COUNT; id++) {
        vv_member members[] = {vv_settings[id].server, vv_settings[id].database};
        check_ok(give(f, (vv_setting_id)id, VV_ORIGIN_FLAG, other_value(f, (vv_setting_id)id)),
                 &f->err);
        vv_server_options server = {.listen = VARVE_STR("")};
        varve_options database = {.flags = 0};
        vv_config_apply(&f->config, &server, &database);
        char *options[] = {(char *)&server, (char *)&database};
        if (is_text(&vv_settings[id])) {
            varve_text text = f->config.values[id].text;
            memcpy(&text, options[0] + members[0].offset, members[0].size);
            assert_true(vv_text_equal(text, f->config.values[id].text));
            continue;
        }
        for (size_t index = 0; index < 2; index++) {
            uint64_t number = 0; /* little endian */
            memcpy(&number, options[index] + members[index].offset, members[index].size);
            assert_true(members[index].size == 0 || number == f->config.values[id].number);
        }
    }
}

/* ---- ranges ---- */

static void every_range_is_kept_on_both_sides(void **state)
{
    fixture *f = *state;
    static char letters[VV_CONFIG_VALUE_BYTES_MAX + 2];
    memset(letters, 'x', sizeof letters);
    for (size_t at = 0; at < VV_SETTING_COUNT; at++) {
        vv_setting_id id = (vv_setting_id)at;
        const vv_setting *setting = &vv_settings[id];
        if (is_text(setting)) {
            assert_true(setting->most <= VV_CONFIG_VALUE_BYTES_MAX);
            check_ok(give(f, id, VV_ORIGIN_FLAG, vv_text_make(letters, setting->least)), &f->err);
            check_ok(give(f, id, VV_ORIGIN_FLAG, vv_text_make(letters, setting->most)), &f->err);
            check_status(VARVE_E_INVALID,
                         give(f, id, VV_ORIGIN_FLAG, vv_text_make(letters, setting->most + 1)));
            if (setting->least > 0) {
                check_status(VARVE_E_INVALID, give(f, id, VV_ORIGIN_FLAG, VV_TEXT("")));
            }
            continue;
        }
        check_status(VARVE_E_INVALID, give(f, id, VV_ORIGIN_FLAG, VV_TEXT("nonsense")));
        check_status(VARVE_E_INVALID, give(f, id, VV_ORIGIN_FLAG, VV_TEXT("")));
        check_status(VARVE_E_INVALID, give(f, id, VV_ORIGIN_FLAG, VV_TEXT("-1")));
        if (setting->kind == VV_KIND_WORD || setting->kind == VV_KIND_BOOL) {
            continue;
        }
        const char *unit = setting->kind == VV_KIND_DURATION  ? "ms"
                           : setting->kind == VV_KIND_SECONDS ? "s"
                                                              : "";
        const uint64_t numbers[] = {setting->least, setting->most, setting->most + 1,
                                    setting->least - 1};
        for (size_t index = 0; index < (setting->least == 0 ? 3 : 4); index++) {
            char text[64];
            size_t size = vv_text_format(text, sizeof text, "%llu%s",
                                         (unsigned long long)numbers[index], unit);
            varve_status expected = index < 2 ? VARVE_OK : VARVE_E_INVALID;
            check_status(expected, give(f, id, VV_ORIGIN_FLAG, vv_text_make(text, size)));
        }
        if (setting->zero != NULL) {
            check_ok(give(f, id, VV_ORIGIN_FLAG, vv_text_from_string(setting->zero)), &f->err);
            assert_int_equal(f->config.values[id].number, 0);
        }
    }
}

static void check_number(fixture *f, vv_setting_id id, const char *text, uint64_t number,
                         const char *printed)
{
    check_ok(give(f, id, VV_ORIGIN_FLAG, vv_text_from_string(text)), &f->err);
    assert_int_equal(f->config.values[id].number, number);
    assert_string_equal(f->config.values[id].text.data, printed);
}

static void units_are_understood(void **state)
{
    fixture *f = *state;
    check_number(f, VV_SETTING_LINE_MAX, "2048", 2048, "2KiB");
    check_number(f, VV_SETTING_LINE_MAX, "2049", 2049, "2049");
    check_number(f, VV_SETTING_LINE_MAX, "3MiB", 3145728, "3MiB");
    check_number(f, VV_SETTING_MEMORY_LIMIT, "1TiB", UINT64_C(1) << 40, "1TiB");
    check_number(f, VV_SETTING_MEMORY_LIMIT, "0", 0, "auto");
    check_number(f, VV_SETTING_QUERY_TIMEOUT, "90", 90000, "1m30s");
    check_number(f, VV_SETTING_QUERY_TIMEOUT, "1m30s", 90000, "1m30s");
    check_number(f, VV_SETTING_QUERY_TIMEOUT, "250ms", 250, "250ms");
    check_number(f, VV_SETTING_COLLECT_HOST, "60", 60, "1m");
    check_number(f, VV_SETTING_INSECURE_NO_AUTH, "yes", 1, "true");
    check_number(f, VV_SETTING_INSECURE_NO_AUTH, "0", 0, "false");
    check_number(f, VV_SETTING_SYNC, "interval", VARVE_SYNC_INTERVAL, "interval");
    check_number(f, VV_SETTING_SYNC, "buffered", VARVE_SYNC_BUFFERED, "buffered");
    check_number(f, VV_SETTING_PRECISION, "ms", VARVE_PRECISION_MS, "ms");
    static const struct {
        vv_setting_id id;
        const char *text;
    } bad[] = {{VV_SETTING_LINE_MAX, "3MB"},
               {VV_SETTING_LINE_MAX, "18446744073709551615KiB"},
               {VV_SETTING_QUERY_TIMEOUT, "1ns"},
               {VV_SETTING_QUERY_TIMEOUT, "-1s"},
               {VV_SETTING_QUERY_TIMEOUT, "18446744073709551615"},
               {VV_SETTING_COLLECT_HOST, "1500ms"},
               {VV_SETTING_COLLECT_HOST, "0"},
               {VV_SETTING_SYNC, "group|always"},
               {VV_SETTING_INSECURE_NO_AUTH, "TRUE"}};
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        check_status(VARVE_E_INVALID,
                     give(f, bad[index].id, VV_ORIGIN_FLAG, vv_text_from_string(bad[index].text)));
    }
}

static void errors_name_place_range_and_value(void **state)
{
    fixture *f = *state;
    check_status(VARVE_E_INVALID,
                 give(f, VV_SETTING_QUERY_TIMEOUT, VV_ORIGIN_FLAG, VV_TEXT("a\x1b[31m\n")));
    assert_string_equal(f->err.message, "--query-timeout: takes 1ms to 10m, not \"a?[31m?\"");
    check_status(VARVE_E_INVALID, give(f, VV_SETTING_LINE_MAX, VV_ORIGIN_VARIABLE, VV_TEXT("1")));
    assert_string_equal(f->err.message,
                        "VARVE_LINE_MAX: takes bytes such as 512MiB, 1KiB to 64MiB, not \"1\"");
    check_status(VARVE_E_INVALID, parse(f, "\nsync: never\n"));
    assert_string_equal(f->err.message, "a.yaml:2:7: sync: takes group, always, interval, none, "
                                        "buffered, not \"never\"");
    check_status(VARVE_E_INVALID, give(f, VV_SETTING_DATA, VV_ORIGIN_FLAG, VV_TEXT("a\nb")));
    check_status(VARVE_E_INVALID, give(f, VV_SETTING_DATA, VV_ORIGIN_FLAG, VV_TEXT("a\xff")));
    assert_string_equal(f->config.values[VV_SETTING_DATA].text.data, "varve-data"); /* G2 */
}

/* ---- where values come from ---- */

static const char *one_variable(void *context, const char *name)
{
    const char *const *pair = context;
    return strcmp(name, pair[0]) == 0 ? pair[1] : NULL;
}

static void read_variable(fixture *f, vv_setting_id id, varve_text value)
{
    char name[128];
    char text[VV_CONFIG_VALUE_BYTES_MAX + 1];
    vv_setting_variable(id, name, sizeof name);
    vv_text_format(text, sizeof text, "%.*s", VV_TEXT_ARGS(value));
    const char *pair[] = {name, text};
    check_ok(vv_config_read_variables(&f->config, one_variable, pair, &f->err), &f->err);
}

/* G1 */
static void the_stronger_origin_wins_in_any_order(void **state)
{
    fixture *f = *state;
    static const uint8_t orders[6][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3},
                                         {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};
    for (size_t at = 0; at < VV_SETTING_COUNT; at++) {
        vv_setting_id id = (vv_setting_id)at;
        for (size_t order = 0; order < 6; order++) {
            /* Two of the three give the default's text, the strongest so far another. */
            vv_config_deinit(&f->config);
            check_ok(vv_config_init(&f->config, &f->alloc, &f->err), &f->err);
            vv_origin strongest = VV_ORIGIN_DEFAULT;
            for (size_t step = 0; step < 3; step++) {
                vv_origin origin = (vv_origin)orders[order][step];
                varve_text fallback = vv_text_from_string(vv_settings[id].fallback);
                bool is_flag = origin == VV_ORIGIN_FLAG;
                varve_text value = is_flag || fallback.size == 0 ? other_value(f, id) : fallback;
                char yaml[2 * VV_CONFIG_VALUE_BYTES_MAX];
                vv_text_format(yaml, sizeof yaml, "%s: \"%.*s\"", vv_settings[id].name,
                               VV_TEXT_ARGS(value));
                if (origin == VV_ORIGIN_FILE) {
                    check_ok(vv_config_parse_file(&f->config, VV_TEXT("f"),
                                                  vv_text_from_string(yaml), &f->err),
                             &f->err);
                } else if (origin == VV_ORIGIN_VARIABLE) {
                    read_variable(f, id, value);
                } else {
                    check_ok(give(f, id, origin, value), &f->err);
                }
                strongest = origin > strongest ? origin : strongest;
                assert_int_equal(f->config.values[id].origin, strongest);
            }
            vv_config fresh;
            check_ok(vv_config_init(&fresh, &f->alloc, &f->err), &f->err);
            assert_false(vv_text_equal(f->config.values[id].text, fresh.values[id].text));
            vv_config_deinit(&fresh);
        }
    }
}

static void an_empty_variable_is_not_set(void **state)
{
    fixture *f = *state;
    const char *pair[] = {"VARVE_SYNC", ""};
    check_ok(vv_config_read_variables(&f->config, one_variable, pair, &f->err), &f->err);
    assert_int_equal(f->config.values[VV_SETTING_SYNC].origin, VV_ORIGIN_DEFAULT);
}

/* ---- the file ---- */

static void a_file_holds_names_and_values(void **state)
{
    fixture *f = *state;
    check_ok(parse(f, ""), &f->err);
    check_ok(parse(f, "# nothing\n"), &f->err);
    check_ok(parse(f, "---\n...\n"), &f->err);
    check_ok(parse(f, "---\n{sync: always, 'data': \"/x y\"}\n"), &f->err);
    assert_string_equal(f->config.values[VV_SETTING_DATA].text.data, "/x y");
    check_ok(parse(f, "sync: always # it matters\n\nquery-timeout: 5\ndata: >-\n  a\n  b\n"),
             &f->err);
    assert_int_equal(f->config.values[VV_SETTING_SYNC].number, VARVE_SYNC_ALWAYS);
    assert_int_equal(f->config.values[VV_SETTING_QUERY_TIMEOUT].number, 5000);
    assert_int_equal(f->config.values[VV_SETTING_QUERY_TIMEOUT].line, 3);
    assert_string_equal(f->config.values[VV_SETTING_DATA].text.data, "a b");
    assert_string_equal(f->config.file.data, "a.yaml");
}

/* F1 F2 */
static void what_does_not_belong_there_is_an_error_with_its_place(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *yaml;
        const char *message;
    } cases[] = {
        {"sync: group\nsinc: group\n", "a.yaml:2:1: sinc is no setting"},
        {"\"a\\nb\": 1\n", "a.yaml:1:1: a?b is no setting"},
        {"sync: group\ndata: x\nsync: none\n", "a.yaml:3:1: sync is set twice"},
        {"sync:\n", "a.yaml:1:6: a value is missing here"},
        {"sync: ~\n", "a.yaml:1:7: a value is missing here"},
        {"sync: [group]\n", "a.yaml:1:7: sync takes one value, not a list"},
        {"sync: {a: b}\n", "a.yaml:1:7: sync takes a value, not a mapping"},
        {"- sync\n", "a.yaml:1:1: this is no list of \"name: value\""},
        {"sync\n", "a.yaml:1:1: this is no list of \"name: value\""},
        {"[a]: b\n", "a.yaml:1:1: the name of a setting is a text"},
        {"sync: &a group\n", "a.yaml:1:7: anchors and aliases are not taken"},
        {"sync: *a\n", "a.yaml:1:7: anchors and aliases are not taken"},
        {"&m {sync: group}\n", "a.yaml:1:1: anchors and aliases are not taken"},
        {"sync: !!str group\n", "a.yaml:1:7: tags are not taken"},
        {"sync: group\n---\nsync: none\n", "a.yaml:2:1: a second document is not taken"},
        {"data: \"a\\0b\"\n", "a.yaml:1:7: data: takes 1 to 4095 bytes of text, not \"a?b\""},
        {"sync: 'group\n", "a.yaml:2:1: found unexpected end of stream"},
        {"data: group\n  sync: x\n", "a.yaml:2:7: mapping values are not allowed in this context"},
        {"a\x01: b\n", "a.yaml:1:1: control characters are not allowed"},
        {"a\xff: b\n", "a.yaml:1:1: invalid leading UTF-8 octet"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        check_status(VARVE_E_INVALID, parse(f, cases[index].yaml));
        assert_string_equal(f->err.message, cases[index].message);
    }
}

static void a_file_is_bounded(void **state)
{
    fixture *f = *state;
    static char yaml[VV_CONFIG_FILE_BYTES_MAX + 2];
    memset(yaml, ' ', sizeof yaml - 1);
    yaml[0] = '#';
    yaml[VV_CONFIG_FILE_BYTES_MAX] = '\0';
    check_ok(parse(f, yaml), &f->err);
    yaml[VV_CONFIG_FILE_BYTES_MAX] = ' ';
    check_status(VARVE_E_INVALID, parse(f, yaml));
    assert_string_equal(f->err.message, "a.yaml: larger than 1048576 bytes");
    memset(yaml, '[', VV_CONFIG_FILE_BYTES_MAX); /* deep nesting ends at its first step */
    yaml[VV_CONFIG_FILE_BYTES_MAX] = '\0';
    check_status(VARVE_E_INVALID, parse(f, yaml));
}

static void a_file_that_is_not_there_is_named(void **state)
{
    fixture *f = *state;
    assert_int_not_equal(vv_config_read_file(&f->config, "/no/such/file", &f->err), VARVE_OK);
    assert_non_null(strstr(f->err.message, "/no/such/file"));
}

/* ---- printing ---- */

/* G3 */
static void what_is_printed_reads_back(void **state)
{
    fixture *f = *state;
    for (size_t id = 0; id < VV_SETTING_COUNT; id++) {
        check_ok(give(f, (vv_setting_id)id, VV_ORIGIN_FLAG, other_value(f, (vv_setting_id)id)),
                 &f->err);
    }
    check_ok(
        give(f, VV_SETTING_DATA, VV_ORIGIN_FLAG,
             VV_TEXT("a: \"b\" # \xc3\xa4 'c' \\ \xc2\x85 \xe2\x80\xa8\xef\xbb\xbf\xef\xbf\xbf ")),
        &f->err);
    for (int has_origins = 0; has_origins < 2; has_origins++) {
        vv_buf yaml;
        vv_buf_init(&yaml, &f->alloc, SIZE_MAX);
        vv_config_print_yaml(&f->config, has_origins != 0, &yaml);
        check_ok(vv_buf_check(&yaml, &f->err), &f->err);
        vv_config again;
        check_ok(vv_config_init(&again, &f->alloc, &f->err), &f->err);
        check_ok(vv_config_parse_file(&again, VV_TEXT("b"), vv_buf_text(&yaml), &f->err), &f->err);
        for (size_t id = 0; id < VV_SETTING_COUNT; id++) {
            assert_true(vv_text_equal(again.values[id].text, f->config.values[id].text));
            assert_int_equal(again.values[id].number, f->config.values[id].number);
            assert_int_equal(again.values[id].line, id + 1);
        }
        vv_config_deinit(&again);
        vv_buf_deinit(&yaml);
    }
}

static void origins_stand_behind_their_values(void **state)
{
    fixture *f = *state;
    check_ok(parse(f, "\n\nquery-wait: 1s\n"), &f->err);
    check_ok(give(f, VV_SETTING_DATA, VV_ORIGIN_FLAG, VV_TEXT("x")), &f->err);
    read_variable(f, VV_SETTING_SYNC, VV_TEXT("none"));
    vv_config_print_yaml(&f->config, true, &f->text);
    vv_buf_append_char(&f->text, '\0');
    const char *text = (const char *)f->text.data;
    assert_non_null(
        strstr(text, "data: \"x\"                                       # flag --data\n"));
    assert_non_null(strstr(text, "# file a.yaml:3\n"));
    assert_non_null(strstr(text, "# variable VARVE_SYNC\n"));
    assert_non_null(strstr(text, "# default\n"));
}

static void memory_that_runs_out_is_an_error(void **state)
{
    (void)state;
    failing_alloc source;
    failing_alloc_init(&source);
    for (uint64_t fail_from = 1;; fail_from++) {
        varve_allocator allocator = failing_alloc_source(&source);
        vv_alloc alloc;
        vv_config config;
        varve_error err;
        vv_alloc_init(&alloc, &allocator);
        failing_alloc_plan(&source, fail_from, false);
        varve_status status = vv_config_init(&config, &alloc, &err);
        if (status == VARVE_OK) {
            status =
                vv_config_parse_file(&config, VV_TEXT("f"), VV_TEXT("sync: none\ndata: x\n"), &err);
        }
        vv_config_deinit(&config);
        assert_int_equal(atomic_load(&source.live), 0);
        if (atomic_load(&source.failures) == 0) {
            check_ok(status, &err);
            break;
        }
        check_status(VARVE_E_NOMEM, status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_says_what_it_is),
        cmocka_unit_test(variables_are_named_as_their_settings),
        cmocka_unit_test_setup_teardown(defaults_are_those_of_the_options, begin, end),
        cmocka_unit_test_setup_teardown(values_reach_their_members, begin, end),
        cmocka_unit_test_setup_teardown(every_range_is_kept_on_both_sides, begin, end),
        cmocka_unit_test_setup_teardown(units_are_understood, begin, end),
        cmocka_unit_test_setup_teardown(errors_name_place_range_and_value, begin, end),
        cmocka_unit_test_setup_teardown(the_stronger_origin_wins_in_any_order, begin, end),
        cmocka_unit_test_setup_teardown(an_empty_variable_is_not_set, begin, end),
        cmocka_unit_test_setup_teardown(a_file_holds_names_and_values, begin, end),
        cmocka_unit_test_setup_teardown(what_does_not_belong_there_is_an_error_with_its_place,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_file_is_bounded, begin, end),
        cmocka_unit_test_setup_teardown(a_file_that_is_not_there_is_named, begin, end),
        cmocka_unit_test_setup_teardown(what_is_printed_reads_back, begin, end),
        cmocka_unit_test_setup_teardown(origins_stand_behind_their_values, begin, end),
        cmocka_unit_test(memory_that_runs_out_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
