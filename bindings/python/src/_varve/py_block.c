/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Answers: Block, a kept block of a cursor, and Column, one column of it.
 *
 *     Block ── varve_block (outlives cursor and database, B6)
 *       └── Column ── owner: the Block, or memory of its own (Cursor.collect)
 *
 * A Column of numbers exports its memory (memoryview, NumPy) without copying: doubles, 64-bit
 * integers, bools. Where rows may lack a value, `missing()` tells which; their place holds zero.
 */

#include "py_varve.h"

PyTypeObject *vpy_block_type, *vpy_column_type;

/* ---- Column ---- */

typedef struct block_column {
    PyObject_HEAD PyObject *owner; /* NULL: own_values and own_present hold the memory */
    PyObject *name;
    varve_column column;
    size_t rows;
    void *own_values;
    uint64_t *own_present;
    Py_ssize_t shape, stride;
} block_column;

static block_column *block_column_alloc(const char *name, size_t name_size)
{
    PyObject *text = vpy_text_object((varve_text){.data = name, .size = name_size});
    block_column *column = text == NULL ? NULL : PyObject_New(block_column, vpy_column_type);
    if (column == NULL) {
        Py_XDECREF(text);
        return NULL;
    }
    column->owner = NULL;
    column->name = text;
    column->own_values = NULL;
    column->own_present = NULL;
    return column;
}

static void block_column_set(block_column *self, const varve_column *column, size_t rows)
{
    self->column = *column;
    self->rows = rows;
    self->shape = (Py_ssize_t)rows;
    self->stride = column->type == VARVE_TYPE_BOOL ? 1 : 8;
}

PyObject *vpy_answer_column_new(PyObject *owner, const char *name, size_t name_size,
                                const varve_column *column, size_t rows)
{
    block_column *self = block_column_alloc(name, name_size);
    if (self == NULL) {
        return NULL;
    }
    self->owner = Py_NewRef(owner);
    block_column_set(self, column, rows);
    return (PyObject *)self;
}

PyObject *vpy_answer_column_own(varve_text name, uint32_t type, void *values, uint64_t *present,
                                size_t rows)
{
    block_column *self = block_column_alloc(name.data, name.size);
    if (self == NULL) {
        free(values);
        free(present);
        return NULL;
    }
    self->own_values = values;
    self->own_present = present;
    block_column_set(self, &(varve_column){.type = type, .values = values, .present = present},
                     rows);
    return (PyObject *)self;
}

static void block_column_dealloc(PyObject *object)
{
    block_column *self = (block_column *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(self->owner);
    Py_XDECREF(self->name);
    free(self->own_values);
    free(self->own_present);
    PyObject_Free(object);
    Py_DECREF(type);
}

static char *block_column_format(uint32_t type)
{
    static char f64[] = "d", i64[] = "q", u64[] = "Q", boolean[] = "?";
    switch (type) {
    case VARVE_TYPE_F64:
        return f64;
    case VARVE_TYPE_I64:
        return i64;
    case VARVE_TYPE_U64:
        return u64;
    case VARVE_TYPE_BOOL:
        return boolean;
    default:
        return NULL;
    }
}

static int block_column_buffer(PyObject *object, Py_buffer *view, int flags)
{
    block_column *self = (block_column *)object;
    char *format = block_column_format(self->column.type);
    view->obj = NULL;
    if (format == NULL || self->column.codes != NULL) {
        PyErr_SetString(PyExc_BufferError, "a column of texts has no buffer: use tolist()");
        return -1;
    }
    if ((flags & PyBUF_WRITABLE) != 0 && self->own_values == NULL) {
        PyErr_SetString(PyExc_BufferError, "a column of a block is read-only");
        return -1;
    }
    static uint64_t nothing;
    /* The memory of blocks is only read: `readonly` says so to every user of the view. */
    memcpy(&view->buf, &self->column.values, sizeof view->buf);
    if (view->buf == NULL) {
        view->buf = &nothing;
    }
    view->obj = Py_NewRef(object);
    view->len = self->shape * self->stride;
    view->readonly = self->own_values == NULL ? 1 : 0;
    view->itemsize = self->stride;
    view->format = (flags & PyBUF_FORMAT) != 0 ? format : NULL;
    view->ndim = 1;
    view->shape = (flags & PyBUF_ND) != 0 ? &self->shape : NULL;
    view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? &self->stride : NULL;
    view->suboffsets = NULL;
    view->internal = NULL;
    return 0;
}

static Py_ssize_t block_column_length(PyObject *object)
{
    return (Py_ssize_t)((block_column *)object)->rows;
}

static PyObject *block_column_at(PyObject *object, Py_ssize_t index)
{
    block_column *self = (block_column *)object;
    if (index < 0 || (size_t)index >= self->rows) {
        PyErr_SetString(PyExc_IndexError, "a column has no such row");
        return NULL;
    }
    return vpy_column_item(&self->column, (size_t)index);
}

static PyObject *block_column_tolist(PyObject *object, PyObject *Py_UNUSED(unused))
{
    block_column *self = (block_column *)object;
    PyObject *list = PyList_New((Py_ssize_t)self->rows);
    for (size_t row = 0; list != NULL && row < self->rows; row++) {
        PyObject *item = vpy_column_item(&self->column, row);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SetItem(list, (Py_ssize_t)row, item);
        }
    }
    return list;
}

static PyObject *block_column_missing(PyObject *object, PyObject *Py_UNUSED(unused))
{
    block_column *self = (block_column *)object;
    if (self->column.present == NULL) {
        return Py_NewRef(Py_None);
    }
    uint8_t *bools = calloc(self->rows + 1, 1);
    if (bools == NULL) {
        return PyErr_NoMemory();
    }
    bool is_any = false;
    for (size_t row = 0; row < self->rows; row++) {
        bools[row] = vpy_bit(self->column.present, row) ? 0 : 1;
        is_any = is_any || bools[row] != 0;
    }
    if (!is_any) {
        free(bools);
        return Py_NewRef(Py_None);
    }
    return vpy_answer_column_own((varve_text){.data = "missing", .size = 7}, VARVE_TYPE_BOOL, bools,
                                 NULL, self->rows);
}

static PyObject *block_column_name(PyObject *object, void *Py_UNUSED(closure))
{
    return Py_NewRef(((block_column *)object)->name);
}

static PyObject *block_column_type(PyObject *object, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(varve_type_name(((block_column *)object)->column.type));
}

static PyObject *block_column_repr(PyObject *object)
{
    block_column *self = (block_column *)object;
    return PyUnicode_FromFormat("<varve.Column %R %s, %zu rows>", self->name,
                                varve_type_name(self->column.type), self->rows);
}

static PyMethodDef block_column_methods[] = {
    {"tolist", block_column_tolist, METH_NOARGS,
     PyDoc_STR("tolist($self)\n--\n\nThe values as Python objects; None where a row has none.")},
    {"missing", block_column_missing, METH_NOARGS,
     PyDoc_STR("missing($self)\n--\n\nA column of bools, true where a row has no value; None when "
               "all have one.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef block_column_getset[] = {
    {"name", block_column_name, NULL, PyDoc_STR("Its name."), NULL},
    {"type", block_column_type, NULL,
     PyDoc_STR(
         "\"f64\", \"i64\", \"u64\", \"bool\", \"bytes\", \"string\", \"histogram\" or \"mixed\"."),
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot block_column_slots[] = {
    VPY_SLOT(Py_tp_dealloc, block_column_dealloc),
    VPY_SLOT(Py_tp_repr, block_column_repr),
    VPY_SLOT(Py_sq_length, block_column_length),
    VPY_SLOT(Py_sq_item, block_column_at),
    VPY_SLOT(Py_bf_getbuffer, block_column_buffer),
    {Py_tp_methods, block_column_methods},
    {Py_tp_getset, block_column_getset},
    {Py_tp_doc, "One column of an answer; numbers are shared with NumPy without copying."},
    {0, NULL},
};

static PyType_Spec block_column_spec = {
    .name = "varve.Column",
    .basicsize = sizeof(block_column),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = block_column_slots,
};

/* ---- Block ---- */

typedef struct block_object {
    PyObject_HEAD const varve_block *block;
} block_object;

PyObject *vpy_block_new(const varve_block *block)
{
    block_object *self = PyObject_New(block_object, vpy_block_type);
    if (self == NULL) {
        varve_block_free(block);
        return NULL;
    }
    self->block = block;
    return (PyObject *)self;
}

static void block_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    varve_block_free(((block_object *)object)->block);
    PyObject_Free(object);
    Py_DECREF(type);
}

static Py_ssize_t block_length(PyObject *object)
{
    return (Py_ssize_t)((block_object *)object)->block->rows;
}

static PyObject *block_times(PyObject *object, void *Py_UNUSED(closure))
{
    const varve_block *block = ((block_object *)object)->block;
    if (block->timestamps == NULL) {
        return Py_NewRef(Py_None);
    }
    varve_column times = {.type = VARVE_TYPE_I64, .values = block->timestamps};
    return vpy_answer_column_new(object, "time", 4, &times, block->rows);
}

static PyObject *block_row_ids(PyObject *object, void *Py_UNUSED(closure))
{
    const varve_block *block = ((block_object *)object)->block;
    if (block->row_ids == NULL) {
        return Py_NewRef(Py_None);
    }
    varve_column ids = {.type = VARVE_TYPE_U64, .values = block->row_ids};
    return vpy_answer_column_new(object, "row_id", 6, &ids, block->rows);
}

static PyObject *block_columns(PyObject *object, void *Py_UNUSED(closure))
{
    const varve_block *block = ((block_object *)object)->block;
    PyObject *tuple = PyTuple_New((Py_ssize_t)block->column_count);
    for (size_t i = 0; tuple != NULL && i < block->column_count; i++) {
        varve_text name = block->column_names[i];
        PyObject *column =
            vpy_answer_column_new(object, name.data, name.size, &block->columns[i], block->rows);
        if (column == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SetItem(tuple, (Py_ssize_t)i, column);
        }
    }
    return tuple;
}

static PyObject *block_is_partial(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong((((block_object *)object)->block->flags & VARVE_BLOCK_PARTIAL) != 0);
}

static PyGetSetDef block_getset[] = {
    {"times", block_times, NULL, PyDoc_STR("Column of times, or None."), NULL},
    {"row_ids", block_row_ids, NULL, PyDoc_STR("Column of row ids, or None."), NULL},
    {"columns", block_columns, NULL, PyDoc_STR("All other columns."), NULL},
    {"is_partial", block_is_partial, NULL, PyDoc_STR("Whether damaged parts were left out so far."),
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot block_slots[] = {
    VPY_SLOT(Py_tp_dealloc, block_dealloc),
    VPY_SLOT(Py_sq_length, block_length),
    {Py_tp_getset, block_getset},
    {Py_tp_doc, "Rows of an answer as the engine made them."},
    {0, NULL},
};

static PyType_Spec block_spec = {
    .name = "varve._varve.Block",
    .basicsize = sizeof(block_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = block_slots,
};

int vpy_block_init(PyObject *module)
{
    vpy_column_type = vpy_type_add(module, &block_column_spec);
    vpy_block_type = vpy_type_add(module, &block_spec);
    return vpy_column_type == NULL || vpy_block_type == NULL ? -1 : 0;
}
