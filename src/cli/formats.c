/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/formats.h"

#include "base/slice.h"
#include "base/text.h"
#include "wire/decode.h"
#include "wire/stream.h"

static const vv_format_row formats_table[] = {
    {
        .name = "lp",
        .unit_word = "line",
        .format = VV_FORMAT_LP,
        .suffixes = {".lp", ".influx", ".line"},
        .path = "/api/v2/write",
        .content_type = "text/plain; charset=utf-8",
        .unit = VARVE_PRECISION_NS, /* what writers of line protocol mean */
        .has_unit = true,
    },
    {
        .name = "jsonl",
        .unit_word = "line",
        .format = VV_FORMAT_JSONL,
        .suffixes = {".jsonl", ".ndjson", ".json"},
        .path = "/api/v1/import",
        .content_type = "application/x-ndjson",
        .unit = VARVE_PRECISION_STORED,
        .has_unit = true,
    },
    {
        .name = "prom",
        .unit_word = "line",
        .format = VV_FORMAT_PROMETHEUS,
        .suffixes = {".prom", ".metrics", ".metrics.txt"},
        .path = "/api/v1/import/prometheus",
        .content_type = "text/plain; version=0.0.4; charset=utf-8",
    },
    {
        .name = "openmetrics",
        .unit_word = "line",
        .format = VV_FORMAT_OPENMETRICS,
        .suffixes = {".om", ".openmetrics"},
        .path = "/api/v1/import/prometheus",
        .content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8",
        .is_whole = true,
    },
    {
        .name = "csv",
        .unit_word = "line",
        .format = VV_FORMAT_CSV,
        .suffixes = {".csv", ".tsv"},
        .path = "/api/v1/import/csv",
        .content_type = "text/csv; charset=utf-8",
    },
    {
        .name = "native",
        .unit_word = "block",
        .format = VV_FORMAT_NATIVE,
        .suffixes = {VV_STREAM_SUFFIX},
        .path = "/api/v1/import/native",
        .content_type = VV_STREAM_CONTENT_TYPE,
        .unit = VARVE_PRECISION_STORED, /* the stream says it */
    },
};

const vv_format_row *vv_formats_find(const char *name)
{
    varve_text wanted = vv_text_from_string(name);
    for (size_t i = 0; i < VV_ARRAY_COUNT(formats_table); i++) {
        const vv_format_row *row = &formats_table[i];
        if (vv_text_equal(wanted, vv_text_from_string(row->name))) {
            return row;
        }
        for (size_t k = 0; k < VV_FORMAT_SUFFIXES_MAX && row->suffixes[k] != NULL; k++) {
            if (vv_text_equal(wanted, vv_text_from_string(row->suffixes[k] + 1))) {
                return row;
            }
        }
    }
    return NULL;
}

const vv_format_row *vv_formats_of_path(const char *path)
{
    static const varve_text packed[] = {VV_TEXT_INIT(".gz"), VV_TEXT_INIT(".zst")};
    varve_text name = vv_text_from_string(path);
    for (size_t i = 0; i < VV_ARRAY_COUNT(packed); i++) {
        if (vv_text_ends_with(name, packed[i])) {
            name.size -= packed[i].size;
        }
    }
    for (size_t i = 0; i < VV_ARRAY_COUNT(formats_table); i++) {
        const vv_format_row *row = &formats_table[i];
        for (size_t k = 0; k < VV_FORMAT_SUFFIXES_MAX && row->suffixes[k] != NULL; k++) {
            if (vv_text_ends_with(name, vv_text_from_string(row->suffixes[k]))) {
                return row;
            }
        }
    }
    return NULL;
}

const vv_format_row *vv_formats_of_bytes(vv_bytes bytes)
{
    bool is_stream = vv_text_starts_with(vv_text_of_bytes(bytes), VV_TEXT(VV_STREAM_MAGIC));
    return is_stream ? vv_formats_find("native") : NULL;
}

void vv_formats_list(char *target, size_t capacity)
{
    size_t size = 0;
    for (size_t i = 0; i < VV_ARRAY_COUNT(formats_table); i++) {
        const char *before = i == 0 ? "" : i + 1 == VV_ARRAY_COUNT(formats_table) ? " or " : ", ";
        size +=
            vv_text_format(target + size, capacity - size, "%s%s", before, formats_table[i].name);
    }
}
