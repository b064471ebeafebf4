/* SPDX-License-Identifier: Apache-2.0 */
/* memory_max holds: what a cursor takes above what was there stays within a tenth of it, its
 * current block apart, whether the query answers or is refused; and it is all given back. */
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

#include "engine/db.h"
#include "support/engine_fixture.h"

enum { KIB = 1024, SERIES = 40, ROWS = 2000, BLOCK_BYTES = 64 * KIB };

/* The allocator of the database, which remembers the most that was out. */
static size_t live_bytes, peak_bytes;

static void *measured_allocate(void *context, size_t size)
{
    (void)context;
    live_bytes += size;
    peak_bytes = live_bytes > peak_bytes ? live_bytes : peak_bytes;
    return malloc(size);
}

static void *measured_reallocate(void *context, void *memory, size_t old_size, size_t new_size)
{
    (void)context;
    live_bytes += new_size - old_size;
    peak_bytes = live_bytes > peak_bytes ? live_bytes : peak_bytes;
    return realloc(memory, new_size);
}

static void measured_release(void *context, void *memory, size_t size)
{
    (void)context;
    live_bytes -= memory == NULL ? 0 : size;
    free(memory);
}

static void fill(engine_fixture *f)
{
    static const varve_allocator measured = {.allocate = measured_allocate,
                                             .reallocate = measured_reallocate,
                                             .release = measured_release};
    engine_fixture_create(f);
    engine_fixture_close(f);
    f->options.allocator = &measured;
    f->options.cache_bytes = 16 * KIB; /* blocks that are read are not the cursor's */
    engine_fixture_open(f);
    for (uint32_t series = 0; series < SERIES; series++) {
        engine_fixture_write(f, series, 0, 7 + series, ROWS, 0.1);
    }
}

static varve_status ask(engine_fixture *f, varve_query_options *options, uint64_t memory_max,
                        uint64_t *out_rows)
{
    varve_error err;
    varve_cursor *cursor;
    const varve_block *block = NULL;
    options->memory_max = memory_max;
    options->block_bytes_max = BLOCK_BYTES;
    *out_rows = 0;
    VV_TRY(varve_query(f->db, options, &cursor, &err));
    varve_status status;
    do {
        status = varve_cursor_next(cursor, &block, &err);
        *out_rows += block != NULL ? block->rows : 0;
    } while (status == VARVE_OK && block != NULL);
    varve_cursor_close(cursor);
    return status;
}

/* Whether some bound was enough and another too small, so that both sides were seen. */
static void hold(engine_fixture *f, varve_query_options *options)
{
    bool was_refused = false;
    bool was_answered = false;
    uint64_t rows;
    check_ok(ask(f, options, 256 * 1024 * KIB, &rows), NULL);
    uint64_t wanted = rows;
    for (uint64_t memory_max = 32 * KIB; memory_max <= 64 * 1024 * KIB; memory_max *= 2) {
        size_t before = live_bytes;
        peak_bytes = live_bytes;
        varve_status status = ask(f, options, memory_max, &rows);
        assert_true(peak_bytes - before <= memory_max + memory_max / 10 + 2 * BLOCK_BYTES);
        assert_true(live_bytes <= before + 64 * KIB); /* blocks in the cache */
        if (status == VARVE_OK) {
            assert_int_equal(rows, wanted);
            was_answered = true;
        } else {
            check_status(VARVE_E_LIMIT, status);
            was_refused = true;
        }
    }
    assert_true(was_refused && was_answered);
}

static void a_query_stays_within_a_tenth_of_its_memory(void **state)
{
    (void)state;
    engine_fixture f;
    fill(&f);
    varve_query_options options;
    varve_output median;
    for (int is_flushed = 0; is_flushed < 2; is_flushed++) {
        varve_query_options_init(&options);
        hold(&f, &options); /* series by series */
        options.order = VARVE_ORDER_TIME;
        options.layout = VARVE_LAYOUT_TABLE;
        hold(&f, &options); /* all series merged */
        memset(&median, 0, sizeof median);
        median.aggregation = VARVE_AGG_MEDIAN;
        median.name = VARVE_STR("value");
        varve_query_options_init(&options);
        options.outputs = &median;
        options.output_count = 1;
        hold(&f, &options); /* keeps every value */
        varve_error err;
        check_ok(varve_flush(f.db, NULL, &err), &err);
    }
    varve_error err;
    check_ok(varve_close(f.db, &err), &err);
    f.db = NULL;
    assert_int_equal(live_bytes, 0);
    engine_fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_stays_within_a_tenth_of_its_memory),
    };
    return cmocka_run_group_tests_name("query memory", tests, NULL, NULL);
}
