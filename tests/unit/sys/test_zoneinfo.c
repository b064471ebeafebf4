/* SPDX-License-Identifier: Apache-2.0 */
/* Zone files, built by hand here, and those of the system where it has some. */
#include <string.h>

#include "base/civil.h"
#include "support/check.h"
#include "support/failing_alloc.h"
#include "sys/env.h"
#include "sys/zoneinfo.h"
#include "sys/zoneinfo_priv.h"

#define HOUR 3600

/* ---- a writer of zone files ----------------------------------------------------------------- */

typedef struct zone_file {
    uint8_t bytes[4096];
    size_t size;
} zone_file;

static void put_u8(zone_file *file, uint8_t value)
{
    file->bytes[file->size++] = value;
}

static void put_u32(zone_file *file, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        put_u8(file, (uint8_t)(value >> shift));
    }
}

static void put_u64(zone_file *file, uint64_t value)
{
    put_u32(file, (uint32_t)(value >> 32));
    put_u32(file, (uint32_t)value);
}

static void put_text(zone_file *file, const char *text)
{
    memcpy(file->bytes + file->size, text, strlen(text));
    file->size += strlen(text);
}

typedef struct zone_parts {
    size_t time_count;
    const int64_t *times;
    const uint8_t *types_of_times;
    size_t type_count;
    const int32_t *offsets;
    const char *footer;
} zone_parts;

static void put_header(zone_file *file, char version, const zone_parts *parts)
{
    put_text(file, "TZif");
    put_u8(file, (uint8_t)version);
    for (int i = 0; i < 15; ++i) {
        put_u8(file, 0);
    }
    put_u32(file, 0); /* utc flags */
    put_u32(file, 0); /* standard flags */
    put_u32(file, 0); /* leap seconds */
    put_u32(file, (uint32_t)parts->time_count);
    put_u32(file, (uint32_t)parts->type_count);
    put_u32(file, 4); /* bytes of names */
}

static void put_data(zone_file *file, const zone_parts *parts, bool is_wide)
{
    for (size_t i = 0; i < parts->time_count; ++i) {
        if (is_wide) {
            put_u64(file, (uint64_t)parts->times[i]);
        } else {
            put_u32(file, (uint32_t)parts->times[i]);
        }
    }
    for (size_t i = 0; i < parts->time_count; ++i) {
        put_u8(file, parts->types_of_times[i]);
    }
    for (size_t i = 0; i < parts->type_count; ++i) {
        put_u32(file, (uint32_t)parts->offsets[i]);
        put_u8(file, 0);
        put_u8(file, 0);
    }
    put_text(file, "ABC");
    put_u8(file, 0);
}

static zone_file file_of(const zone_parts *parts, char version)
{
    static const int32_t utc[] = {0};
    const zone_parts empty = {.type_count = 1, .offsets = utc};
    zone_file file = {.size = 0};
    if (version == '\0') {
        put_header(&file, version, parts);
        put_data(&file, parts, false);
        return file;
    }
    put_header(&file, version, &empty);
    put_data(&file, &empty, false);
    put_header(&file, version, parts);
    put_data(&file, parts, true);
    put_text(&file, "\n");
    put_text(&file, parts->footer);
    put_text(&file, "\n");
    return file;
}

/* Jumps: +1 h at 1000000, -2 h at 2000000, back to the first at 3000000. */
static const int64_t some_times[] = {1000000, 2000000, 3000000};
static const uint8_t some_types[] = {1, 2, 0};
static const int32_t some_offsets[] = {0, HOUR, -2 * HOUR};
static const zone_parts some_parts = {
    .time_count = 3,
    .times = some_times,
    .types_of_times = some_types,
    .type_count = 3,
    .offsets = some_offsets,
    .footer = "",
};

static vv_alloc alloc;

static varve_status parse(const zone_file *file, vv_zone **out_zone, varve_error *err)
{
    vv_alloc_init(&alloc, NULL);
    return vv_zone_parse(&alloc, file->bytes, file->size, out_zone, err);
}

static vv_zone *zone_of(const zone_parts *parts, char version)
{
    zone_file file = file_of(parts, version);
    vv_zone *zone = NULL;
    varve_error err;
    check_ok(parse(&file, &zone, &err), &err);
    return zone;
}

/* ---- questions ------------------------------------------------------------------------------ */

static void offsets_hold_between_transitions(void **state)
{
    (void)state;
    const char versions[] = {'\0', '2', '3'};
    for (size_t i = 0; i < 3; ++i) {
        vv_zone *zone = zone_of(&some_parts, versions[i]);
        assert_int_equal(0, vv_zone_offset_at(zone, INT64_MIN));
        assert_int_equal(0, vv_zone_offset_at(zone, 999999));
        assert_int_equal(HOUR, vv_zone_offset_at(zone, 1000000));
        assert_int_equal(HOUR, vv_zone_offset_at(zone, 1999999));
        assert_int_equal(-2 * HOUR, vv_zone_offset_at(zone, 2000000));
        assert_int_equal(0, vv_zone_offset_at(zone, 3000000));
        assert_int_equal(0, vv_zone_offset_at(zone, INT64_MAX));
        assert_int_equal(1000000, vv_zone_next_change(zone, INT64_MIN));
        assert_int_equal(2000000, vv_zone_next_change(zone, 1000000));
        assert_int_equal(3000000, vv_zone_next_change(zone, 2999999));
        assert_int_equal(INT64_MAX, vv_zone_next_change(zone, 3000000));
        vv_zone_free(zone);
    }
    assert_int_equal(0, vv_alloc_bytes(&alloc));
}

static void a_transition_without_another_offset_is_no_change(void **state)
{
    (void)state;
    static const uint8_t types[] = {0, 0, 1};
    zone_parts parts = some_parts;
    parts.types_of_times = types;
    vv_zone *zone = zone_of(&parts, '2');
    assert_int_equal(3000000, vv_zone_next_change(zone, 0));
    vv_zone_free(zone);
}

static void after_the_last_transition_the_rule_holds(void **state)
{
    (void)state;
    zone_parts parts = some_parts;
    parts.footer = "CET-1CEST,M3.5.0,M10.5.0/3";
    vv_zone *zone = zone_of(&parts, '2');
    assert_int_equal(-2 * HOUR, vv_zone_offset_at(zone, 2999999));
    assert_int_equal(HOUR, vv_zone_offset_at(zone, 3000000));        /* the rule, not the type */
    assert_int_equal(2 * HOUR, vv_zone_offset_at(zone, 1719792000)); /* July 2024 */
    assert_int_equal(3000000, vv_zone_next_change(zone, 2500000));
    assert_int_equal(1711846800, vv_zone_next_change(zone, 1704067200)); /* 2024-03-31 01:00 */
    vv_zone_free(zone);
}

static void local_times_shown_twice_once_and_never(void **state)
{
    (void)state;
    vv_zone *zone = zone_of(&some_parts, '2');
    assert_int_equal(500000, vv_zone_local_to_utc(zone, 500000));
    assert_int_equal(999999, vv_zone_local_to_utc(zone, 999999));
    /* Clocks jump from 1000000 to 1003600: what lies between is the moment of the jump. */
    assert_int_equal(1000000, vv_zone_local_to_utc(zone, 1000000));
    assert_int_equal(1000000, vv_zone_local_to_utc(zone, 1003599));
    assert_int_equal(1000000, vv_zone_local_to_utc(zone, 1003600));
    assert_int_equal(1000001, vv_zone_local_to_utc(zone, 1003601));
    /* They go back from 2003600 to 1992800: the earlier of two moments. */
    assert_int_equal(1992800 - HOUR, vv_zone_local_to_utc(zone, 1992800));
    assert_int_equal(1999999, vv_zone_local_to_utc(zone, 2003599));
    assert_int_equal(2003600 + 2 * HOUR, vv_zone_local_to_utc(zone, 2003600));
    assert_int_equal(4000000, vv_zone_local_to_utc(zone, 4000000));
    assert_true(vv_zone_local_to_utc(zone, INT64_MIN) < 0);
    assert_true(vv_zone_local_to_utc(zone, INT64_MAX) > 0);
    vv_zone_free(zone);
}

/* ---- damage --------------------------------------------------------------------------------- */

static void each_truncation_is_refused(void **state)
{
    (void)state;
    zone_parts parts = some_parts;
    parts.footer = "CET-1CEST,M3.5.0,M10.5.0/3";
    zone_file whole = file_of(&parts, '2');
    varve_error err;
    vv_zone *zone = NULL;
    for (size_t size = 0; size < whole.size; ++size) {
        zone_file cut = whole;
        cut.size = size;
        check_status(VARVE_E_CORRUPT, parse(&cut, &zone, &err));
        assert_null(zone);
    }
    check_ok(parse(&whole, &zone, &err), &err);
    vv_zone_free(zone);
}

static void expect_refused(zone_file file, varve_status status, const char *part)
{
    varve_error err;
    vv_zone *zone = NULL;
    check_status(status, parse(&file, &zone, &err));
    assert_null(zone);
    if (strstr(err.message, part) == NULL) {
        print_error("%s\n", err.message);
        fail();
    }
    assert_int_equal(0, vv_alloc_bytes(&alloc));
}

static void damage_is_named(void **state)
{
    (void)state;
    static const int64_t falling[] = {1000000, 1000000, 3000000};
    static const uint8_t beyond[] = {0, 3, 0};
    static const int32_t wide[] = {0, 26 * HOUR, 0};
    zone_parts parts = some_parts;
    zone_file file = file_of(&parts, '2');
    file.bytes[0] = 'X';
    expect_refused(file, VARVE_E_CORRUPT, "begin with TZif");
    parts.times = falling;
    expect_refused(file_of(&parts, '2'), VARVE_E_CORRUPT, "ascend");
    parts = some_parts;
    parts.types_of_times = beyond;
    expect_refused(file_of(&parts, '2'), VARVE_E_CORRUPT, "type that is not there");
    parts = some_parts;
    parts.offsets = wide;
    expect_refused(file_of(&parts, '2'), VARVE_E_CORRUPT, "offset");
    parts = some_parts;
    parts.footer = "nonsense";
    expect_refused(file_of(&parts, '2'), VARVE_E_CORRUPT, "rule");
    file = file_of(&some_parts, '\0');
    memset(file.bytes + 32, 0xFF, 4); /* count of times */
    expect_refused(file, VARVE_E_CORRUPT, "shorter than its counts");
    file = file_of(&some_parts, '\0');
    memset(file.bytes + 36, 0, 4); /* count of types */
    expect_refused(file, VARVE_E_CORRUPT, "no types");
    file = file_of(&some_parts, '\0');
    file.bytes[31] = 1; /* one leap second: 8 bytes more */
    file.size += 8;
    expect_refused(file, VARVE_E_UNSUPPORTED, "leap seconds");
}

static void a_zone_without_memory_is_reported(void **state)
{
    (void)state;
    failing_alloc failing;
    failing_alloc_init(&failing);
    failing_alloc_plan(&failing, 1, true);
    varve_allocator source = failing_alloc_source(&failing);
    vv_alloc poor;
    vv_alloc_init(&poor, &source);
    zone_file file = file_of(&some_parts, '2');
    vv_zone *zone = NULL;
    check_status(VARVE_E_NOMEM, vv_zone_parse(&poor, file.bytes, file.size, &zone, NULL));
    assert_null(zone);
    vv_zone_free(NULL);
}

/* ---- names and files ------------------------------------------------------------------------ */

static void only_plain_names_reach_the_files(void **state)
{
    (void)state;
    static const char *const good[] = {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires",
                                       "Etc/GMT+12", "a-b"};
    static const char *const bad[] = {
        "",
        "/",
        "/etc/passwd",
        "../x",
        "a/../b",
        ".",
        "a//b",
        "a/",
        "a b",
        "a\n",
        "a\\b",
        "a.b",
        "Europe/Berlin\xC3\xA4",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; ++i) {
        assert_true(vv_zone_name_is_valid(good[i]));
    }
    vv_env env;
    vv_alloc_init(&alloc, NULL);
    vv_env_init_system(&env, &alloc);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; ++i) {
        vv_zone *zone = NULL;
        assert_false(vv_zone_name_is_valid(bad[i]));
        check_status(VARVE_E_INVALID, vv_zone_load(&env, bad[i], &zone, NULL));
    }
}

static varve_status read_hand_made(void *context, const char *name, void *buf, size_t capacity,
                                   size_t *out_size, varve_error *out_err)
{
    const zone_file *file = context;
    if (strcmp(name, "Here") != 0) {
        return vv_fail(out_err, VARVE_E_NOT_FOUND, "no such file");
    }
    assert_true(capacity >= file->size);
    memcpy(buf, file->bytes, file->size);
    *out_size = file->size;
    return VARVE_OK;
}

static void zones_come_from_the_environment(void **state)
{
    (void)state;
    zone_file file = file_of(&some_parts, '2');
    varve_error err;
    vv_zone *zone = NULL;
    vv_alloc_init(&alloc, NULL);
    vv_env env = {.alloc = &alloc, .zones = {.context = &file, .read = read_hand_made}};
    check_ok(vv_zone_load(&env, "Here", &zone, &err), &err);
    assert_int_equal(HOUR, vv_zone_offset_at(zone, 1500000));
    vv_zone_free(zone);
    check_status(VARVE_E_NOT_FOUND, vv_zone_load(&env, "There", &zone, &err));
    assert_string_equal("this system has no time zone \"There\"", err.message);
    file.size -= 1;
    check_status(VARVE_E_CORRUPT, vv_zone_load(&env, "Here", &zone, &err));
    assert_ptr_equal(err.message, strstr(err.message, "time zone \"Here\": damaged"));
    assert_int_equal(0, vv_alloc_bytes(&alloc));
}

static void the_zones_of_the_system_are_read(void **state)
{
    (void)state;
    varve_error err;
    vv_zone *zone = NULL;
    vv_env env;
    vv_alloc_init(&alloc, NULL);
    vv_env_init_system(&env, &alloc);
    varve_status status = vv_zone_load(&env, "Europe/Berlin", &zone, &err);
    if (status == VARVE_E_NOT_FOUND) {
        skip(); /* a system without zone files */
    }
    check_ok(status, &err);
    assert_int_equal(2 * HOUR, vv_zone_offset_at(zone, 1719792000)); /* July 2024 */
    assert_int_equal(HOUR, vv_zone_offset_at(zone, 1704067200));     /* January 2024 */
    assert_int_equal(HOUR, vv_zone_offset_at(zone, 16725225600));    /* January 2500 */
    assert_int_equal(HOUR, vv_zone_offset_at(zone, -1));             /* 1969 */
    assert_int_equal(3208, vv_zone_offset_at(zone, -3000000000));    /* local mean time */
    vv_zone_free(zone);
    check_status(VARVE_E_NOT_FOUND, vv_zone_load(&env, "Europe", &zone, &err)); /* a directory */
    assert_int_equal(0, vv_alloc_bytes(&alloc));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_hold_between_transitions),
        cmocka_unit_test(a_transition_without_another_offset_is_no_change),
        cmocka_unit_test(after_the_last_transition_the_rule_holds),
        cmocka_unit_test(local_times_shown_twice_once_and_never),
        cmocka_unit_test(each_truncation_is_refused),
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(a_zone_without_memory_is_reported),
        cmocka_unit_test(only_plain_names_reach_the_files),
        cmocka_unit_test(zones_come_from_the_environment),
        cmocka_unit_test(the_zones_of_the_system_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
