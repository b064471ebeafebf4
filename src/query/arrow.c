/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A TABLE cursor as an Arrow C stream ("The Arrow C data interface", "The Arrow C stream
 * interface": the structs below are that ABI). Each batch is a kept block with Arrow's bitmaps and
 * offsets beside it, so that it depends on nothing else.
 *
 *   child 0 "time"  timestamp in the database's precision, UTC; listings have no time
 *   then            F64 g, I64 l, U64 L, BOOL b (one bit a value), STRING u, BYTES z, labels:
 *                   dictionary of u by uint32
 *
 *   R1  The memory of a schema or batch is counted by its structs: a consumer may move children out
 *       and release the parent. The last release frees it.
 *   R2  A release sets itself to NULL, so that a second one is seen for what it is.
 *   R3  Text columns are UTF-8: a value of kind BYTES among strings that is not ends the stream.
 */

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/status.h"
#include "base/text.h"
#include "base/utf8.h"
#include "model/rows.h"
#include "query/cursor_priv.h"

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
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

enum { ARROW_FLAG_NULLABLE = 2, ARROW_BUFFERS_MAX = 3 };

/** What a stream owns. Made from the caller's allocator: the first block tells the columns. */
typedef struct arrow_stream {
    varve_cursor *cursor;
    varve_allocator source;
    uint32_t precision;
    bool has_block;           /* the block that told the columns was not given yet */
    const varve_block *first; /* kept */
    varve_error error;
} arrow_stream;

/** Memory of one schema or batch (R1). */
typedef struct arrow_memory {
    atomic_size_t refs; /* structs that were not released */
    varve_allocator source;
    vv_alloc alloc;
    vv_arena arena;
    const varve_block *block; /* of a batch */
} arrow_memory;

static arrow_memory *arrow_memory_create(varve_allocator source)
{
    arrow_memory *memory = source.allocate(source.context, sizeof *memory);
    if (memory != NULL) {
        memset(memory, 0, sizeof *memory);
        atomic_init(&memory->refs, 1);
        memory->source = source;
        vv_alloc_init(&memory->alloc, &source);
        vv_arena_init(&memory->arena, &memory->alloc, SIZE_MAX);
    }
    return memory;
}

static void arrow_memory_ref(arrow_memory *memory)
{
    atomic_fetch_add_explicit(&memory->refs, 1, memory_order_relaxed);
}

static void arrow_memory_unref(arrow_memory *memory)
{
    /* Release and acquire: the last owner sees everything the others did before they left. */
    if (atomic_fetch_sub_explicit(&memory->refs, 1, memory_order_acq_rel) == 1) {
        varve_allocator source = memory->source;
        vv_block_release(memory->block);
        vv_arena_deinit(&memory->arena);
        source.release(source.context, memory, sizeof *memory);
    }
}

/** Of one that was never given out. */
static void arrow_memory_discard(arrow_memory *memory)
{
    memory->block = NULL; /* still the caller's */
    atomic_store_explicit(&memory->refs, 1, memory_order_relaxed);
    arrow_memory_unref(memory);
}

/* ---- schema ---- */

static void arrow_release_schema(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release != NULL) {
            schema->children[i]->release(schema->children[i]);
        }
    }
    if (schema->dictionary != NULL && schema->dictionary->release != NULL) {
        schema->dictionary->release(schema->dictionary);
    }
    arrow_memory *memory = schema->private_data;
    schema->release = NULL;
    arrow_memory_unref(memory);
}

static const char *arrow_time_format(uint32_t precision)
{
    switch (precision) {
    case VARVE_PRECISION_US:
        return "tsu:UTC";
    case VARVE_PRECISION_MS:
        return "tsm:UTC";
    case VARVE_PRECISION_S:
        return "tss:UTC";
    default:
        return "tsn:UTC";
    }
}

/** NULL: Arrow has no such type here. */
static const char *arrow_format(uint32_t type)
{
    switch (type) {
    case VARVE_TYPE_F64:
        return "g";
    case VARVE_TYPE_I64:
        return "l";
    case VARVE_TYPE_U64:
        return "L";
    case VARVE_TYPE_BOOL:
        return "b";
    case VARVE_TYPE_STRING:
        return "u";
    case VARVE_TYPE_BYTES:
        return "z";
    default:
        return NULL;
    }
}

static const char *arrow_copy_name(arrow_memory *memory, varve_text name)
{
    varve_text copy;
    return vv_arena_copy(&memory->arena, name, &copy) == VARVE_OK ? copy.data : NULL;
}

static struct ArrowSchema *arrow_child_schema(arrow_memory *memory, const char *format,
                                              varve_text name)
{
    struct ArrowSchema *child = vv_arena_zeroed(&memory->arena, sizeof *child);
    const char *copy = arrow_copy_name(memory, name);
    if (child == NULL || copy == NULL) {
        return NULL;
    }
    child->format = format;
    child->name = copy;
    child->flags = ARROW_FLAG_NULLABLE;
    child->release = arrow_release_schema;
    child->private_data = memory;
    arrow_memory_ref(memory);
    return child;
}

static struct ArrowSchema *arrow_column_schema(arrow_memory *memory, const varve_column *column,
                                               varve_text name)
{
    bool is_coded = column->codes != NULL;
    struct ArrowSchema *child =
        arrow_child_schema(memory, is_coded ? "I" : arrow_format(column->type), name);
    if (child != NULL && is_coded) {
        child->dictionary = arrow_child_schema(memory, "u", VARVE_STR(""));
        if (child->dictionary == NULL) {
            return NULL;
        }
    }
    return child;
}

static int arrow_make_schema(arrow_stream *stream, struct ArrowSchema *out)
{
    const varve_block *block = stream->first;
    arrow_memory *memory = arrow_memory_create(stream->source);
    if (memory == NULL) {
        return ENOMEM;
    }
    size_t times = block->timestamps != NULL ? 1 : 0;
    size_t count = block->column_count + times;
    struct ArrowSchema **children = vv_arena_zeroed(&memory->arena, (count + 1) * sizeof *children);
    if (children == NULL) {
        arrow_memory_discard(memory);
        return ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        children[i] = i < times ? arrow_child_schema(memory, arrow_time_format(stream->precision),
                                                     VARVE_STR("time"))
                                : arrow_column_schema(memory, &block->columns[i - times],
                                                      block->column_names[i - times]);
        if (children[i] == NULL) {
            arrow_memory_discard(memory);
            return ENOMEM;
        }
    }
    *out = (struct ArrowSchema){
        .format = "+s",
        .name = "",
        .n_children = (int64_t)count,
        .children = children,
        .release = arrow_release_schema,
        .private_data = memory,
    };
    return 0;
}

/* ---- batches ---- */

static void arrow_release_array(struct ArrowArray *array)
{
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release != NULL) {
            array->children[i]->release(array->children[i]);
        }
    }
    if (array->dictionary != NULL && array->dictionary->release != NULL) {
        array->dictionary->release(array->dictionary);
    }
    arrow_memory *memory = array->private_data;
    array->release = NULL;
    arrow_memory_unref(memory);
}

static struct ArrowArray *arrow_child_array(arrow_memory *memory, size_t rows, size_t buffers)
{
    struct ArrowArray *child = vv_arena_zeroed(&memory->arena, sizeof *child);
    const void **pointers = vv_arena_zeroed(&memory->arena, ARROW_BUFFERS_MAX * sizeof *pointers);
    if (child == NULL || pointers == NULL) {
        return NULL;
    }
    child->length = (int64_t)rows;
    child->n_buffers = (int64_t)buffers;
    child->buffers = pointers;
    child->release = arrow_release_array;
    child->private_data = memory;
    arrow_memory_ref(memory);
    return child;
}

/** Offsets and bytes of texts; false: out of memory, or more than Arrow's 2 GiB. */
static bool arrow_put_texts(arrow_memory *memory, struct ArrowArray *array, const varve_text *texts,
                            const varve_column *presence, size_t rows)
{
    int32_t *offsets = vv_arena_array(&memory->arena, rows + 1, sizeof *offsets);
    size_t total = 0;
    for (size_t i = 0; i < rows; i++) {
        total += presence == NULL || vv_column_has(presence, i) ? texts[i].size : 0;
    }
    uint8_t *bytes = total > INT32_MAX ? NULL : vv_arena_new(&memory->arena, total + 1);
    if (offsets == NULL || bytes == NULL) {
        return false;
    }
    size_t used = 0;
    for (size_t i = 0; i < rows; i++) {
        offsets[i] = (int32_t)used;
        if ((presence == NULL || vv_column_has(presence, i)) && texts[i].size > 0) {
            memcpy(bytes + used, texts[i].data, texts[i].size);
            used += texts[i].size;
        }
    }
    offsets[rows] = (int32_t)used;
    array->buffers[1] = offsets;
    array->buffers[2] = bytes;
    return true;
}

/** One bit a value. */
static bool arrow_put_bools(arrow_memory *memory, struct ArrowArray *array,
                            const varve_column *column, size_t rows)
{
    uint64_t *bits = vv_arena_zeroed(&memory->arena, vv_bits_words(rows + 1) * sizeof *bits);
    const uint8_t *values = column->values;
    for (size_t i = 0; bits != NULL && i < rows; i++) {
        vv_bits_put(bits, i, values[i] != 0);
    }
    array->buffers[1] = bits;
    return bits != NULL;
}

static bool arrow_put_dictionary(arrow_memory *memory, struct ArrowArray *array,
                                 const varve_column *column)
{
    array->buffers[1] = column->codes;
    array->dictionary = arrow_child_array(memory, column->dictionary_count, 3);
    return array->dictionary != NULL &&
           arrow_put_texts(memory, array->dictionary, column->dictionary->values, NULL,
                           column->dictionary_count);
}

static struct ArrowArray *arrow_column_array(arrow_memory *memory, const varve_column *column,
                                             size_t rows)
{
    bool is_blob = vv_type_is_blob(column->type) && column->codes == NULL;
    struct ArrowArray *array = arrow_child_array(memory, rows, is_blob ? 3 : 2);
    if (array == NULL) {
        return NULL;
    }
    array->buffers[0] = column->present;
    array->null_count =
        column->present == NULL ? 0 : (int64_t)(rows - vv_bits_count(column->present, 0, rows));
    bool is_done = true;
    if (column->codes != NULL) {
        is_done = arrow_put_dictionary(memory, array, column);
    } else if (is_blob) {
        is_done = arrow_put_texts(memory, array, column->values, column, rows);
    } else if (column->type == VARVE_TYPE_BOOL) {
        is_done = arrow_put_bools(memory, array, column, rows);
    } else {
        array->buffers[1] = column->values;
    }
    return is_done ? array : NULL;
}

/** R3 */
static bool arrow_is_text(const varve_column *column, size_t rows)
{
    const varve_text *texts = column->values;
    bool may_differ = column->type == VARVE_TYPE_STRING && column->marks != NULL;
    for (size_t i = 0; may_differ && i < rows; i++) {
        if (vv_bits_get(column->marks, i) && vv_column_has(column, i) &&
            !vv_utf8_is_valid(texts[i])) {
            return false;
        }
    }
    return true;
}

/** Whether a block can be given as Arrow has it. */
static varve_status arrow_check_block(const varve_block *block, varve_error *out_err)
{
    for (size_t i = 0; i < block->column_count; i++) {
        const varve_column *column = &block->columns[i];
        varve_text name = block->column_names[i];
        int size = (int)(name.size < 100 ? name.size : 100);
        if (arrow_format(column->type) == NULL) {
            return vv_fail(out_err, VARVE_E_UNSUPPORTED, "column %.*s: type %s has no Arrow type",
                           size, name.data, varve_type_name(column->type));
        }
        if (column->codes == NULL && !arrow_is_text(column, block->rows)) {
            return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                           "column %.*s: among strings there are bytes that are no UTF-8", size,
                           name.data);
        }
    }
    return VARVE_OK;
}

/** A batch of a kept block, which it takes on success. */
static int arrow_make_array(arrow_stream *stream, const varve_block *block, struct ArrowArray *out)
{
    arrow_memory *memory = arrow_memory_create(stream->source);
    if (memory == NULL) {
        return ENOMEM;
    }
    size_t times = block->timestamps != NULL ? 1 : 0;
    size_t count = block->column_count + times;
    struct ArrowArray **children = vv_arena_zeroed(&memory->arena, (count + 1) * sizeof *children);
    const void **buffers = vv_arena_zeroed(&memory->arena, sizeof *buffers);
    bool is_done = children != NULL && buffers != NULL;
    for (size_t i = 0; is_done && i < count; i++) {
        if (i < times) {
            children[i] = arrow_child_array(memory, block->rows, 2);
            if (children[i] != NULL) {
                children[i]->buffers[1] = block->timestamps;
            }
        } else {
            children[i] = arrow_column_array(memory, &block->columns[i - times], block->rows);
        }
        is_done = children[i] != NULL;
    }
    if (!is_done) {
        arrow_memory_discard(memory);
        return ENOMEM;
    }
    memory->block = block;
    *out = (struct ArrowArray){
        .length = (int64_t)block->rows,
        .n_buffers = 1,
        .n_children = (int64_t)count,
        .buffers = buffers,
        .children = children,
        .release = arrow_release_array,
        .private_data = memory,
    };
    return 0;
}

/* ---- the stream ---- */

static int arrow_errno(varve_status status)
{
    return status == VARVE_E_NOMEM       ? ENOMEM
           : status == VARVE_E_CANCELLED ? ECANCELED
           : status == VARVE_E_INVALID   ? EINVAL
                                         : EIO;
}

static int arrow_get_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    return arrow_make_schema(self->private_data, out);
}

/** The next block, kept; NULL at the end. */
static varve_status arrow_next_block(arrow_stream *stream, const varve_block **out_block)
{
    *out_block = NULL;
    if (stream->error.status != VARVE_OK) {
        return stream->error.status;
    }
    const varve_block *block;
    varve_status status = varve_cursor_next(stream->cursor, &block, &stream->error);
    if (status == VARVE_OK && block != NULL) {
        status = arrow_check_block(block, &stream->error);
    }
    if (status == VARVE_OK && block != NULL) {
        *out_block = vv_cursor_keep(stream->cursor);
    }
    return status;
}

static int arrow_get_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    arrow_stream *stream = self->private_data;
    memset(out, 0, sizeof *out);
    const varve_block *block = NULL;
    if (stream->has_block) {
        block = stream->first;
        stream->has_block = false;
        vv_block_share(block); /* the stream keeps it too: the schema may be asked for again */
    } else {
        varve_status status = arrow_next_block(stream, &block);
        if (status != VARVE_OK) {
            return arrow_errno(status);
        }
    }
    if (block == NULL) {
        return 0;
    }
    int failed = arrow_make_array(stream, block, out);
    if (failed != 0) {
        VV_IGNORE(vv_fail(&stream->error, VARVE_E_NOMEM, "no memory for an Arrow batch"));
        vv_block_release(block);
    }
    return failed;
}

static const char *arrow_get_last_error(struct ArrowArrayStream *self)
{
    arrow_stream *stream = self->private_data;
    return stream->error.status == VARVE_OK ? NULL : stream->error.message;
}

static void arrow_release_stream(struct ArrowArrayStream *self)
{
    arrow_stream *stream = self->private_data;
    self->release = NULL;
    vv_block_release(stream->first);
    vv_cursor_close(stream->cursor);
    stream->source.release(stream->source.context, stream, sizeof *stream);
}

/** The block that tells the columns: of an empty answer one without rows, which is not given. */
static varve_status arrow_first_block(arrow_stream *stream)
{
    VV_TRY(arrow_next_block(stream, &stream->first));
    stream->has_block = stream->first != NULL;
    if (stream->first == NULL) {
        VV_TRY(vv_cursor_make_empty(stream->cursor, &stream->error));
        VV_TRY(arrow_check_block(&stream->cursor->frame->block, &stream->error));
        stream->first = vv_cursor_keep(stream->cursor);
    }
    return VARVE_OK;
}

varve_status vv_cursor_arrow(varve_cursor *cursor, struct ArrowArrayStream *out_stream,
                             varve_error *out_err)
{
    if (cursor->layout != VARVE_LAYOUT_TABLE || cursor->was_read) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "an Arrow stream is made of a TABLE cursor that was not read yet");
    }
    varve_allocator source = cursor->db->alloc.source;
    arrow_stream *stream = source.allocate(source.context, sizeof *stream);
    if (stream == NULL) {
        return vv_fail(out_err, VARVE_E_NOMEM, "no memory for an Arrow stream");
    }
    memset(stream, 0, sizeof *stream);
    stream->cursor = cursor;
    stream->source = source;
    stream->precision = cursor->db->precision;
    varve_status status = arrow_first_block(stream);
    if (status != VARVE_OK && out_err != NULL) {
        *out_err = stream->error;
    }
    if (status != VARVE_OK) {
        vv_block_release(stream->first);
        source.release(source.context, stream, sizeof *stream);
        return status;
    }
    *out_stream = (struct ArrowArrayStream){
        .get_schema = arrow_get_schema,
        .get_next = arrow_get_next,
        .get_last_error = arrow_get_last_error,
        .release = arrow_release_stream,
        .private_data = stream,
    };
    return VARVE_OK;
}
