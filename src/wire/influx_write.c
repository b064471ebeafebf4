/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Line protocol, written. The counterpart of wire/influx.c: what is written here reads back as the
 * same series, fields and bits, and writing it again gives the same bytes.
 *
 * A backslash is no escape before most characters, so one that stands before a character that is
 * then escaped would change its meaning: names with a backslash before ',', '=', a space, or at
 * their end have no form.
 */

#include "wire/influx_write.h"

#include <string.h>

#include "base/slice.h"
#include "base/text.h"

/** Whether a name survives: see the head of the file. */
static bool influx_write_has_form(varve_text name)
{
    for (size_t index = 0; index < name.size; index++) {
        char c = name.data[index];
        if (c == '\n' || (c == '\r' && index + 1 == name.size)) {
            return false;
        }
        if (c == '\\' &&
            (index + 1 == name.size || name.data[index + 1] == ',' || name.data[index + 1] == '=' ||
             name.data[index + 1] == ' ' || name.data[index + 1] == '\\')) {
            return false;
        }
    }
    return name.size > 0;
}

static void influx_write_name(vv_buf *buf, varve_text name, bool escapes_equal)
{
    for (size_t index = 0; index < name.size; index++) {
        char c = name.data[index];
        if (c == ',' || c == ' ' || (c == '=' && escapes_equal)) {
            vv_buf_append_char(buf, '\\');
        }
        vv_buf_append_char(buf, c);
    }
}

bool vv_influx_write_key(vv_buf *buf, varve_text metric, const varve_label *labels,
                         size_t label_count, vv_influx_skipped *skipped)
{
    bool has_form = influx_write_has_form(metric) && metric.data[0] != '#' &&
                    metric.data[0] != '\t' && metric.data[0] != '\r';
    for (size_t index = 0; has_form && index < label_count; index++) {
        has_form = influx_write_has_form(labels[index].name) &&
                   (labels[index].value.size == 0 || influx_write_has_form(labels[index].value));
    }
    if (!has_form) {
        return false;
    }
    influx_write_name(buf, metric, false);
    for (size_t index = 0; index < label_count; index++) {
        if (labels[index].value.size == 0) {
            skipped->labels += 1;
            continue;
        }
        vv_buf_append_char(buf, ',');
        influx_write_name(buf, labels[index].name, true);
        vv_buf_append_char(buf, '=');
        influx_write_name(buf, labels[index].value, true);
    }
    return true;
}

/** True when the value has a form; it is then appended. */
static bool influx_write_value(vv_buf *buf, const varve_value *value)
{
    char text[VV_TEXT_F64_BYTES_MAX + VV_TEXT_I64_BYTES_MAX];
    switch (value->type) {
    case VARVE_TYPE_F64:
        if (!(value->as.f64 - value->as.f64 == 0.0)) { /* NaN, infinities */
            return false;
        }
        vv_buf_append(buf, text, vv_text_print_f64(text, value->as.f64));
        return true;
    case VARVE_TYPE_I64:
        vv_buf_append(buf, text, vv_text_print_i64(text, value->as.i64));
        vv_buf_append_char(buf, 'i');
        return true;
    case VARVE_TYPE_U64:
        vv_buf_append(buf, text, vv_text_print_u64(text, value->as.u64));
        vv_buf_append_char(buf, 'u');
        return true;
    case VARVE_TYPE_BOOL:
        vv_buf_append_text(buf, value->as.boolean ? VV_TEXT("true") : VV_TEXT("false"));
        return true;
    case VARVE_TYPE_STRING:
        vv_buf_append_char(buf, '"');
        for (size_t index = 0; index < value->as.bytes.size; index++) {
            char c = value->as.bytes.data[index];
            if (c == '"' || c == '\\') {
                vv_buf_append_char(buf, '\\');
            }
            vv_buf_append_char(buf, c);
        }
        vv_buf_append_char(buf, '"');
        return true;
    default: /* bytes, histograms */
        return false;
    }
}

/** name=value; false, and nothing appended, when it has no form. */
static bool influx_write_field(vv_buf *buf, varve_text name, const varve_value *value,
                               char separator)
{
    if (!influx_write_has_form(name)) {
        return false;
    }
    size_t begin = buf->size;
    vv_buf_append_char(buf, separator);
    influx_write_name(buf, name, true);
    vv_buf_append_char(buf, '=');
    if (!influx_write_value(buf, value)) {
        if (buf->status == VARVE_OK) {
            vv_buf_truncate(buf, begin);
        }
        return false;
    }
    return true;
}

varve_status vv_influx_write_row(vv_buf *buf, varve_text key, const varve_text *names,
                                 const varve_value *values, size_t count, int64_t timestamp,
                                 vv_influx_skipped *skipped)
{
    size_t begin = buf->size;
    vv_buf_append_text(buf, key);
    char separator = ' ';
    for (size_t index = 0; index < count; index++) {
        if (values[index].type == VARVE_TYPE_NONE) {
            continue;
        }
        if (influx_write_field(buf, names[index], &values[index], separator)) {
            separator = ',';
        } else {
            skipped->values += 1;
        }
    }
    if (separator == ' ') {
        skipped->rows += 1;
        if (buf->status == VARVE_OK) {
            vv_buf_truncate(buf, begin);
        }
        return buf->status;
    }
    char text[VV_TEXT_I64_BYTES_MAX + 2];
    text[0] = ' ';
    size_t size = 1 + vv_text_print_i64(text + 1, timestamp);
    text[size] = '\n';
    return vv_buf_append(buf, text, size + 1);
}
