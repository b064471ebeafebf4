/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Line protocol: no bytes break the parser, and how they are cut into chunks changes nothing but
 * where a line that is too long is noticed. What parses is written, and reads back the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/slice.h"
#include "wire/influx.h"
#include "wire/influx_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

typedef struct outcome {
    uint64_t rows, errors, digest;
    bool is_stopped;
} outcome;

static uint64_t fuzz_influx_text(varve_text text, uint64_t seed)
{
    return vv_hash64(text.data, text.size, seed);
}

static bool fuzz_influx_is_same(const varve_value *a, const varve_value *b)
{
    switch (a->type) {
    case VARVE_TYPE_STRING:
        return b->type == a->type && vv_text_equal(a->as.bytes, b->as.bytes);
    case VARVE_TYPE_BOOL:
        return b->type == a->type && a->as.boolean == b->as.boolean;
    default: /* numbers, all of whose bits count */
        return b->type == a->type && a->as.u64 == b->as.u64;
    }
}

/** Write the series of a key and parse what was written: the same series. */
static void fuzz_influx_key_again(varve_text metric, const varve_label *labels, size_t count,
                                  vv_arena *arena, vv_alloc *alloc)
{
    vv_buf buf;
    vv_buf_init(&buf, alloc, SIZE_MAX);
    vv_influx_skipped skipped = {0};
    if (vv_influx_write_key(&buf, metric, labels, count, &skipped)) {
        varve_text second;
        varve_label *again;
        size_t again_count;
        require(vv_influx_key_parse(vv_buf_text(&buf), arena, &second, &again, &again_count,
                                    NULL) == VARVE_OK);
        require(vv_text_equal(metric, second) && again_count == count && skipped.labels == 0);
        for (size_t index = 0; index < count; index++) {
            require(vv_text_equal(labels[index].name, again[index].name));
            require(vv_text_equal(labels[index].value, again[index].value));
        }
    }
    vv_buf_deinit(&buf);
}

/** Write a row and parse what was written: the same fields in the same order. */
static void fuzz_influx_again(const vv_influx_row *row, vv_alloc *alloc)
{
    vv_buf buf;
    vv_buf_init(&buf, alloc, SIZE_MAX);
    vv_influx_skipped skipped = {0};
    require(vv_influx_write_row(&buf, VV_TEXT("m"), row->names, row->values, row->count,
                                row->timestamp, &skipped) == VARVE_OK);
    if (skipped.values == 0) {
        vv_influx again;
        vv_influx_row second;
        vv_influx_options options = {.precision = VARVE_PRECISION_NS};
        vv_influx_init(&again, alloc, &options);
        vv_influx_feed(&again, vv_buf_text(&buf), true);
        vv_influx_event event = vv_influx_next(&again, &second, NULL);
        /* Longer by its escapes, a line may pass the limit. */
        require(event == VV_INFLUX_ROW || event == VV_INFLUX_STOP);
        if (event == VV_INFLUX_ROW) {
            require(second.count == row->count && second.timestamp == row->timestamp);
            for (size_t index = 0; index < row->count; index++) {
                require(vv_text_equal(second.names[index], row->names[index]));
                require(fuzz_influx_is_same(&second.values[index], &row->values[index]));
            }
        }
        vv_influx_deinit(&again);
    }
    vv_buf_deinit(&buf);
}

static outcome fuzz_influx_run(varve_text text, size_t piece, vv_alloc *alloc, bool writes)
{
    vv_influx parser;
    vv_influx_options options = {.precision = VARVE_PRECISION_NS, .line_bytes_max = 4096};
    vv_influx_init(&parser, alloc, &options);
    vv_arena arena;
    vv_arena_init(&arena, alloc, SIZE_MAX);
    outcome out = {0};
    for (size_t at = 0; !out.is_stopped; at += piece) {
        bool is_last = at >= text.size;
        vv_influx_feed(&parser, is_last ? VV_TEXT("") : vv_text_sub(text, at, piece), is_last);
        vv_influx_event event = VV_INFLUX_ROW;
        while (event != VV_INFLUX_MORE && event != VV_INFLUX_STOP) {
            vv_influx_row row;
            event = vv_influx_next(&parser, &row, NULL);
            out.errors += event == VV_INFLUX_ERROR;
            if (event != VV_INFLUX_ROW) {
                continue;
            }
            require(row.count > 0 && row.key.size > 0);
            out.rows += 1;
            out.digest = fuzz_influx_text(row.key, out.digest + row.line);
            for (size_t index = 0; index < row.count; index++) {
                out.digest = fuzz_influx_text(row.names[index], out.digest);
            }
            varve_text metric;
            varve_label *labels;
            size_t count;
            vv_arena_reset(&arena);
            varve_status status =
                vv_influx_key_parse(row.key, &arena, &metric, &labels, &count, NULL);
            require(status == VARVE_OK || status == VARVE_E_INVALID || status == VARVE_E_LIMIT);
            if (writes && status == VARVE_OK) {
                fuzz_influx_key_again(metric, labels, count, &arena, alloc);
            }
            if (writes) {
                fuzz_influx_again(&row, alloc);
            }
        }
        out.is_stopped = event == VV_INFLUX_STOP;
        if (is_last) {
            break;
        }
    }
    vv_arena_deinit(&arena);
    vv_influx_deinit(&parser);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    varve_text text = {.data = (const char *)data, .size = size};
    vv_influx_unit unit;
    VV_IGNORE(vv_influx_unit_parse(text, &unit));
    outcome whole = fuzz_influx_run(text, size + 1, &alloc, true);
    outcome cut = fuzz_influx_run(text, 1 + size / 7, &alloc, false);
    if (!whole.is_stopped && !cut.is_stopped) {
        require(whole.rows == cut.rows && whole.errors == cut.errors && whole.digest == cut.digest);
    }
    require(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
