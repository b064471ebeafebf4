/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Writing: Database.write, write_rows, delete, and Batch, which gathers them.
 *
 *     arguments ──> write_op (checked, converted, everything referenced) ──> varve_batch ──> commit
 *
 *   W1  All conversion happens in the caller's call, with the interpreter lock; what fails there
 *       has no effect. From varve_batch_create to the commit the lock is away (B1).
 *   W2  An op holds references to all it borrows from: strings, buffers, Arrow arrays (B2).
 *   W3  A varve_batch lives within one commit only, so that a close never meets one.
 */

#include "py_varve.h"

enum { WRITE_FIELDS_INLINE = 4, WRITE_FIELDS_MAX = 1024, WRITE_REJECTED_MAX = 1000 };

PyTypeObject *vpy_batch_type, *vpy_written_type;
static PyObject *write_to_value; /* varve._columns.to_value */

/* ---- Written ---- */

static PyStructSequence_Field write_written_fields[] = {
    {"acknowledgement", "how safe it is: \"volatile\", \"appended\", \"durable\" or \"none\""},
    {"rows", "rows stored"},
    {"rejected", "rows left out"},
    {"late", "rows older than the newest of their series"},
    {"series_deleted", "series that a delete matched"},
    {"first_row_id", "id of the first new row"},
    {"late_dropped", "rows that a newer one in the slot of their ring kept out"},
    {"rejections", "(row, status, reason) of the first thousand that were left out"},
    {NULL, NULL},
};

static PyStructSequence_Desc write_written_desc = {
    .name = "varve.Written",
    .doc = "What a write did.",
    .fields = write_written_fields,
    .n_in_sequence = 8,
};

static PyObject *write_rejections(const varve_rejected *rejected, uint64_t count)
{
    static const char *const reasons[] = {"row", "type", "retention", "ring"};
    size_t shown = count < WRITE_REJECTED_MAX ? (size_t)count : WRITE_REJECTED_MAX;
    PyObject *tuple = PyTuple_New((Py_ssize_t)(rejected == NULL ? 0 : shown));
    for (size_t i = 0; tuple != NULL && rejected != NULL && i < shown; i++) {
        const char *reason = rejected[i].reason < 4 ? reasons[rejected[i].reason] : "row";
        PyObject *item = Py_BuildValue("(Kss)", (unsigned long long)rejected[i].row,
                                       varve_status_text(rejected[i].status), reason);
        if (item == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SetItem(tuple, (Py_ssize_t)i, item);
        }
    }
    return tuple;
}

static PyObject *write_written(const varve_written *written, const varve_rejected *rejected)
{
    static const char *const acks[] = {"none", "volatile", "appended", "durable"};
    PyObject *made = PyStructSequence_New(vpy_written_type);
    if (made == NULL) {
        return NULL;
    }
    uint64_t numbers[] = {written->rows,         written->rows_rejected,
                          written->rows_late,    written->series_deleted,
                          written->first_row_id, written->rows_late_dropped};
    PyObject *ack = PyUnicode_FromString(acks[written->ack < 4 ? written->ack : 0]);
    PyObject *rejections = write_rejections(rejected, written->rows_rejected);
    if (ack == NULL || rejections == NULL) {
        Py_XDECREF(ack);
        Py_XDECREF(rejections);
        Py_DECREF(made);
        return NULL;
    }
    PyStructSequence_SetItem(made, 0, ack);
    PyStructSequence_SetItem(made, 7, rejections);
    for (size_t i = 0; i < 6; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(numbers[i]);
        if (number == NULL) {
            Py_DECREF(made);
            return NULL;
        }
        PyStructSequence_SetItem(made, (Py_ssize_t)i + 1, number);
    }
    return made;
}

/* ---- options ---- */

static int write_sync(PyObject *object, uint32_t *out_sync)
{
    static const char *const names[] = {NULL,   "group",    "always", "interval",
                                        "none", "buffered", "no_log"};
    *out_sync = VARVE_SYNC_DEFAULT;
    if (object == Py_None) {
        return 0;
    }
    for (uint32_t i = 1; PyUnicode_Check(object) && i < 7; i++) {
        if (PyUnicode_CompareWithASCIIString(object, names[i]) == 0) {
            *out_sync = i;
            return 0;
        }
    }
    PyErr_Format(PyUnicode_Check(object) ? PyExc_ValueError : PyExc_TypeError,
                 "sync must be group, always, interval, none, buffered or no_log, not %R", object);
    return -1;
}

static int write_options(PyObject *sync, int split, int skip_rejected, varve_write_options *out)
{
    varve_write_options_init(out);
    out->flags = (split != 0 ? (uint32_t)VARVE_WRITE_SPLIT : 0) |
                 (skip_rejected != 0 ? (uint32_t)VARVE_WRITE_SKIP_REJECTED : 0);
    return write_sync(sync, &out->sync);
}

/* ---- ops ---- */

typedef enum write_kind { WRITE_ROW, WRITE_COLUMNS, WRITE_DELETE } write_kind;

/** One field of an op. */
typedef struct write_field {
    PyObject *name_object, *value_object;
    varve_text name;
    varve_value value;  /* WRITE_ROW */
    vpy_column *column; /* WRITE_COLUMNS; owned */
} write_field;

typedef struct write_op {
    write_kind kind;
    PyObject *metric_object;
    varve_text metric;
    vpy_labels labels;
    int64_t time;
    vpy_column times;
    write_field *fields;
    size_t field_count;
    write_field inline_fields[WRITE_FIELDS_INLINE];
    vpy_selections selections; /* WRITE_DELETE */
    varve_range range;
} write_op;

static void write_op_deinit(write_op *op)
{
    for (size_t i = 0; i < op->field_count; i++) {
        Py_XDECREF(op->fields[i].name_object);
        Py_XDECREF(op->fields[i].value_object);
        if (op->fields[i].column != NULL) {
            vpy_column_deinit(op->fields[i].column);
            PyMem_Free(op->fields[i].column);
        }
    }
    if (op->fields != op->inline_fields) {
        PyMem_Free(op->fields);
    }
    if (op->kind == WRITE_COLUMNS) {
        vpy_column_deinit(&op->times);
    }
    if (op->kind == WRITE_DELETE) {
        vpy_selections_deinit(&op->selections);
    } else {
        vpy_labels_deinit(&op->labels);
    }
    Py_XDECREF(op->metric_object);
}

/** A scalar; what vpy_value does not know goes through varve._columns.to_value. */
static int write_scalar(write_field *field, PyObject *object)
{
    field->value_object = Py_NewRef(object);
    int result = vpy_value(object, &field->value);
    if (result == 0) {
        PyObject *owner;
        result = vpy_histogram_from(object, &owner, &field->value);
        if (result > 0) {
            Py_DECREF(field->value_object);
            field->value_object = owner;
        }
    }
    if (result == 0) {
        PyObject *plain = PyObject_CallFunctionObjArgs(write_to_value, object, NULL);
        if (plain == NULL) {
            return -1;
        }
        Py_DECREF(field->value_object);
        field->value_object = plain;
        result = vpy_value(plain, &field->value);
        if (result == 0) {
            PyErr_Format(PyExc_TypeError, "field %R: %R is no value that varve stores",
                         field->name_object, (PyObject *)Py_TYPE(object));
            return -1;
        }
    }
    return result < 0 ? -1 : 0;
}

static int write_column(write_op *op, write_field *field, PyObject *object)
{
    field->column = PyMem_Calloc(1, sizeof *field->column);
    if (field->column == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (vpy_column_from(object, field->column) < 0) {
        return -1;
    }
    if (field->column->rows != op->times.rows) {
        PyErr_Format(PyExc_ValueError, "field %R has %zu rows, but there are %zu times",
                     field->name_object, field->column->rows, op->times.rows);
        return -1;
    }
    if (field->column->column.type == VARVE_TYPE_NONE) {
        vpy_column_deinit(field->column);
        PyMem_Free(field->column);
        Py_CLEAR(field->name_object);
        op->field_count--;
    }
    return 0;
}

/** Add a field; None, and a column without values, is left out. */
static int write_op_field(write_op *op, PyObject *name, PyObject *value)
{
    if (op->kind == WRITE_ROW && value == Py_None) {
        varve_text unused;
        return vpy_text(name, "a field's name", &unused);
    }
    write_field *field = &op->fields[op->field_count++];
    *field = (write_field){.name_object = Py_NewRef(name)};
    if (vpy_text(name, "a field's name", &field->name) < 0) {
        return -1;
    }
    return op->kind == WRITE_ROW ? write_scalar(field, value) : write_column(op, field, value);
}

static int write_op_reserve(write_op *op, size_t count)
{
    op->fields = op->inline_fields;
    op->field_count = 0;
    if (count > WRITE_FIELDS_MAX) {
        PyErr_Format(PyExc_ValueError, "%zu fields: a row has at most %d", count, WRITE_FIELDS_MAX);
        return -1;
    }
    if (count > WRITE_FIELDS_INLINE) {
        op->fields = PyMem_Calloc(count, sizeof *op->fields);
        if (op->fields == NULL) {
            op->fields = op->inline_fields;
            PyErr_NoMemory();
            return -1;
        }
    }
    return 0;
}

static int write_op_time(write_op *op, PyObject *time, uint32_t precision)
{
    bool is_single =
        (PyLong_Check(time) && !PyBool_Check(time)) || !PyObject_HasAttrString(time, "__len__");
    if (is_single) {
        return vpy_time(time, precision, &op->time);
    }
    if (vpy_column_times(time, precision, &op->times) < 0) {
        return -1;
    }
    op->kind = WRITE_COLUMNS;
    return 0;
}

/** The fields of a mapping. */
static int write_op_mapping(write_op *op, PyObject *fields)
{
    Py_ssize_t position = 0;
    PyObject *name, *value;
    PyObject *copy = PyDict_New(); /* converting a value may run code that changes the mapping */
    if (copy == NULL || PyDict_Update(copy, fields) < 0) {
        Py_XDECREF(copy);
        return -1;
    }
    int result = 0;
    while (result == 0 && PyDict_Next(copy, &position, &name, &value)) {
        result = write_op_field(op, name, value);
    }
    Py_DECREF(copy);
    return result;
}

/** metric, labels and time; write_op_deinit also after a failure. */
static int write_op_begin(write_op *op, PyObject *metric, PyObject *labels, PyObject *time,
                          uint32_t precision)
{
    op->kind = WRITE_ROW;
    op->metric_object = NULL;
    op->fields = op->inline_fields;
    op->field_count = 0;
    op->labels.count = 0;
    op->labels.items = op->labels.inline_items;
    op->labels.objects = op->labels.inline_objects;
    if (vpy_text(metric, "metric", &op->metric) < 0) {
        return -1;
    }
    op->metric_object = Py_NewRef(metric);
    if (vpy_labels_from(labels, &op->labels) < 0) {
        return -1;
    }
    return write_op_time(op, time, precision);
}

/** From the arguments of write(metric, labels, time, fields=None, /, **more). */
static int write_op_from(write_op *op, PyObject *const *args, size_t count, PyObject *names,
                         uint32_t precision)
{
    if (count < 3 || count > 4) {
        op->kind = WRITE_ROW;
        op->metric_object = NULL;
        op->fields = op->inline_fields;
        op->field_count = 0;
        op->labels.count = 0;
        op->labels.items = op->labels.inline_items;
        PyErr_Format(PyExc_TypeError,
                     "write takes metric, labels, time and fields, not %zu arguments", count);
        return -1;
    }
    if (write_op_begin(op, args[0], args[1], args[2], precision) < 0) {
        return -1;
    }
    PyObject *mapping = count == 4 ? args[3] : Py_None;
    if (mapping != Py_None && (!PyMapping_Check(mapping) || PyUnicode_Check(mapping) ||
                               PySequence_Check(mapping) > (PyDict_Check(mapping) ? 1 : 0))) {
        PyErr_SetString(PyExc_TypeError, "fields must be a mapping of names to values");
        return -1;
    }
    Py_ssize_t mapped = mapping == Py_None ? 0 : PyMapping_Size(mapping);
    size_t named = names == NULL ? 0 : (size_t)PyTuple_Size(names);
    if (mapped < 0 || write_op_reserve(op, (size_t)mapped + named) < 0) {
        return -1;
    }
    if (mapped > 0 && write_op_mapping(op, mapping) < 0) {
        return -1;
    }
    for (size_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GetItem(names, (Py_ssize_t)i);
        if (name == NULL || write_op_field(op, name, args[count + i]) < 0) {
            return -1;
        }
    }
    if (op->field_count == 0 && (op->kind == WRITE_ROW || op->times.rows > 0)) {
        PyErr_SetString(PyExc_ValueError, "a row needs a field that has a value");
        return -1;
    }
    return 0;
}

/* ---- into a batch, without the interpreter lock ---- */

static varve_status write_resolve(varve_db *db, const write_op *op, varve_series *out_series,
                                  varve_field *fields, varve_error *out_err)
{
    varve_status status = varve_series_resolve(db, op->metric, op->labels.items, op->labels.count,
                                               0, out_series, out_err);
    for (size_t i = 0; status == VARVE_OK && i < op->field_count; i++) {
        status = varve_field_resolve(db, op->fields[i].name, &fields[i], out_err);
    }
    return status;
}

static varve_status write_add_row(varve_db *db, varve_batch *batch, const write_op *op,
                                  varve_error *out_err)
{
    varve_field fields[WRITE_FIELDS_MAX];
    varve_value *values = calloc(op->field_count, sizeof *values);
    if (values == NULL) {
        return vpy_fail(out_err, VARVE_E_NOMEM, "no memory for a row");
    }
    varve_row row = {
        .timestamp = op->time, .fields = fields, .values = values, .count = op->field_count};
    varve_status status = write_resolve(db, op, &row.series, fields, out_err);
    for (size_t i = 0; i < op->field_count; i++) {
        values[i] = op->fields[i].value;
    }
    if (status == VARVE_OK) {
        status = varve_batch_row(batch, &row, out_err);
    }
    free(values);
    return status;
}

/** columns: room for all fields, borrowed by the batch until it is committed. */
static varve_status write_add_columns(varve_db *db, varve_batch *batch, write_op *op,
                                      varve_column *columns, varve_field *fields,
                                      varve_error *out_err)
{
    varve_series series;
    varve_status status = write_resolve(db, op, &series, fields, out_err);
    if (status != VARVE_OK || op->times.rows == 0) {
        return status;
    }
    for (size_t i = 0; i < op->field_count; i++) {
        vpy_column *given = op->fields[i].column;
        columns[i] = given->column;
        if (columns[i].codes != NULL) {
            columns[i].dictionary = &given->dictionary;
        }
    }
    varve_columns all;
    varve_columns_init(&all);
    all.rows = op->times.rows;
    all.series = &series;
    all.series_count = 1;
    all.timestamps = op->times.column.values;
    all.timestamp_count = op->times.rows;
    all.fields = fields;
    all.columns = columns;
    all.column_count = op->field_count;
    return varve_batch_columns(batch, &all, out_err);
}

static varve_status write_add(varve_db *db, varve_batch *batch, write_op *op, void *scratch,
                              varve_error *out_err)
{
    switch (op->kind) {
    case WRITE_ROW:
        return write_add_row(db, batch, op, out_err);
    case WRITE_COLUMNS: {
        varve_column *columns = scratch;
        return write_add_columns(db, batch, op, columns, (varve_field *)(columns + op->field_count),
                                 out_err);
    }
    case WRITE_DELETE:
    default:
        return varve_batch_delete(batch, op->selections.items, op->selections.count, op->range,
                                  out_err);
    }
}

/** Bytes that write_add needs until the commit. */
static size_t write_scratch(const write_op *op)
{
    return op->kind == WRITE_COLUMNS
               ? op->field_count * (sizeof(varve_column) + sizeof(varve_field))
               : 0;
}

static varve_status write_commit(varve_db *db, write_op *const *ops, size_t count,
                                 const varve_write_options *options, varve_written *written,
                                 varve_error *out_err)
{
    size_t bytes = 1;
    for (size_t i = 0; i < count; i++) {
        bytes += write_scratch(ops[i]);
    }
    uint8_t *scratch = malloc(bytes);
    if (scratch == NULL) {
        return vpy_fail(out_err, VARVE_E_NOMEM, "no memory for a batch");
    }
    varve_batch *batch = NULL;
    varve_status status = varve_batch_create(db, &batch, out_err);
    size_t at = 0;
    for (size_t i = 0; status == VARVE_OK && i < count; i++) {
        status = write_add(db, batch, ops[i], scratch + at, out_err);
        at += write_scratch(ops[i]);
    }
    if (status == VARVE_OK) {
        status = varve_batch_commit(batch, options, written, out_err);
    }
    varve_batch_free(batch);
    free(scratch);
    return status;
}

/** One row by name needs no batch of ours. */
static varve_status write_one(varve_db *db, const write_op *op, const varve_write_options *options,
                              varve_written *written, varve_error *out_err)
{
    varve_text names[WRITE_FIELDS_INLINE];
    varve_value values[WRITE_FIELDS_INLINE];
    for (size_t i = 0; i < op->field_count; i++) {
        names[i] = op->fields[i].name;
        values[i] = op->fields[i].value;
    }
    varve_named_row row = {.metric = op->metric,
                           .labels = op->labels.items,
                           .label_count = op->labels.count,
                           .timestamp = op->time,
                           .fields = names,
                           .values = values,
                           .count = op->field_count};
    return varve_write(db, &row, 1, options, written, out_err);
}

static PyObject *write_run(vpy_handle *handle, write_op *const *ops, size_t count,
                           varve_write_options *options)
{
    varve_written written;
    varve_written_init(&written);
    varve_error error;
    vpy_call call;
    varve_rejected *rejected = NULL;
    if ((options->flags & VARVE_WRITE_SKIP_REJECTED) != 0) {
        rejected = calloc(WRITE_REJECTED_MAX, sizeof *rejected);
        if (rejected == NULL) {
            return PyErr_NoMemory();
        }
        options->rejected = rejected;
        options->rejected_capacity = WRITE_REJECTED_MAX;
    }
    varve_status status;
    Py_BEGIN_ALLOW_THREADS status = vpy_handle_enter(handle, &call, NULL, &error);
    if (status == VARVE_OK) {
        bool is_one =
            count == 1 && ops[0]->kind == WRITE_ROW && ops[0]->field_count <= WRITE_FIELDS_INLINE;
        status = is_one ? write_one(handle->db, ops[0], options, &written, &error)
                        : write_commit(handle->db, ops, count, options, &written, &error);
        vpy_handle_leave(&call);
    }
    Py_END_ALLOW_THREADS PyObject *answer =
        status == VARVE_OK ? write_written(&written, rejected) : vpy_raise(&error);
    free(rejected);
    return answer;
}

/* ---- Database.write and delete ---- */

PyObject *vpy_database_write(PyObject *self, PyObject *const *args, Py_ssize_t count,
                             PyObject *names)
{
    vpy_handle *handle = vpy_database_handle(self);
    if (handle == NULL) {
        return NULL;
    }
    write_op op;
    PyObject *answer = NULL;
    if (write_op_from(&op, args, (size_t)count, names, handle->precision) == 0) {
        varve_write_options options;
        varve_write_options_init(&options);
        write_op *ops[] = {&op};
        answer = write_run(handle, ops, 1, &options);
    }
    write_op_deinit(&op);
    return answer;
}

static int write_delete_op(write_op *op, PyObject *select, PyObject *start, PyObject *end,
                           uint32_t precision)
{
    memset(op, 0, sizeof *op);
    op->kind = WRITE_DELETE;
    op->fields = op->inline_fields;
    if (select == Py_None) {
        PyErr_SetString(PyExc_TypeError, "name what to delete: None is no selection here");
        return -1;
    }
    if (vpy_time_or(start, precision, VARVE_RANGE_ALL_START, &op->range.start) < 0 ||
        vpy_time_or(end, precision, VARVE_RANGE_ALL_END, &op->range.end) < 0) {
        return -1;
    }
    return vpy_selections_from(select, &op->selections);
}

PyObject *vpy_database_delete(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"select", "start", "end", NULL};
    PyObject *select, *start = Py_None, *end = Py_None;
    vpy_handle *handle = vpy_database_handle(self);
    if (handle == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO", names, &select, &start, &end)) {
        return NULL;
    }
    write_op op;
    PyObject *answer = NULL;
    if (write_delete_op(&op, select, start, end, handle->precision) == 0) {
        varve_write_options options;
        varve_write_options_init(&options);
        write_op *ops[] = {&op};
        answer = write_run(handle, ops, 1, &options);
    }
    write_op_deinit(&op);
    return answer;
}

/* ---- Database.write_rows ---- */

typedef struct write_rows_state {
    write_op *ops;
    size_t count;
    varve_named_row *rows;
    varve_text *names;
    varve_value *values;
} write_rows_state;

static int write_row_from(write_op *op, PyObject *item, size_t index, uint32_t precision)
{
    PyObject *row = PySequence_Tuple(item);
    if (row == NULL || PyTuple_Size(row) != 4) {
        Py_XDECREF(row);
        memset(op, 0, sizeof *op);
        op->fields = op->inline_fields;
        PyErr_Format(PyExc_TypeError, "row %zu must be (metric, labels, time, fields)", index);
        return -1;
    }
    PyObject *args[] = {PyTuple_GetItem(row, 0), PyTuple_GetItem(row, 1), PyTuple_GetItem(row, 2),
                        PyTuple_GetItem(row, 3)};
    int result = write_op_from(op, args, 4, NULL, precision);
    if (result == 0 && op->kind != WRITE_ROW) {
        PyErr_Format(PyExc_TypeError, "row %zu: its time must be one, not several", index);
        result = -1;
    }
    Py_DECREF(row);
    return result;
}

/** Rows by name out of the ops. */
static int write_rows_flatten(write_rows_state *state)
{
    size_t fields = 0;
    for (size_t i = 0; i < state->count; i++) {
        fields += state->ops[i].field_count;
    }
    state->rows = calloc(state->count + 1, sizeof *state->rows);
    state->names = calloc(fields + 1, sizeof *state->names);
    state->values = calloc(fields + 1, sizeof *state->values);
    if (state->rows == NULL || state->names == NULL || state->values == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    size_t at = 0;
    for (size_t i = 0; i < state->count; i++) {
        const write_op *op = &state->ops[i];
        state->rows[i] = (varve_named_row){.metric = op->metric,
                                           .labels = op->labels.items,
                                           .label_count = op->labels.count,
                                           .timestamp = op->time,
                                           .fields = state->names + at,
                                           .values = state->values + at,
                                           .count = op->field_count};
        for (size_t field = 0; field < op->field_count; field++, at++) {
            state->names[at] = op->fields[field].name;
            state->values[at] = op->fields[field].value;
        }
    }
    return 0;
}

static PyObject *write_rows_run(vpy_handle *handle, const write_rows_state *state,
                                varve_write_options *options)
{
    varve_written written;
    varve_written_init(&written);
    varve_error error;
    vpy_call call;
    varve_rejected *rejected = calloc(WRITE_REJECTED_MAX, sizeof *rejected);
    if (rejected == NULL) {
        return PyErr_NoMemory();
    }
    options->rejected = rejected;
    options->rejected_capacity = WRITE_REJECTED_MAX;
    varve_status status;
    Py_BEGIN_ALLOW_THREADS status = vpy_handle_enter(handle, &call, NULL, &error);
    if (status == VARVE_OK) {
        status = varve_write(handle->db, state->rows, state->count, options, &written, &error);
        vpy_handle_leave(&call);
    }
    Py_END_ALLOW_THREADS PyObject *answer =
        status == VARVE_OK ? write_written(&written, rejected) : vpy_raise(&error);
    free(rejected);
    return answer;
}

PyObject *vpy_database_write_rows(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"rows", "sync", "split", "skip_rejected", NULL};
    PyObject *given, *sync = Py_None;
    int split = 0, skip_rejected = 0;
    varve_write_options options;
    vpy_handle *handle = vpy_database_handle(self);
    if (handle == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "O|$Opp", names, &given, &sync, &split,
                                     &skip_rejected) ||
        write_options(sync, split, skip_rejected, &options) < 0) {
        return NULL;
    }
    PyObject *items = PySequence_Tuple(given);
    if (items == NULL) {
        return NULL;
    }
    size_t count = (size_t)PyTuple_Size(items);
    write_rows_state state = {.ops = PyMem_Calloc(count + 1, sizeof *state.ops)};
    PyObject *answer = NULL;
    int result = state.ops == NULL ? -1 : 0;
    if (result < 0) {
        PyErr_NoMemory();
    }
    while (result == 0 && state.count < count) {
        size_t at = state.count++;
        result = write_row_from(&state.ops[at], PyTuple_GetItem(items, (Py_ssize_t)at), at,
                                handle->precision);
    }
    if (result == 0 && write_rows_flatten(&state) == 0) {
        answer = write_rows_run(handle, &state, &options);
    }
    for (size_t i = 0; i < state.count; i++) {
        write_op_deinit(&state.ops[i]);
    }
    free(state.rows);
    free(state.names);
    free(state.values);
    PyMem_Free(state.ops);
    Py_DECREF(items);
    return answer;
}

/* ---- Batch ---- */

/** varve.Batch: one thread at a time. */
typedef struct write_batch {
    PyObject_HEAD PyObject *database;
    write_op **ops;
    size_t count, capacity;
    varve_write_options options;
} write_batch;

static void write_batch_drop(write_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        write_op_deinit(batch->ops[i]);
        PyMem_Free(batch->ops[i]);
    }
    batch->count = 0;
}

static write_op *write_batch_new_op(write_batch *batch)
{
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity == 0 ? 16 : 2 * batch->capacity;
        write_op **ops = PyMem_Realloc(batch->ops, capacity * sizeof *ops);
        if (ops == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        batch->ops = ops;
        batch->capacity = capacity;
    }
    write_op *op = PyMem_Calloc(1, sizeof *op);
    if (op == NULL) {
        PyErr_NoMemory();
    }
    return op;
}

/** Keep an op that was made, or free it. */
static PyObject *write_batch_add(write_batch *batch, write_op *op, int result)
{
    if (result < 0) {
        write_op_deinit(op);
        PyMem_Free(op);
        return NULL;
    }
    /* Converting ran code of the caller's, which may have used this batch. */
    if (batch->count == batch->capacity) {
        write_op *extra = write_batch_new_op(batch);
        PyMem_Free(extra);
        if (extra == NULL) {
            write_op_deinit(op);
            PyMem_Free(op);
            return NULL;
        }
    }
    batch->ops[batch->count++] = op;
    return Py_NewRef(Py_None);
}

static PyObject *write_batch_write(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                   PyObject *names)
{
    write_batch *batch = (write_batch *)self;
    vpy_handle *handle = vpy_database_handle(batch->database);
    write_op *op = handle == NULL ? NULL : write_batch_new_op(batch);
    if (op == NULL) {
        return NULL;
    }
    return write_batch_add(batch, op,
                           write_op_from(op, args, (size_t)count, names, handle->precision));
}

static PyObject *write_batch_delete(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"select", "start", "end", NULL};
    PyObject *select, *start = Py_None, *end = Py_None;
    write_batch *batch = (write_batch *)self;
    vpy_handle *handle = vpy_database_handle(batch->database);
    if (handle == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO", names, &select, &start, &end)) {
        return NULL;
    }
    write_op *op = write_batch_new_op(batch);
    if (op == NULL) {
        return NULL;
    }
    return write_batch_add(batch, op, write_delete_op(op, select, start, end, handle->precision));
}

static PyObject *write_batch_commit(PyObject *self, PyObject *Py_UNUSED(unused))
{
    write_batch *batch = (write_batch *)self;
    vpy_handle *handle = vpy_database_handle(batch->database);
    if (handle == NULL) {
        return NULL;
    }
    /* Taken out first: another thread may add while the interpreter lock is away. */
    write_op **ops = batch->ops;
    size_t count = batch->count, capacity = batch->capacity;
    batch->ops = NULL;
    batch->count = 0;
    batch->capacity = 0;
    varve_write_options options = batch->options;
    PyObject *answer = write_run(handle, ops, count, &options);
    if (answer == NULL && batch->count == 0) { /* as before: it may be tried again */
        PyMem_Free(batch->ops);
        batch->ops = ops;
        batch->count = count;
        batch->capacity = capacity;
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        write_op_deinit(ops[i]);
        PyMem_Free(ops[i]);
    }
    PyMem_Free(ops);
    return answer;
}

static PyObject *write_batch_clear(PyObject *self, PyObject *Py_UNUSED(unused))
{
    write_batch_drop((write_batch *)self);
    return Py_NewRef(Py_None);
}

static PyObject *write_batch_enter(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return Py_NewRef(self);
}

static PyObject *write_batch_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "__exit__ takes 3 arguments");
        return NULL;
    }
    if (args[0] != Py_None) {
        return write_batch_clear(self, NULL);
    }
    PyObject *answer = write_batch_commit(self, NULL);
    if (answer == NULL) {
        return NULL;
    }
    Py_DECREF(answer);
    return Py_NewRef(Py_None);
}

static Py_ssize_t write_batch_length(PyObject *self)
{
    return (Py_ssize_t)((write_batch *)self)->count;
}

static PyObject *write_batch_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<varve.Batch of %zu calls>", ((write_batch *)self)->count);
}

static void write_batch_dealloc(PyObject *self)
{
    write_batch *batch = (write_batch *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    write_batch_drop(batch);
    PyMem_Free(batch->ops);
    Py_CLEAR(batch->database);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static int write_batch_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((write_batch *)self)->database);
    return 0;
}

static int write_batch_gc_clear(PyObject *self)
{
    Py_CLEAR(((write_batch *)self)->database);
    return 0;
}

static PyMethodDef write_batch_methods[] = {
    {"write", VPY_METHOD(write_batch_write), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("write($self, metric, labels, time, fields=None, /, **more)\n--\n\nAdd rows, as "
               "Database.write takes them. Arrays are borrowed until the commit.")},
    {"delete", VPY_METHOD(write_batch_delete), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("delete($self, select, start=None, end=None)\n--\n\nDelete what was written before, "
               "earlier in the batch included.")},
    {"commit", write_batch_commit, METH_NOARGS,
     PyDoc_STR("commit($self)\n--\n\nWrite all of it, atomically; the batch is empty then. After "
               "an error it is as before.")},
    {"clear", write_batch_clear, METH_NOARGS,
     PyDoc_STR("clear($self)\n--\n\nForget what was added.")},
    {"__enter__", write_batch_enter, METH_NOARGS, NULL},
    {"__exit__", VPY_METHOD(write_batch_exit), METH_FASTCALL,
     PyDoc_STR(
         "__exit__($self, kind, value, traceback)\n--\n\nCommit; after an exception, forget.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot write_batch_slots[] = {
    VPY_SLOT(Py_tp_dealloc, write_batch_dealloc),
    VPY_SLOT(Py_tp_traverse, write_batch_traverse),
    VPY_SLOT(Py_tp_clear, write_batch_gc_clear),
    VPY_SLOT(Py_tp_repr, write_batch_repr),
    VPY_SLOT(Py_sq_length, write_batch_length),
    {Py_tp_methods, write_batch_methods},
    {Py_tp_doc, "Writes and deletes that are committed as one; made by Database.batch()."},
    {0, NULL},
};

static PyType_Spec write_batch_spec = {
    .name = "varve.Batch",
    .basicsize = sizeof(write_batch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = write_batch_slots,
};

PyObject *vpy_database_batch(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"sync", "split", "skip_rejected", NULL};
    PyObject *sync = Py_None;
    int split = 0, skip_rejected = 0;
    varve_write_options options;
    if (vpy_database_handle(self) == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "|$Opp", names, &sync, &split, &skip_rejected) ||
        write_options(sync, split, skip_rejected, &options) < 0) {
        return NULL;
    }
    write_batch *batch = PyObject_GC_New(write_batch, vpy_batch_type);
    if (batch == NULL) {
        return NULL;
    }
    batch->database = Py_NewRef(self);
    batch->ops = NULL;
    batch->count = 0;
    batch->capacity = 0;
    batch->options = options;
    PyObject_GC_Track((PyObject *)batch);
    return (PyObject *)batch;
}

int vpy_write_init(PyObject *module)
{
    PyObject *columns = PyImport_ImportModule("varve._columns");
    if (columns != NULL) {
        write_to_value = PyObject_GetAttrString(columns, "to_value");
        Py_DECREF(columns);
    }
    vpy_written_type = PyStructSequence_NewType(&write_written_desc);
    if (write_to_value == NULL || vpy_written_type == NULL ||
        PyModule_AddObjectRef(module, "Written", (PyObject *)vpy_written_type) < 0) {
        return -1;
    }
    vpy_batch_type = vpy_type_add(module, &write_batch_spec);
    return vpy_batch_type == NULL ? -1 : 0;
}
