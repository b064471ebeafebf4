/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Keys of lines to metric and labels, for those who ask: a reader that knows a key does not.
 *
 *     cpu\ load,host=a,zone=   ->   cpu load | host=a
 */

#include <string.h>

#include "base/limit.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "wire/influx.h"

/** The index of the first unescaped byte of either kind, or the size. */
static size_t influx_find_unescaped(varve_text text, size_t at, char a, char b)
{
    while (at < text.size && text.data[at] != a && text.data[at] != b) {
        at += text.data[at] == '\\' && at + 1 < text.size ? 2 : 1;
    }
    return at < text.size ? at : text.size;
}

static varve_status influx_key_text(varve_text raw, bool is_metric, vv_arena *arena,
                                    varve_text *out_text, varve_error *out_err)
{
    *out_text = raw;
    if (vv_text_find_char(raw, '\\') == raw.size) {
        return VARVE_OK;
    }
    char *target = vv_arena_new(arena, raw.size);
    if (target == NULL) {
        return vv_arena_fail(arena, raw.size, out_err);
    }
    size_t size = 0;
    for (size_t index = 0; index < raw.size; index++) {
        char c = raw.data[index];
        char next = index + 1 < raw.size ? raw.data[index + 1] : '\0';
        if (c == '\\' && (next == ',' || next == ' ' || (next == '=' && !is_metric))) {
            index += 1;
            c = next;
        }
        target[size] = c;
        size += 1;
    }
    *out_text = vv_text_make(target, size);
    return VARVE_OK;
}

/** Insert a label into the sorted array; an equal name is replaced. */
static void influx_put_label(varve_label *labels, size_t *count, varve_label label)
{
    size_t at = *count;
    while (at > 0 && vv_text_compare(labels[at - 1].name, label.name) > 0) {
        at -= 1;
    }
    if (at > 0 && vv_text_equal(labels[at - 1].name, label.name)) {
        labels[at - 1].value = label.value;
        return;
    }
    memmove(&labels[at + 1], &labels[at], (*count - at) * sizeof *labels);
    labels[at] = label;
    *count += 1;
}

static varve_status influx_key_tag(varve_text tag, vv_arena *arena, varve_label *labels,
                                   size_t *count, varve_error *out_err)
{
    size_t equal = influx_find_unescaped(tag, 0, '=', '=');
    if (equal == tag.size) {
        return vv_fail(out_err, VARVE_E_INVALID, "tag \"%.*s\" has no value", VV_TEXT_ARGS(tag));
    }
    if (equal == 0) {
        return vv_fail(out_err, VARVE_E_INVALID, "tag without a name");
    }
    varve_text raw = vv_text_sub(tag, equal + 1, tag.size);
    if (influx_find_unescaped(raw, 0, '=', '=') != raw.size) {
        return vv_fail(out_err, VARVE_E_INVALID, "tag \"%.*s\" has two equal signs",
                       VV_TEXT_ARGS(tag));
    }
    varve_label label;
    VV_TRY(influx_key_text(vv_text_make(tag.data, equal), false, arena, &label.name, out_err));
    VV_TRY(influx_key_text(raw, false, arena, &label.value, out_err));
    if (vv_text_equal(label.name, VV_TEXT("__name__"))) {
        return vv_fail(out_err, VARVE_E_INVALID, "the tag \"__name__\" is the measurement's");
    }
    influx_put_label(labels, count, label);
    return VARVE_OK;
}

static void influx_drop_empty_labels(varve_label *labels, size_t *count)
{
    size_t kept = 0;
    for (size_t index = 0; index < *count; index++) {
        if (labels[index].value.size > 0) {
            labels[kept] = labels[index];
            kept += 1;
        }
    }
    *count = kept;
}

varve_status vv_influx_key_parse(varve_text key, vv_arena *arena, varve_text *out_metric,
                                 varve_label **out_labels, size_t *out_count, varve_error *out_err)
{
    *out_labels = NULL;
    size_t at = influx_find_unescaped(key, 0, ',', ',');
    varve_text metric;
    VV_TRY(influx_key_text(vv_text_make(key.data, at), true, arena, &metric, out_err));
    size_t tag_count = 0;
    for (size_t next = at; next < key.size; next = influx_find_unescaped(key, next + 1, ',', ',')) {
        tag_count += 1;
    }
    if (tag_count > VV_INFLUX_TAGS_MAX) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_SERIES_NAME, "more than %u tags",
                             VV_INFLUX_TAGS_MAX);
    }
    varve_label *labels = vv_arena_array(arena, tag_count + 1, sizeof *labels);
    if (labels == NULL) {
        return vv_arena_fail(arena, (tag_count + 1) * sizeof *labels, out_err);
    }
    size_t count = 0;
    while (at < key.size) {
        size_t end = influx_find_unescaped(key, at + 1, ',', ',');
        VV_TRY(influx_key_tag(vv_text_make(key.data + at + 1, end - at - 1), arena, labels, &count,
                              out_err));
        at = end;
    }
    influx_drop_empty_labels(labels, &count);
    *out_metric = metric;
    *out_labels = labels;
    *out_count = count;
    return VARVE_OK;
}

bool vv_influx_unit_parse(varve_text text, vv_influx_unit *out_unit)
{
    static const struct {
        varve_text word;
        vv_influx_unit unit;
    } units[] = {
        {VV_TEXT_INIT(""), VV_INFLUX_NS},          {VV_TEXT_INIT("n"), VV_INFLUX_NS},
        {VV_TEXT_INIT("ns"), VV_INFLUX_NS},        {VV_TEXT_INIT("nanosecond"), VV_INFLUX_NS},
        {VV_TEXT_INIT("u"), VV_INFLUX_US},         {VV_TEXT_INIT("us"), VV_INFLUX_US},
        {VV_TEXT_INIT("\xc2\xb5"), VV_INFLUX_US},  {VV_TEXT_INIT("\xce\xbc"), VV_INFLUX_US},
        {VV_TEXT_INIT("\xc2\xb5s"), VV_INFLUX_US}, {VV_TEXT_INIT("microsecond"), VV_INFLUX_US},
        {VV_TEXT_INIT("ms"), VV_INFLUX_MS},        {VV_TEXT_INIT("millisecond"), VV_INFLUX_MS},
        {VV_TEXT_INIT("s"), VV_INFLUX_S},          {VV_TEXT_INIT("second"), VV_INFLUX_S},
        {VV_TEXT_INIT("m"), VV_INFLUX_M},          {VV_TEXT_INIT("h"), VV_INFLUX_H},
        {VV_TEXT_INIT("auto"), VV_INFLUX_AUTO},
    };
    for (size_t index = 0; index < VV_ARRAY_COUNT(units); index++) {
        if (vv_text_equal(text, units[index].word)) {
            *out_unit = units[index].unit;
            return true;
        }
    }
    return false;
}
