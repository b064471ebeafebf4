/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zone files: vv_zone_parse and, on the same bytes as text, vv_zone_rule_parse. What is accepted
 * must keep the promises of the questions: a change lies ahead and changes something, and a local
 * time leads to a moment that shows it or to a jump.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sys/zoneinfo.h"
#include "sys/zoneinfo_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int claim)
{
    if (!claim) {
        abort();
    }
}

static const int64_t moments[] = {
    INT64_MIN, -INT64_C(62135596800), -1, 0, 1711846799, 1711846800, INT64_C(4102444800), INT64_MAX,
};

static void ask_zone(const vv_zone *zone)
{
    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; ++i) {
        int64_t moment = moments[i];
        int32_t offset_s = vv_zone_offset_at(zone, moment);
        require(offset_s >= VV_ZONE_OFFSET_S_MIN && offset_s <= VV_ZONE_OFFSET_S_MAX);
        int64_t next = vv_zone_next_change(zone, moment);
        require(next > moment || next == INT64_MAX);
        require(next == INT64_MAX || vv_zone_offset_at(zone, next) != offset_s);
        int64_t unix_s = vv_zone_local_to_utc(zone, moment);
        if (moment > INT64_MIN / 2 && moment < INT64_MAX / 2) {
            int64_t shown = unix_s + vv_zone_offset_at(zone, unix_s);
            require(shown >= moment); /* later only behind a jump */
        }
    }
}

static void ask_rule(const vv_zone_rule *rule)
{
    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; ++i) {
        int32_t offset_s = vv_zone_rule_offset_at(rule, moments[i]);
        require(offset_s >= VV_ZONE_OFFSET_S_MIN && offset_s <= VV_ZONE_OFFSET_S_MAX);
        int64_t next = vv_zone_rule_next_change(rule, moments[i]);
        require(next > moments[i] || next == INT64_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    vv_zone *zone = NULL;
    varve_error err;
    if (vv_zone_parse(&alloc, data, size, &zone, &err) == VARVE_OK) {
        ask_zone(zone);
    }
    vv_zone_free(zone);
    vv_zone_rule rule;
    if (vv_zone_rule_parse((varve_text){.data = (const char *)data, .size = size}, &rule)) {
        ask_rule(&rule);
    }
    require(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
