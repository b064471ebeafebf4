/* SPDX-License-Identifier: Apache-2.0 */
/* The environment, and the table of syncs. */
#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "sys/env.h"

typedef struct heard {
    unsigned count;
    int level;
    char event[32];
    char text[VV_LOG_TEXT_BYTES_MAX];
} heard;

static void listen(void *context, int level, const char *event, const char *text)
{
    heard *h = context;
    h->count += 1;
    h->level = level;
    snprintf(h->event, sizeof h->event, "%s", event);
    snprintf(h->text, sizeof h->text, "%s", text);
}

static void the_system_environment_is_complete(void **state)
{
    (void)state;
    vv_alloc alloc;
    vv_env env;
    uint8_t bytes[16];
    varve_error err;
    vv_alloc_init(&alloc, NULL);
    vv_env_init_system(&env, &alloc);
    assert_ptr_equal(vv_vfs_system(), env.vfs);
    assert_ptr_equal(&alloc, env.alloc);
    assert_true(vv_env_mono_ns(&env) > 0);
    assert_true(vv_env_wall_ns(&env) > 0);
    check_ok(vv_entropy_fill(&env.entropy, bytes, sizeof bytes, &err), &err);
    assert_non_null((void *)(uintptr_t)env.zones.read);
    assert_false(vv_env_logs(&env, VV_LOG_ERROR));
    vv_env_log(&env, VV_LOG_ERROR, "nobody.listens", "x=%d", 1);
}

static void messages_up_to_the_level_are_heard(void **state)
{
    (void)state;
    heard h = {0};
    vv_env env = {.log = listen, .log_context = &h, .log_level = VV_LOG_INFO};
    vv_env_log(&env, VV_LOG_DEBUG, "too.fine", "x=1");
    assert_int_equal(0, h.count);
    vv_env_log(&env, VV_LOG_INFO, "wal.torn_tail", "file=%s bytes=%d", "1.vwl", 17);
    assert_int_equal(1, h.count);
    assert_int_equal(VV_LOG_INFO, h.level);
    assert_string_equal("wal.torn_tail", h.event);
    assert_string_equal("file=1.vwl bytes=17", h.text);
    char longer[2 * VV_LOG_TEXT_BYTES_MAX];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    vv_env_log(&env, VV_LOG_ERROR, "long", "%s", longer);
    assert_int_equal(VV_LOG_TEXT_BYTES_MAX - 1, strlen(h.text));
}

static void each_site_has_a_name_of_its_own_and_a_promise(void **state)
{
    (void)state;
    assert_true(VV_SYNC_SITE_COUNT > 20);
    for (vv_sync_site site = 0; site < VV_SYNC_SITE_COUNT; ++site) {
        const vv_sync_site_info *info = vv_sync_site_get(site);
        assert_non_null(strchr(info->name, '.'));
        assert_true(strlen(info->promise) > 10);
        for (vv_sync_site other = 0; other < site; ++other) {
            assert_string_not_equal(info->name, vv_sync_site_get(other)->name);
        }
    }
    assert_string_equal("wal.group", vv_sync_site_get(VV_SITE_WAL_GROUP)->name);
    assert_int_equal(VV_SITE_KIND_FILE, vv_sync_site_get(VV_SITE_WAL_GROUP)->kind);
    assert_int_equal(VV_SITE_KIND_DIR, vv_sync_site_get(VV_SITE_DIR_CREATE)->kind);
    assert_int_equal(VV_SITE_KIND_RENAME, vv_sync_site_get(VV_SITE_SEG_RENAME)->kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_system_environment_is_complete),
        cmocka_unit_test(messages_up_to_the_level_are_heard),
        cmocka_unit_test(each_site_has_a_name_of_its_own_and_a_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
