/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Cursors: questions, listings, and what is read of them. Every cursor has layout TABLE: the same
 * columns in each block, labels among them.
 *
 *     next()     a Block, kept, so that it outlives the cursor (B6)
 *     collect()  all rows, gathered into one column each
 *     arrow()    an Arrow stream, which takes the cursor
 *
 *   Q1  collect gathers numbers without the interpreter lock. Blocks with texts are kept until the
 *       end, and become lists of Python objects then.
 *   Q2  Memory of columns grows fourfold: a value is copied once in three, on average.
 */

#include "py_varve.h"

#include <sys/mman.h>

PyTypeObject *vpy_cursor_type;

typedef struct cursor_object {
    PyObject_HEAD vpy_reader *reader; /* NULL: an Arrow stream has it, or close() */
} cursor_object;

/* ---- arguments of a query ---- */

/** What a query points to until it is opened. */
typedef struct cursor_query {
    varve_query_options options;
    vpy_selections selections;
    varve_output *outputs;
    varve_predicate *predicates;
    varve_text *group_labels;
    PyObject *keep;
} cursor_query;

static void cursor_query_deinit(cursor_query *query)
{
    vpy_selections_deinit(&query->selections);
    PyMem_Free(query->outputs);
    PyMem_Free(query->predicates);
    PyMem_Free(query->group_labels);
    Py_XDECREF(query->keep);
}

static int cursor_query_outputs(cursor_query *query, PyObject *outputs)
{
    Py_ssize_t count = PyTuple_Size(outputs);
    query->outputs = count < 0 ? NULL : PyMem_Calloc((size_t)count + 1, sizeof *query->outputs);
    if (query->outputs == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        varve_output *output = &query->outputs[i];
        PyObject *name;
        if (!vpy_is_tuple(PyTuple_GetItem(outputs, i)) ||
            !PyArg_ParseTuple(PyTuple_GetItem(outputs, i), "IIIUd", &output->kind,
                              &output->aggregation, &output->nan_rule, &name, &output->parameter) ||
            vpy_text_kept(name, "a column's name", query->keep, &output->name) < 0) {
            return -1;
        }
    }
    query->options.outputs = query->outputs;
    query->options.output_count = (size_t)count;
    return 0;
}

static int cursor_query_predicates(cursor_query *query, PyObject *predicates)
{
    Py_ssize_t count = PyTuple_Size(predicates);
    query->predicates =
        count < 0 ? NULL : PyMem_Calloc((size_t)count + 1, sizeof *query->predicates);
    if (query->predicates == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        varve_predicate *predicate = &query->predicates[i];
        PyObject *name, *value;
        if (!vpy_is_tuple(PyTuple_GetItem(predicates, i)) ||
            !PyArg_ParseTuple(PyTuple_GetItem(predicates, i), "UIO", &name, &predicate->op,
                              &value) ||
            vpy_text_kept(name, "a field's name", query->keep, &predicate->field) < 0 ||
            PyList_Append(query->keep, value) < 0) {
            return -1;
        }
        int result = value == Py_None ? 1 : vpy_value(value, &predicate->value);
        if (result == 0) {
            PyErr_SetString(PyExc_TypeError, "a condition compares with a number, bool or text");
        }
        if (result <= 0) {
            return -1;
        }
    }
    query->options.predicates = query->predicates;
    query->options.predicate_count = (size_t)count;
    return 0;
}

static int cursor_query_groups(cursor_query *query, PyObject *labels)
{
    if (labels == Py_None) {
        return 0;
    }
    if (!vpy_is_tuple(labels)) {
        return -1;
    }
    Py_ssize_t count = PyTuple_Size(labels);
    query->group_labels =
        count < 0 ? NULL : PyMem_Calloc((size_t)count + 1, sizeof *query->group_labels);
    if (query->group_labels == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (vpy_text_kept(PyTuple_GetItem(labels, i), "a label's name", query->keep,
                          &query->group_labels[i]) < 0) {
            return -1;
        }
    }
    query->options.grouping = count == 0 ? VARVE_GROUP_ALL : VARVE_GROUP_BY;
    query->options.group_labels = query->group_labels;
    query->options.group_label_count = (size_t)count;
    return 0;
}

static int cursor_query_bucket(cursor_query *query, PyObject *bucket)
{
    varve_bucket *out = &query->options.bucket;
    if (bucket == Py_None) {
        return 0;
    }
    long long width, origin;
    PyObject *zone;
    if (!vpy_is_tuple(bucket) || !PyArg_ParseTuple(bucket, "IILLUI", &out->kind, &out->unit, &width,
                                                   &origin, &zone, &out->flags)) {
        return -1;
    }
    out->width = width;
    out->origin = origin;
    return vpy_text_kept(zone, "zone", query->keep, &out->zone);
}

typedef struct cursor_args {
    PyObject *select, *outputs, *predicates, *start, *end, *bucket, *group;
    unsigned order, flags;
    PyObject *limit, *offset, *limit_per_series, *after_row_id, *memory_max, *scanned_rows_max;
    PyObject *deadline_ms;
} cursor_args;

static int cursor_u64(PyObject *object, const char *what, uint64_t *out_number)
{
    return object == Py_None ? 0 : vpy_u64(object, what, out_number);
}

static int cursor_query_fill(cursor_query *query, const cursor_args *args, uint32_t precision)
{
    varve_query_options *options = &query->options;
    varve_query_options_init(options);
    options->layout = VARVE_LAYOUT_TABLE;
    options->order = args->order;
    options->flags = args->flags;
    query->keep = PyList_New(0);
    if (query->keep == NULL || vpy_selections_from(args->select, &query->selections) < 0) {
        return -1;
    }
    options->selections = query->selections.items;
    options->selection_count = query->selections.count;
    if (cursor_query_outputs(query, args->outputs) < 0 ||
        cursor_query_predicates(query, args->predicates) < 0 ||
        cursor_query_groups(query, args->group) < 0 ||
        cursor_query_bucket(query, args->bucket) < 0) {
        return PyErr_Occurred() != NULL ? -1 : (PyErr_NoMemory(), -1);
    }
    bool is_good =
        vpy_time_or(args->start, precision, VARVE_RANGE_ALL_START, &options->range.start) == 0 &&
        vpy_time_or(args->end, precision, VARVE_RANGE_ALL_END, &options->range.end) == 0 &&
        cursor_u64(args->limit, "limit", &options->limit) == 0 &&
        cursor_u64(args->offset, "offset", &options->offset) == 0 &&
        cursor_u64(args->limit_per_series, "limit_per_series", &options->limit_per_series) == 0 &&
        cursor_u64(args->after_row_id, "after_row_id", &options->after_row_id) == 0 &&
        cursor_u64(args->memory_max, "memory_max", &options->memory_max) == 0 &&
        cursor_u64(args->scanned_rows_max, "scanned_rows_max", &options->scanned_rows_max) == 0 &&
        cursor_u64(args->deadline_ms, "timeout", &options->deadline_ms) == 0;
    return is_good ? 0 : -1;
}

/** Open a cursor, by whichever function; takes the task. */
typedef varve_status (*cursor_opener)(varve_db *db, const void *options, varve_cursor **out_cursor,
                                      varve_error *out_err);

static PyObject *cursor_open(vpy_handle *handle, cursor_opener opener, const void *options,
                             varve_task *task)
{
    vpy_reader *reader = NULL;
    varve_error error;
    vpy_call call;
    vpy_work work;
    vpy_work_begin(&work);
    varve_status status = vpy_handle_enter(handle, &call, task, &error);
    if (status == VARVE_OK) {
        varve_cursor *cursor = NULL;
        vpy_work_attach(&work, task, NULL);
        status = opener(handle->db, options, &cursor, &error);
        vpy_work_detach(&work);
        if (status == VARVE_OK) {
            status = vpy_reader_create(handle, cursor, task, &reader, &error);
            task = status == VARVE_OK ? task : NULL;
        }
        vpy_handle_leave(&call);
    }
    bool goes_on = vpy_work_end(&work);
    if (status != VARVE_OK) {
        varve_task_free(task);
        return vpy_raise(&error);
    }
    if (!goes_on) {
        vpy_reader_free(reader);
        return NULL;
    }
    cursor_object *self = PyObject_New(cursor_object, vpy_cursor_type);
    if (self == NULL) {
        vpy_reader_free(reader);
        return NULL;
    }
    self->reader = reader;
    return (PyObject *)self;
}

static varve_status cursor_open_query(varve_db *db, const void *options, varve_cursor **out_cursor,
                                      varve_error *out_err)
{
    return varve_query(db, options, out_cursor, out_err);
}

PyObject *vpy_database_cursor(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"select",       "outputs",    "predicates",
                            "start",        "end",        "bucket",
                            "group",        "order",      "flags",
                            "limit",        "offset",     "limit_per_series",
                            "after_row_id", "memory_max", "scanned_rows_max",
                            "deadline_ms",  NULL};
    cursor_args given = {.limit = Py_None,
                         .offset = Py_None,
                         .limit_per_series = Py_None,
                         .after_row_id = Py_None,
                         .memory_max = Py_None,
                         .scanned_rows_max = Py_None,
                         .deadline_ms = Py_None};
    vpy_handle *handle = vpy_database_handle(self);
    if (handle == NULL ||
        !PyArg_ParseTupleAndKeywords(
            args, kwargs, "OO!O!OOOOII|OOOOOOO", names, &given.select, &PyTuple_Type,
            &given.outputs, &PyTuple_Type, &given.predicates, &given.start, &given.end,
            &given.bucket, &given.group, &given.order, &given.flags, &given.limit, &given.offset,
            &given.limit_per_series, &given.after_row_id, &given.memory_max,
            &given.scanned_rows_max, &given.deadline_ms)) {
        return NULL;
    }
    cursor_query query = {0};
    PyObject *cursor = NULL;
    if (cursor_query_fill(&query, &given, handle->precision) == 0) {
        varve_task *task = vpy_task_new();
        if (task != NULL) {
            query.options.task = task;
            cursor = cursor_open(handle, cursor_open_query, &query.options, task);
        }
    }
    cursor_query_deinit(&query);
    return cursor;
}

/* ---- listings ---- */

typedef struct cursor_list {
    const char *kind;
    varve_text name;
    varve_list_options options;
} cursor_list;

static varve_status cursor_open_list(varve_db *db, const void *given, varve_cursor **out_cursor,
                                     varve_error *out_err)
{
    const cursor_list *list = given;
    if (strcmp(list->kind, "metrics") == 0) {
        return varve_metrics(db, &list->options, out_cursor, out_err);
    }
    if (strcmp(list->kind, "series") == 0) {
        return varve_series_list(db, &list->options, out_cursor, out_err);
    }
    if (strcmp(list->kind, "labels") == 0) {
        return varve_label_names(db, &list->options, out_cursor, out_err);
    }
    if (strcmp(list->kind, "values") == 0) {
        return varve_label_values(db, list->name, &list->options, out_cursor, out_err);
    }
    return varve_field_names(db, &list->options, out_cursor, out_err);
}

PyObject *vpy_database_listing(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"kind", "name", "select", "start", "end", "limit", "internal", NULL};
    PyObject *name, *select, *start, *end, *limit;
    int internal;
    cursor_list list;
    varve_list_options_init(&list.options);
    vpy_handle *handle = vpy_database_handle(self);
    if (handle == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "sUOOOOp", names, &list.kind, &name, &select,
                                     &start, &end, &limit, &internal) ||
        vpy_text(name, "name", &list.name) < 0 ||
        vpy_time_or(start, handle->precision, VARVE_RANGE_ALL_START, &list.options.range.start) <
            0 ||
        vpy_time_or(end, handle->precision, VARVE_RANGE_ALL_END, &list.options.range.end) < 0 ||
        cursor_u64(limit, "limit", &list.options.limit) < 0) {
        return NULL;
    }
    vpy_selections selections;
    if (vpy_selections_from(select, &selections) < 0) {
        return NULL;
    }
    list.options.selections = selections.items;
    list.options.selection_count = selections.count;
    list.options.flags = internal != 0 ? (uint32_t)VARVE_QUERY_INTERNAL : 0;
    varve_task *task = vpy_task_new();
    PyObject *cursor = NULL;
    if (task != NULL) {
        list.options.task = task;
        cursor = cursor_open(handle, cursor_open_list, &list, task);
    }
    vpy_selections_deinit(&selections);
    return cursor;
}

/* ---- reading ---- */

/** The reader, for one call: NULL with an exception. */
static vpy_reader *cursor_reader(PyObject *self)
{
    vpy_reader *reader = ((cursor_object *)self)->reader;
    if (reader == NULL) {
        PyErr_SetString(PyExc_ValueError, "this answer was read already, or closed");
    }
    return reader;
}

/** The next block, kept; between enter and leave. */
static varve_status cursor_take(vpy_reader *reader, const varve_block **out_block,
                                varve_error *out_err)
{
    *out_block = NULL;
    if (reader->cursor == NULL) {
        return vpy_fail_closed(out_err, "this answer was closed");
    }
    const varve_block *block;
    varve_status status = varve_cursor_next(reader->cursor, &block, out_err);
    if (status == VARVE_OK && block != NULL) {
        *out_block = varve_cursor_keep(reader->cursor);
        if (*out_block == NULL) {
            status = vpy_fail(out_err, VARVE_E_NOMEM, "no memory to keep a block");
        }
    }
    return status;
}

static PyObject *cursor_next(PyObject *self, PyObject *Py_UNUSED(unused))
{
    vpy_reader *reader = cursor_reader(self);
    if (reader == NULL) {
        return NULL;
    }
    Py_INCREF(self); /* keeps the reader while another thread may drop the cursor */
    const varve_block *block = NULL;
    varve_error error;
    vpy_call call;
    vpy_work work;
    vpy_work_begin(&work);
    varve_status status = vpy_handle_enter(reader->handle, &call, reader->task, &error);
    if (status == VARVE_OK) {
        pthread_mutex_lock(&reader->lock);
        vpy_work_attach(&work, reader->task, NULL); /* ours while we hold the reader */
        status = cursor_take(reader, &block, &error);
        vpy_work_detach(&work);
        pthread_mutex_unlock(&reader->lock);
        vpy_handle_leave(&call);
    }
    bool goes_on = vpy_work_end(&work);
    Py_DECREF(self);
    if (status != VARVE_OK || !goes_on) {
        varve_block_free(block);
        return status != VARVE_OK ? vpy_raise(&error) : NULL;
    }
    return block == NULL ? Py_NewRef(Py_None) : vpy_block_new(block);
}

/* ---- collect ---- */

/** One column under collection. */
typedef struct cursor_gather {
    uint32_t type; /* of numbers; STRING: the blocks are kept, and hold it */
    size_t width;
    uint8_t *values;
    uint64_t *present; /* NULL: all so far */
    varve_text name;   /* of the first block; copied */
} cursor_gather;

typedef struct cursor_collection {
    cursor_gather *columns; /* times first, where has_times */
    size_t column_count;
    bool has_begun, has_times, keeps_blocks, is_partial;
    size_t rows, capacity;
    const varve_block **blocks; /* where keeps_blocks */
    size_t block_count, block_capacity;
} cursor_collection;

static void cursor_collection_deinit(cursor_collection *all)
{
    for (size_t i = 0; i < all->column_count; i++) {
        free(all->columns[i].values);
        free(all->columns[i].present);
        char *name;
        memcpy(&name, &all->columns[i].name.data, sizeof name);
        free(name);
    }
    free(all->columns);
    for (size_t i = 0; i < all->block_count; i++) {
        varve_block_free(all->blocks[i]);
    }
    free(all->blocks);
}

/** Column i of a block, the times before all others. */
static varve_column cursor_block_column(const varve_block *block, size_t index)
{
    size_t times = block->timestamps != NULL ? 1 : 0;
    if (index < times) {
        return (varve_column){.type = VARVE_TYPE_I64, .values = block->timestamps};
    }
    return block->columns[index - times];
}

static bool cursor_collect_begin(cursor_collection *all, const varve_block *block)
{
    size_t times = block->timestamps != NULL ? 1 : 0;
    all->has_begun = true;
    all->has_times = times != 0;
    all->columns = calloc(block->column_count + times + 1, sizeof *all->columns);
    for (size_t i = 0; all->columns != NULL && i < block->column_count + times; i++) {
        cursor_gather *gather = &all->columns[all->column_count++];
        varve_column column = cursor_block_column(block, i);
        varve_text name = i < times ? VARVE_STR("time") : block->column_names[i - times];
        char *copy = calloc(name.size + 1, 1);
        if (copy == NULL) {
            return false;
        }
        memcpy(copy, name.data, name.size);
        gather->name = (varve_text){.data = copy, .size = name.size};
        bool is_number =
            column.codes == NULL && column.type >= VARVE_TYPE_F64 && column.type <= VARVE_TYPE_BOOL;
        gather->type = is_number ? column.type : (uint32_t)VARVE_TYPE_STRING;
        gather->width = !is_number ? 0 : column.type == VARVE_TYPE_BOOL ? 1 : 8;
        all->keeps_blocks = all->keeps_blocks || !is_number;
    }
    return all->columns != NULL;
}

/** Room for more bytes; what is large lies in large pages where the system has them: of the time
 * that collecting takes, most goes into touching new memory. NULL: none, the old stays. */
static void *cursor_grow(void *memory, size_t used, size_t bytes)
{
    const size_t page = (size_t)2 << 20;
    if (bytes < 2 * page) {
        return realloc(memory, bytes);
    }
    bytes = (bytes + page - 1) / page * page;
    void *larger = aligned_alloc(page, bytes);
    if (larger == NULL) {
        return NULL;
    }
    (void)madvise(larger, bytes, MADV_HUGEPAGE); /* a wish */
    if (used > 0) {
        memcpy(larger, memory, used);
    }
    free(memory);
    return larger;
}

/** Q2 */
static bool cursor_collect_reserve(cursor_collection *all, size_t rows)
{
    if (rows <= all->capacity) {
        return true;
    }
    size_t capacity = 4 * all->capacity; /* pages that are not used in the end are not touched */
    capacity = capacity < rows ? rows : capacity;
    capacity = capacity < 16384 ? 16384 : capacity;
    for (size_t i = 0; i < all->column_count; i++) {
        cursor_gather *gather = &all->columns[i];
        if (gather->width == 0) {
            continue;
        }
        uint8_t *values =
            cursor_grow(gather->values, all->rows * gather->width, capacity * gather->width);
        if (values == NULL) {
            return false;
        }
        gather->values = values;
        if (gather->present != NULL) {
            uint64_t *present = cursor_grow(gather->present, vpy_bit_words(all->rows) * 8,
                                            vpy_bit_words(capacity) * 8);
            if (present == NULL) {
                return false;
            }
            gather->present = present;
        }
    }
    all->capacity = capacity;
    return true;
}

/** Note which rows of a block have a value. */
static bool cursor_collect_present(cursor_collection *all, cursor_gather *gather,
                                   const uint64_t *present, size_t rows)
{
    if (present == NULL && gather->present == NULL) {
        return true;
    }
    if (gather->present == NULL) {
        gather->present = calloc(vpy_bit_words(all->capacity), 8);
        if (gather->present == NULL) {
            return false;
        }
        memset(gather->present, 0xff, vpy_bit_words(all->rows) * 8);
    }
    for (size_t i = 0; i < rows; i++) {
        size_t to = all->rows + i;
        uint64_t bit = UINT64_C(1) << (to % 64);
        bool has = present == NULL || vpy_bit(present, i);
        gather->present[to / 64] =
            has ? gather->present[to / 64] | bit : gather->present[to / 64] & ~bit;
    }
    return true;
}

static bool cursor_collect_block(cursor_collection *all, const varve_block *block)
{
    all->is_partial = all->is_partial || (block->flags & VARVE_BLOCK_PARTIAL) != 0;
    if (!all->has_begun && !cursor_collect_begin(all, block)) {
        return false;
    }
    if (!cursor_collect_reserve(all, all->rows + block->rows)) {
        return false;
    }
    for (size_t i = 0; i < all->column_count && block->rows > 0; i++) {
        cursor_gather *gather = &all->columns[i];
        if (gather->width == 0) {
            continue;
        }
        varve_column column = cursor_block_column(block, i);
        if (!cursor_collect_present(all, gather, column.present, block->rows)) {
            return false;
        }
        memcpy(gather->values + all->rows * gather->width, column.values,
               block->rows * gather->width);
    }
    all->rows += block->rows;
    return true;
}

/** Keep the present block of a cursor until its texts are made objects (Q1). */
static bool cursor_collect_keep(cursor_collection *all, varve_cursor *cursor)
{
    if (all->block_count == all->block_capacity) {
        size_t capacity = all->block_capacity == 0 ? 64 : 2 * all->block_capacity;
        const varve_block **blocks = realloc(all->blocks, capacity * sizeof *all->blocks);
        if (blocks == NULL) {
            return false;
        }
        all->blocks = blocks;
        all->block_capacity = capacity;
    }
    const varve_block *kept = varve_cursor_keep(cursor);
    if (kept != NULL) {
        all->blocks[all->block_count++] = kept;
    }
    return kept != NULL;
}

static varve_status cursor_collect_all(vpy_reader *reader, cursor_collection *all,
                                       varve_error *out_err)
{
    if (reader->cursor == NULL) {
        return vpy_fail_closed(out_err, "this answer was closed");
    }
    for (;;) {
        const varve_block *block;
        varve_status status = varve_cursor_next(reader->cursor, &block, out_err);
        if (status != VARVE_OK || block == NULL) {
            return status;
        }
        if (!cursor_collect_block(all, block) ||
            (all->keeps_blocks && !cursor_collect_keep(all, reader->cursor))) {
            return vpy_fail(out_err, VARVE_E_NOMEM, "no memory for an answer");
        }
    }
}

/** The texts of a dictionary as objects: made once for a block. */
static PyObject *cursor_dictionary(const varve_column *column)
{
    PyObject *list = PyList_New((Py_ssize_t)column->dictionary_count);
    const varve_text *texts = column->dictionary->values;
    for (size_t i = 0; list != NULL && i < column->dictionary_count; i++) {
        PyObject *text = vpy_text_object(texts[i]);
        if (text == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SetItem(list, (Py_ssize_t)i, text);
        }
    }
    return list;
}

static bool cursor_list_block(PyObject *list, size_t at, const varve_block *block,
                              const varve_column *column)
{
    PyObject *dictionary = column->codes == NULL ? NULL : cursor_dictionary(column);
    bool is_done = column->codes == NULL || dictionary != NULL;
    for (size_t row = 0; is_done && row < block->rows; row++) {
        PyObject *item;
        if (dictionary != NULL && (column->present == NULL || vpy_bit(column->present, row))) {
            item = Py_NewRef(PyList_GetItem(dictionary, (Py_ssize_t)column->codes[row]));
        } else {
            item = vpy_column_item(column, row);
        }
        is_done = item != NULL;
        if (is_done) {
            PyList_SetItem(list, (Py_ssize_t)(at + row), item);
        }
    }
    Py_XDECREF(dictionary);
    return is_done;
}

static PyObject *cursor_list_column(const cursor_collection *all, size_t index)
{
    PyObject *list = PyList_New((Py_ssize_t)all->rows);
    size_t at = 0;
    for (size_t i = 0; list != NULL && i < all->block_count; i++) {
        varve_column column = cursor_block_column(all->blocks[i], index);
        if (!cursor_list_block(list, at, all->blocks[i], &column)) {
            Py_CLEAR(list);
        }
        at += all->blocks[i]->rows;
    }
    return list;
}

/** [(name, Column or list), ...]; takes the memory of the columns. */
static PyObject *cursor_collected(cursor_collection *all)
{
    PyObject *answer = PyList_New(0);
    for (size_t i = 0; answer != NULL && i < all->column_count; i++) {
        cursor_gather *gather = &all->columns[i];
        PyObject *column;
        if (gather->width == 0) {
            column = cursor_list_column(all, i);
        } else {
            if (gather->values == NULL) { /* no rows: Column has memory of its own all the same */
                gather->values = calloc(1, 8);
            }
            column = vpy_answer_column_own(gather->name, gather->type, gather->values,
                                           gather->present, all->rows);
            gather->values = NULL;
            gather->present = NULL;
        }
        PyObject *pair = column == NULL ? NULL
                                        : Py_BuildValue("(s#O)", gather->name.data,
                                                        (Py_ssize_t)gather->name.size, column);
        Py_XDECREF(column);
        if (pair == NULL || PyList_Append(answer, pair) < 0) {
            Py_CLEAR(answer);
        }
        Py_XDECREF(pair);
    }
    return answer;
}

static PyObject *cursor_collect(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"progress", NULL};
    PyObject *given = Py_None, *progress;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", names, &given) ||
        vpy_progress_arg(given, &progress) < 0) {
        return NULL;
    }
    vpy_reader *reader = cursor_reader(self);
    if (reader == NULL) {
        return NULL;
    }
    cursor_collection all = {0};
    varve_error error;
    vpy_call call;
    vpy_work work;
    Py_INCREF(self);
    vpy_work_begin(&work);
    varve_status status = vpy_handle_enter(reader->handle, &call, reader->task, &error);
    if (status == VARVE_OK) {
        pthread_mutex_lock(&reader->lock);
        vpy_work_attach(&work, reader->task, progress);
        status = cursor_collect_all(reader, &all, &error);
        vpy_work_detach(&work);
        pthread_mutex_unlock(&reader->lock);
        vpy_handle_leave(&call);
    }
    bool goes_on = vpy_work_end(&work);
    Py_DECREF(self);
    PyObject *answer = NULL;
    if (status != VARVE_OK) {
        vpy_raise(&error);
    } else if (goes_on) {
        PyObject *columns = cursor_collected(&all);
        answer = columns == NULL ? NULL
                                 : Py_BuildValue("(NnO)", columns, (Py_ssize_t)all.rows,
                                                 all.is_partial ? Py_True : Py_False);
    }
    cursor_collection_deinit(&all);
    return answer;
}

/* ---- the rest ---- */

static PyObject *cursor_arrow(PyObject *self, PyObject *names)
{
    vpy_reader *reader = cursor_reader(self);
    if (reader == NULL) {
        return NULL;
    }
    if (!PyTuple_Check(names)) {
        PyErr_SetString(PyExc_TypeError, "names must be a tuple");
        return NULL;
    }
    ((cursor_object *)self)->reader = NULL; /* the stream takes it */
    return vpy_arrow_stream(reader, names);
}

static PyObject *cursor_close(PyObject *self, PyObject *Py_UNUSED(unused))
{
    vpy_reader *reader = ((cursor_object *)self)->reader;
    if (reader != NULL) {
        Py_INCREF(self);
        varve_task_cancel(reader->task); /* a call of another thread ends soon */
        Py_BEGIN_ALLOW_THREADS vpy_reader_close(reader);
        Py_END_ALLOW_THREADS Py_DECREF(self);
    }
    return Py_NewRef(Py_None);
}

static PyObject *cursor_cancel(PyObject *self, PyObject *Py_UNUSED(unused))
{
    vpy_reader *reader = ((cursor_object *)self)->reader;
    if (reader != NULL && !atomic_load(&reader->handle->is_dead)) {
        varve_task_cancel(reader->task);
    }
    return Py_NewRef(Py_None);
}

static PyObject *cursor_last_row_id(PyObject *self, PyObject *Py_UNUSED(unused))
{
    vpy_reader *reader = cursor_reader(self);
    if (reader == NULL) {
        return NULL;
    }
    uint64_t id = 0;
    varve_error error;
    vpy_call call;
    Py_INCREF(self);
    varve_status status;
    Py_BEGIN_ALLOW_THREADS status = vpy_handle_enter(reader->handle, &call, NULL, &error);
    if (status == VARVE_OK) {
        pthread_mutex_lock(&reader->lock);
        id = varve_cursor_last_row_id(reader->cursor);
        pthread_mutex_unlock(&reader->lock);
        vpy_handle_leave(&call);
    }
    Py_END_ALLOW_THREADS Py_DECREF(self);
    return status == VARVE_OK ? PyLong_FromUnsignedLongLong(id) : vpy_raise(&error);
}

static PyObject *cursor_series_names(PyObject *self, PyObject *Py_UNUSED(unused));

static void cursor_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    vpy_reader *reader = ((cursor_object *)self)->reader;
    if (reader != NULL) {
        Py_BEGIN_ALLOW_THREADS vpy_reader_free(reader);
        Py_END_ALLOW_THREADS
    }
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef cursor_methods[] = {
    {"next", cursor_next, METH_NOARGS, PyDoc_STR("next($self)\n--\n\nA Block; None at the end.")},
    {"collect", VPY_METHOD(cursor_collect), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("collect($self, progress=None)\n--\n\nAll rows: ([(name, Column or list)], rows, "
               "is_partial).")},
    {"arrow", cursor_arrow, METH_O,
     PyDoc_STR(
         "arrow($self, names, /)\n--\n\nA capsule of an Arrow stream, which takes the cursor.")},
    {"series", cursor_series_names, METH_NOARGS,
     PyDoc_STR("series($self)\n--\n\nOf a listing of series: [(metric, labels)].")},
    {"close", cursor_close, METH_NOARGS, PyDoc_STR("close($self)\n--\n\nEnd it.")},
    {"cancel", cursor_cancel, METH_NOARGS,
     PyDoc_STR("cancel($self)\n--\n\nEnd the call of another thread with CancelledError.")},
    {"last_row_id", cursor_last_row_id, METH_NOARGS,
     PyDoc_STR("last_row_id($self)\n--\n\nThe last row id of the snapshot.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot cursor_slots[] = {
    VPY_SLOT(Py_tp_dealloc, cursor_dealloc),
    {Py_tp_methods, cursor_methods},
    {Py_tp_doc, "An answer being read; varve.Result is its face."},
    {0, NULL},
};

static PyType_Spec cursor_spec = {
    .name = "varve._varve.Cursor",
    .basicsize = sizeof(cursor_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = cursor_slots,
};

int vpy_cursor_init(PyObject *module)
{
    vpy_cursor_type = vpy_type_add(module, &cursor_spec);
    return vpy_cursor_type == NULL ? -1 : 0;
}

/* ---- series ---- */

/** One more series into the list; their names live as long as the database, which cannot be closed
 * during the call. */
static bool cursor_series_add(PyObject *list, vpy_handle *handle, varve_series series,
                              varve_error *error)
{
    varve_text metric;
    const varve_label *labels;
    size_t count;
    if (varve_series_name(handle->db, series, &metric, &labels, &count, error) != VARVE_OK) {
        vpy_raise(error);
        return false;
    }
    PyObject *pair =
        Py_BuildValue("(NN)", vpy_text_object(metric), vpy_labels_object(labels, count));
    bool is_done = pair != NULL && PyList_Append(list, pair) == 0;
    Py_XDECREF(pair);
    return is_done;
}

static PyObject *cursor_series_names(PyObject *self, PyObject *Py_UNUSED(unused))
{
    vpy_reader *reader = cursor_reader(self);
    PyObject *list = reader == NULL ? NULL : PyList_New(0);
    bool is_end = false;
    Py_INCREF(self);
    while (list != NULL && !is_end) {
        varve_error error;
        vpy_call call;
        const varve_block *block = NULL;
        varve_status status;
        Py_BEGIN_ALLOW_THREADS status =
            vpy_handle_enter(reader->handle, &call, reader->task, &error);
        if (status == VARVE_OK) {
            pthread_mutex_lock(&reader->lock);
            status = cursor_take(reader, &block, &error);
            pthread_mutex_unlock(&reader->lock);
            if (status != VARVE_OK) {
                vpy_handle_leave(&call);
            }
        }
        Py_END_ALLOW_THREADS if (status != VARVE_OK)
        {
            vpy_raise(&error);
            Py_CLEAR(list);
            break;
        }
        bool is_done = true;
        for (size_t i = 0; is_done && block != NULL && i < block->rows; i++) {
            is_done = cursor_series_add(list, reader->handle, block->row_series[i], &error);
        }
        is_end = block == NULL;
        varve_block_free(block);
        vpy_handle_leave(&call);
        if (!is_done) {
            Py_CLEAR(list);
        }
    }
    Py_DECREF(self);
    return list;
}
