/* SPDX-License-Identifier: Apache-2.0 */
/* Arrow streams: schema, bitmaps, dictionaries, lifetimes, errors. */
#include "query_world.h"

#include "query/query.h"

struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

static int setup(void **state)
{
    world *w = malloc(sizeof *w);
    world_open(w, 0, 0);
    for (int i = 0; i < 100; i++) {
        const char *host = i % 2 ? "a" : "b";
        world_put(w, "m", host, i, "f", f64_of(i / 2.0));
        if (i % 4 == 0) {
            world_put(w, "m", host, i, "s", string_of(i % 8 == 0 ? "eight" : ""));
            world_put(w, "m", host, i, "b",
                      (varve_value){.type = VARVE_TYPE_BOOL, .as.boolean = i % 8 == 0});
        }
    }
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    world_close(*state);
    free(*state);
    return 0;
}

static void open_stream(world *w, const varve_query_options *options,
                        struct ArrowArrayStream *stream)
{
    varve_cursor *cursor;
    varve_error err;
    check_ok(varve_query(w->db, options, &cursor, &err), &err);
    check_ok(varve_cursor_arrow(cursor, stream, &err), &err);
}

static varve_output label_of(const char *name)
{
    varve_output output = output_of(name, VARVE_AGG_NONE);
    output.kind = VARVE_OUTPUT_LABEL;
    return output;
}

static void schema_and_batches_say_the_same(void **state)
{
    world *w = *state;
    varve_output outputs[] = {label_of("host"), output_of("f", VARVE_AGG_NONE),
                              output_of("s", VARVE_AGG_NONE), output_of("b", VARVE_AGG_NONE)};
    varve_query_options options = options_of(outputs, 4);
    options.order = VARVE_ORDER_TIME;
    options.block_rows_max = 33;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    open_stream(w, &options, &stream);
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    static const char *const formats[] = {"tsn:UTC", "I", "g", "u", "b"};
    static const char *const names[] = {"time", "host", "f", "s", "b"};
    assert_string_equal(schema.format, "+s");
    assert_int_equal(schema.n_children, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(schema.children[i]->format, formats[i]);
        assert_string_equal(schema.children[i]->name, names[i]);
    }
    assert_string_equal(schema.children[1]->dictionary->format, "u");
    schema.release(&schema);
    assert_null(schema.release);
    int64_t at = 0;
    for (;;) {
        struct ArrowArray batch;
        assert_int_equal(stream.get_next(&stream, &batch), 0);
        if (batch.release == NULL) {
            break;
        }
        assert_true(batch.length <= 33);
        const struct ArrowArray *host = batch.children[1];
        const struct ArrowArray *text = batch.children[3];
        const struct ArrowArray *flag = batch.children[4];
        int64_t nulls = 0;
        for (int64_t i = 0; i < batch.length; i++, at++) {
            assert_int_equal(((const int64_t *)batch.children[0]->buffers[1])[i], at);
            assert_true(((const double *)batch.children[2]->buffers[1])[i] == (double)at / 2);
            uint32_t code = ((const uint32_t *)host->buffers[1])[i];
            assert_true(code < (uint64_t)host->dictionary->length);
            const int32_t *entries = host->dictionary->buffers[1];
            assert_int_equal(((const char *)host->dictionary->buffers[2])[entries[code]],
                             at % 2 ? 'a' : 'b');
            const uint8_t *present = text->buffers[0];
            bool has = present == NULL || ((present[i / 8] >> (i % 8)) & 1) != 0;
            assert_int_equal(has, at % 4 == 0);
            nulls += !has;
            const int32_t *offsets = text->buffers[1];
            assert_int_equal(offsets[i + 1] - offsets[i], at % 8 == 0 ? 5 : 0);
            if (has) {
                assert_int_equal((((const uint8_t *)flag->buffers[1])[i / 8] >> (i % 8)) & 1,
                                 at % 8 == 0);
            }
        }
        assert_int_equal(text->null_count, nulls);
        assert_true(host->dictionary->length <= 2);
        batch.release(&batch);
        assert_null(batch.release);
    }
    assert_int_equal(at, 100);
    stream.release(&stream);
    assert_null(stream.release);
}

/* Children moved out stay valid when parent, stream and database are gone. */
static void batches_and_moved_children_outlive_everything(void **state)
{
    (void)state;
    world w;
    varve_error err;
    world_open(&w, 0, 0);
    world_put(&w, "m", "a", 5, "s", string_of("moved"));
    varve_output outputs[] = {output_of("s", VARVE_AGG_NONE), label_of("host")};
    varve_query_options options = options_of(outputs, 2);
    struct ArrowArrayStream stream;
    struct ArrowArray batch;
    struct ArrowSchema schema;
    open_stream(&w, &options, &stream);
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    assert_int_equal(stream.get_next(&stream, &batch), 0);
    stream.release(&stream);
    check_ok(varve_close(w.db, &err), &err);
    struct ArrowArray text = *batch.children[1];
    batch.children[1]->release = NULL;
    batch.release(&batch);
    struct ArrowSchema child = *schema.children[2];
    schema.children[2]->release = NULL;
    schema.release(&schema);
    assert_memory_equal(text.buffers[2], "moved", 5);
    assert_string_equal(child.name, "host");
    assert_string_equal(child.dictionary->format, "u");
    text.release(&text);
    child.release(&child);
    assert_int_equal(w.source.live, 0);
}

static void an_empty_answer_has_its_columns(void **state)
{
    world *w = *state;
    varve_output outputs[] = {output_of("f", VARVE_AGG_MAX), output_of("s", VARVE_AGG_COUNT)};
    varve_query_options options = options_of(outputs, 2);
    options.range = (varve_range){.start = 5000, .end = 6000};
    options.bucket = (varve_bucket){.kind = VARVE_BUCKET_FIXED, .width = 10};
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct ArrowArray batch;
    open_stream(w, &options, &stream);
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    assert_int_equal(schema.n_children, 3);
    assert_string_equal(schema.children[1]->format, "g");
    assert_string_equal(schema.children[2]->format, "L");
    schema.release(&schema);
    assert_int_equal(stream.get_next(&stream, &batch), 0);
    assert_null(batch.release);
    stream.release(&stream);
}

static void what_arrow_cannot_say_is_refused(void **state)
{
    world *w = *state;
    varve_cursor *cursor;
    varve_error err;
    struct ArrowArrayStream stream;
    varve_query_options options;
    varve_query_options_init(&options);
    check_ok(varve_query(w->db, &options, &cursor, &err), &err);
    check_status(VARVE_E_INVALID, varve_cursor_arrow(cursor, &stream, &err)); /* SERIES */
    varve_cursor_close(cursor);
    world_put(w, "x", "a", 1, "y", f64_of(1));
    world_put(w, "x", "b", 1, "y", i64_of(1));
    varve_output output = output_of("y", VARVE_AGG_NONE);
    options = options_of(&output, 1);
    check_ok(varve_query(w->db, &options, &cursor, &err), &err);
    check_status(VARVE_E_UNSUPPORTED, varve_cursor_arrow(cursor, &stream, &err)); /* MIXED */
    varve_cursor_close(cursor);
    varve_value bytes = {.type = VARVE_TYPE_BYTES, .as.bytes = {.data = "\xff\xfe", .size = 2}};
    world_put(w, "z", "a", 1, "t", string_of("text"));
    world_put(w, "z", "a", 2, "t", bytes);
    output = output_of("t", VARVE_AGG_NONE);
    options = options_of(&output, 1);
    options.block_rows_max = 1;
    open_stream(w, &options, &stream);
    struct ArrowArray batch;
    assert_int_equal(stream.get_next(&stream, &batch), 0);
    batch.release(&batch);
    for (int i = 0; i < 2; i++) {
        assert_int_not_equal(stream.get_next(&stream, &batch), 0);
        assert_null(batch.release);
        assert_non_null(strstr(stream.get_last_error(&stream), "UTF-8"));
    }
    stream.release(&stream);
}

static void every_failing_allocation_leaves_nothing_behind(void **state)
{
    world *w = *state;
    varve_output outputs[] = {label_of("host"), output_of("s", VARVE_AGG_NONE),
                              output_of("b", VARVE_AGG_NONE)};
    varve_query_options options = options_of(outputs, 3);
    uint64_t live = w->source.live;
    for (uint64_t n = 1;; n++) {
        struct ArrowArrayStream stream;
        struct ArrowSchema schema;
        struct ArrowArray batch;
        varve_cursor *cursor;
        failing_alloc_plan(&w->source, n, false);
        bool is_done = false;
        if (varve_query(w->db, &options, &cursor, NULL) == VARVE_OK) {
            if (varve_cursor_arrow(cursor, &stream, NULL) == VARVE_OK) {
                if (stream.get_schema(&stream, &schema) == 0) {
                    schema.release(&schema);
                    if (stream.get_next(&stream, &batch) == 0) {
                        batch.release(&batch);
                        is_done = true;
                    }
                }
                stream.release(&stream);
            } else {
                varve_cursor_close(cursor);
            }
        }
        bool has_failed = w->source.failures > 0;
        failing_alloc_plan(&w->source, 0, false);
        assert_int_equal(is_done, !has_failed);
        assert_true(w->source.live <= live + 64); /* names of labels are made once and stay */
        if (!has_failed) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_and_batches_say_the_same),
        cmocka_unit_test(batches_and_moved_children_outlive_everything),
        cmocka_unit_test(an_empty_answer_has_its_columns),
        cmocka_unit_test(what_arrow_cannot_say_is_refused),
        cmocka_unit_test(every_failing_allocation_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
