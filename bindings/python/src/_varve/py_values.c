/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Single values, texts and labels, from Python and back.
 *
 *     bool     BOOL        bytes, bytearray  BYTES
 *     int      I64, from 2^63 on U64         str  STRING
 *     float    F64         Histogram         py_histogram.c
 *
 * NumPy's scalars are what their __index__ or __float__ says.
 */

#include "py_varve.h"

int vpy_text(PyObject *object, const char *what, varve_text *out_text)
{
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be a str", what);
        return -1;
    }
    Py_ssize_t size;
    const char *data = PyUnicode_AsUTF8AndSize(object, &size);
    if (data == NULL) {
        return -1;
    }
    *out_text = (varve_text){.data = data, .size = (size_t)size};
    return 0;
}

int vpy_text_kept(PyObject *object, const char *what, PyObject *keep, varve_text *out_text)
{
    if (vpy_text(object, what, out_text) < 0) {
        return -1;
    }
    return PyList_Append(keep, object);
}

PyObject *vpy_text_object(varve_text text)
{
    return PyUnicode_DecodeUTF8(text.data == NULL ? "" : text.data, (Py_ssize_t)text.size,
                                "replace");
}

bool vpy_is_tuple(PyObject *object)
{
    if (object == NULL || !PyTuple_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "a tuple is wanted here");
        return false;
    }
    return true;
}

int vpy_u64(PyObject *object, const char *what, uint64_t *out_number)
{
    PyObject *index = PyBool_Check(object) ? NULL : PyNumber_Index(object);
    if (index == NULL) {
        PyErr_Format(PyExc_TypeError, "%s must be an int", what);
        return -1;
    }
    unsigned long long number = PyLong_AsUnsignedLongLong(index);
    Py_DECREF(index);
    if (number == (unsigned long long)-1 && PyErr_Occurred() != NULL) {
        PyErr_Format(PyExc_ValueError, "%s must lie in 0..2**64-1", what);
        return -1;
    }
    *out_number = number;
    return 0;
}

static int values_from_int(PyObject *number, varve_value *out_value)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow > 0) {
        unsigned long long large = PyLong_AsUnsignedLongLong(number);
        if (PyErr_Occurred() == NULL) {
            *out_value = (varve_value){.type = VARVE_TYPE_U64, .as.u64 = large};
            return 1;
        }
    }
    if (overflow != 0) {
        PyErr_SetString(PyExc_OverflowError, "an integer does not fit into 64 bits");
        return -1;
    }
    if (value == -1 && PyErr_Occurred() != NULL) {
        return -1;
    }
    *out_value = (varve_value){.type = VARVE_TYPE_I64, .as.i64 = value};
    return 1;
}

static int values_from_bytes(PyObject *object, varve_value *out_value)
{
    /* A bytearray may move while the interpreter lock is away: the caller passes bytes instead. */
    char *data;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(object, &data, &size) < 0) {
        return -1;
    }
    *out_value =
        (varve_value){.type = VARVE_TYPE_BYTES, .as.bytes = {.data = data, .size = (size_t)size}};
    return 1;
}

int vpy_value(PyObject *object, varve_value *out_value)
{
    if (PyFloat_Check(object)) {
        *out_value = (varve_value){.type = VARVE_TYPE_F64, .as.f64 = PyFloat_AsDouble(object)};
        return 1;
    }
    if (PyBool_Check(object)) {
        *out_value = (varve_value){.type = VARVE_TYPE_BOOL, .as.boolean = object == Py_True};
        return 1;
    }
    if (PyLong_Check(object)) {
        return values_from_int(object, out_value);
    }
    if (PyUnicode_Check(object)) {
        *out_value = (varve_value){.type = VARVE_TYPE_STRING};
        return vpy_text(object, "a value", &out_value->as.bytes) < 0 ? -1 : 1;
    }
    if (PyBytes_Check(object)) {
        return values_from_bytes(object, out_value);
    }
    return 0;
}

static PyObject *values_text(uint32_t type, varve_text text)
{
    return type == VARVE_TYPE_BYTES ? PyBytes_FromStringAndSize(text.data == NULL ? "" : text.data,
                                                                (Py_ssize_t)text.size)
                                    : vpy_text_object(text);
}

/* ---- histograms, as varve.Histogram ---- */

static PyObject *values_spans(const varve_span *spans, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *pair = Py_BuildValue("(iI)", (int)spans[i].offset, (unsigned)spans[i].length);
        if (pair == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SetItem(list, (Py_ssize_t)i, pair);
        }
    }
    return list;
}

static PyObject *values_buckets(const int64_t *deltas, const double *counts, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *item = deltas != NULL ? PyLong_FromLongLong(deltas[i])
                                        : PyFloat_FromDouble(counts == NULL ? 0.0 : counts[i]);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SetItem(list, (Py_ssize_t)i, item);
        }
    }
    return list;
}

static PyObject *values_count(const varve_histogram *histogram, varve_count count)
{
    return (histogram->flags & VARVE_HISTOGRAM_FLOAT) != 0 ? PyFloat_FromDouble(count.f64)
                                                           : PyLong_FromUnsignedLongLong(count.u64);
}

/** Arguments in the order of the fields of varve.Histogram. */
static PyObject *values_histogram(const varve_histogram *h)
{
    PyObject *module = PyImport_ImportModule("varve._types");
    PyObject *class = module == NULL ? NULL : PyObject_GetAttrString(module, "Histogram");
    Py_XDECREF(module);
    PyObject *made = NULL;
    if (class != NULL) {
        /* N takes references, and NULL among them fails the call with the exception that is set. */
        made = PyObject_CallFunction(
            class, "NdiIdNNNNNN", values_count(h, h->count), h->sum, (int)h->schema,
            (unsigned)h->reset_hint, h->zero_threshold, values_count(h, h->zero_count),
            values_spans(h->positive_spans, h->positive_span_count),
            values_buckets(h->positive_deltas, h->positive_counts, h->positive_bucket_count),
            values_spans(h->negative_spans, h->negative_span_count),
            values_buckets(h->negative_deltas, h->negative_counts, h->negative_bucket_count),
            values_buckets(NULL, h->custom_values, h->custom_value_count));
    }
    Py_XDECREF(class);
    return made;
}

PyObject *vpy_value_object(const varve_value *value)
{
    switch (value->type) {
    case VARVE_TYPE_F64:
        return PyFloat_FromDouble(value->as.f64);
    case VARVE_TYPE_I64:
        return PyLong_FromLongLong(value->as.i64);
    case VARVE_TYPE_U64:
        return PyLong_FromUnsignedLongLong(value->as.u64);
    case VARVE_TYPE_BOOL:
        return PyBool_FromLong(value->as.boolean ? 1 : 0);
    case VARVE_TYPE_BYTES:
    case VARVE_TYPE_STRING:
        return values_text(value->type, value->as.bytes);
    case VARVE_TYPE_HISTOGRAM:
        return values_histogram(value->as.histogram);
    default:
        return Py_NewRef(Py_None);
    }
}

PyObject *vpy_column_item(const varve_column *column, size_t row)
{
    if (column->present != NULL && !vpy_bit(column->present, row)) {
        return Py_NewRef(Py_None);
    }
    varve_value value = {.type = column->type};
    if (column->codes != NULL) {
        const varve_text *texts = column->dictionary->values;
        return values_text(column->type, texts[column->codes[row]]);
    }
    switch (column->type) {
    case VARVE_TYPE_F64:
        value.as.f64 = ((const double *)column->values)[row];
        break;
    case VARVE_TYPE_I64:
        value.as.i64 = ((const int64_t *)column->values)[row];
        break;
    case VARVE_TYPE_U64:
        value.as.u64 = ((const uint64_t *)column->values)[row];
        break;
    case VARVE_TYPE_BOOL:
        value.as.boolean = ((const uint8_t *)column->values)[row] != 0;
        break;
    case VARVE_TYPE_BYTES:
    case VARVE_TYPE_STRING:
        value.as.bytes = ((const varve_text *)column->values)[row];
        if (column->marks != NULL) {
            value.type = vpy_bit(column->marks, row) ? VARVE_TYPE_BYTES : VARVE_TYPE_STRING;
        }
        break;
    case VARVE_TYPE_HISTOGRAM:
        value.as.histogram = &((const varve_histogram *)column->values)[row];
        break;
    default:
        value = ((const varve_value *)column->values)[row];
        break;
    }
    return vpy_value_object(&value);
}

/* ---- labels ---- */

static int labels_reserve(vpy_labels *labels, size_t count)
{
    labels->items = labels->inline_items;
    labels->objects = labels->inline_objects;
    if (count <= VPY_LABELS_INLINE) {
        return 0;
    }
    labels->items = PyMem_Calloc(count, sizeof *labels->items);
    labels->objects = PyMem_Calloc(2 * count, sizeof *labels->objects);
    if (labels->items == NULL || labels->objects == NULL) {
        PyMem_Free(labels->items);
        PyMem_Free(labels->objects);
        labels->items = labels->inline_items;
        labels->objects = labels->inline_objects;
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static int labels_add(vpy_labels *labels, PyObject *name, PyObject *value)
{
    varve_label *label = &labels->items[labels->count];
    if (vpy_text(name, "a label's name", &label->name) < 0 ||
        vpy_text(value, "a label's value", &label->value) < 0) {
        return -1;
    }
    labels->objects[2 * labels->count] = Py_NewRef(name);
    labels->objects[2 * labels->count + 1] = Py_NewRef(value);
    labels->count++;
    return 0;
}

static int labels_from_dict(PyObject *dict, vpy_labels *labels)
{
    size_t size = (size_t)PyDict_Size(dict);
    if (labels_reserve(labels, size) < 0) {
        return -1;
    }
    Py_ssize_t position = 0;
    PyObject *name, *value;
    while (labels->count < size && PyDict_Next(dict, &position, &name, &value)) {
        if (labels_add(labels, name, value) < 0) {
            return -1;
        }
    }
    return 0;
}

int vpy_labels_from(PyObject *object, vpy_labels *out_labels)
{
    out_labels->count = 0;
    out_labels->items = out_labels->inline_items;
    out_labels->objects = out_labels->inline_objects;
    if (object == Py_None) {
        return 0;
    }
    int result = -1;
    if (PyDict_Check(object)) {
        result = labels_from_dict(object, out_labels);
    } else if (PyMapping_Check(object) && !PyUnicode_Check(object) && !PyBytes_Check(object) &&
               !PyList_Check(object) && !PyTuple_Check(object)) {
        PyObject *copy = PyDict_New();
        if (copy != NULL && PyDict_Update(copy, object) == 0) {
            result = labels_from_dict(copy, out_labels);
        }
        Py_XDECREF(copy);
    } else {
        PyErr_SetString(PyExc_TypeError, "labels must be a mapping of str to str, or None");
    }
    if (result < 0) {
        vpy_labels_deinit(out_labels);
    }
    return result;
}

void vpy_labels_deinit(vpy_labels *labels)
{
    for (size_t i = 0; i < 2 * labels->count; i++) {
        Py_DECREF(labels->objects[i]);
    }
    if (labels->items != labels->inline_items) {
        PyMem_Free(labels->items);
        PyMem_Free(labels->objects);
    }
    labels->count = 0;
    labels->items = labels->inline_items;
    labels->objects = labels->inline_objects;
}

PyObject *vpy_labels_object(const varve_label *labels, size_t count)
{
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i < count; i++) {
        PyObject *name = vpy_text_object(labels[i].name);
        PyObject *value = vpy_text_object(labels[i].value);
        if (name == NULL || value == NULL || PyDict_SetItem(dict, name, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    return dict;
}
