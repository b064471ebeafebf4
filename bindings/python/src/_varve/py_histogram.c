/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Histograms of a caller: varve.Histogram as a varve_histogram, in one piece of memory that a
 * capsule owns.
 *
 *     varve_histogram | positive spans | negative spans | positive buckets | negative | custom
 * values
 *
 * Whether its counts are floats is told by the type of `count`; buckets are differences (int) or
 * absolute (float) accordingly.
 */

#include "py_varve.h"

static PyObject *histogram_class; /* varve._types.Histogram */

int vpy_histogram_init(void)
{
    PyObject *types = PyImport_ImportModule("varve._types");
    if (types != NULL) {
        histogram_class = PyObject_GetAttrString(types, "Histogram");
        Py_DECREF(types);
    }
    return histogram_class == NULL ? -1 : 0;
}

/** Where the sequences of a histogram go. */
typedef struct histogram_parts {
    PyObject *positive_spans, *negative_spans, *positive_buckets, *negative_buckets, *custom;
} histogram_parts;

static PyObject *histogram_part(PyObject *object, const char *name)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    PyObject *tuple = value == NULL ? NULL : PySequence_Tuple(value);
    Py_XDECREF(value);
    return tuple;
}

static void histogram_parts_deinit(histogram_parts *parts)
{
    Py_XDECREF(parts->positive_spans);
    Py_XDECREF(parts->negative_spans);
    Py_XDECREF(parts->positive_buckets);
    Py_XDECREF(parts->negative_buckets);
    Py_XDECREF(parts->custom);
}

static int histogram_parts_from(PyObject *object, histogram_parts *parts)
{
    parts->positive_spans = histogram_part(object, "positive_spans");
    parts->negative_spans =
        parts->positive_spans == NULL ? NULL : histogram_part(object, "negative_spans");
    parts->positive_buckets =
        parts->negative_spans == NULL ? NULL : histogram_part(object, "positive_buckets");
    parts->negative_buckets =
        parts->positive_buckets == NULL ? NULL : histogram_part(object, "negative_buckets");
    parts->custom =
        parts->negative_buckets == NULL ? NULL : histogram_part(object, "custom_values");
    return parts->custom == NULL ? -1 : 0;
}

static int histogram_spans(PyObject *tuple, varve_span *spans)
{
    for (Py_ssize_t i = 0; i < PyTuple_Size(tuple); i++) {
        PyObject *item = PyTuple_GetItem(tuple, i);
        int offset;
        long long length;
        if (!vpy_is_tuple(item) || !PyArg_ParseTuple(item, "iL", &offset, &length)) {
            return -1;
        }
        if (length < 0 || length > UINT32_MAX) {
            PyErr_SetString(PyExc_OverflowError, "the length of a span does not fit into 32 bits");
            return -1;
        }
        spans[i] = (varve_span){.offset = offset, .length = (uint32_t)length};
    }
    return 0;
}

/** Differences as int64_t, or counts as double: both are 8 bytes. */
static int histogram_buckets(PyObject *tuple, bool is_float, void *buckets)
{
    for (Py_ssize_t i = 0; i < PyTuple_Size(tuple); i++) {
        PyObject *item = PyTuple_GetItem(tuple, i);
        if (is_float) {
            ((double *)buckets)[i] = PyFloat_AsDouble(item);
        } else {
            ((int64_t *)buckets)[i] = PyLong_AsLongLong(item);
        }
        if (PyErr_Occurred() != NULL) {
            return -1;
        }
    }
    return 0;
}

static int histogram_count(PyObject *object, const char *name, bool is_float,
                           varve_count *out_count)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    int result = -1;
    if (value != NULL && is_float) {
        out_count->f64 = PyFloat_AsDouble(value);
        result = PyErr_Occurred() != NULL ? -1 : 0;
    } else if (value != NULL) {
        result = vpy_u64(value, name, &out_count->u64);
    }
    Py_XDECREF(value);
    return result;
}

static int histogram_double(PyObject *object, const char *name, double *out_number)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    *out_number = value == NULL ? 0.0 : PyFloat_AsDouble(value);
    Py_XDECREF(value);
    return PyErr_Occurred() != NULL ? -1 : 0;
}

static int histogram_int(PyObject *object, const char *name, int32_t *out_number)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    long number = value == NULL ? 0 : PyLong_AsLong(value);
    Py_XDECREF(value);
    if (PyErr_Occurred() == NULL && (number < INT32_MIN || number > INT32_MAX)) {
        PyErr_Format(PyExc_OverflowError, "%s does not fit into 32 bits", name);
    }
    *out_number = (int32_t)number;
    return PyErr_Occurred() != NULL ? -1 : 0;
}

static int histogram_head(PyObject *object, varve_histogram *out)
{
    PyObject *count = PyObject_GetAttrString(object, "count");
    bool is_float = count != NULL && PyFloat_Check(count);
    Py_XDECREF(count);
    int32_t hint = 0;
    if (count == NULL || histogram_count(object, "count", is_float, &out->count) < 0 ||
        histogram_count(object, "zero_count", is_float, &out->zero_count) < 0 ||
        histogram_double(object, "sum", &out->sum) < 0 ||
        histogram_double(object, "zero_threshold", &out->zero_threshold) < 0 ||
        histogram_int(object, "schema", &out->schema) < 0 ||
        histogram_int(object, "reset_hint", &hint) < 0) {
        return -1;
    }
    out->flags = is_float ? VARVE_HISTOGRAM_FLOAT : 0;
    out->reset_hint = (uint32_t)hint;
    return 0;
}

/** Lay the parts out behind the head; `memory` has room for all. */
static int histogram_lay_out(varve_histogram *out, const histogram_parts *parts, uint8_t *memory)
{
    bool is_float = (out->flags & VARVE_HISTOGRAM_FLOAT) != 0;
    out->positive_span_count = (size_t)PyTuple_Size(parts->positive_spans);
    out->negative_span_count = (size_t)PyTuple_Size(parts->negative_spans);
    out->positive_bucket_count = (size_t)PyTuple_Size(parts->positive_buckets);
    out->negative_bucket_count = (size_t)PyTuple_Size(parts->negative_buckets);
    out->custom_value_count = (size_t)PyTuple_Size(parts->custom);
    varve_span *positive_spans = (varve_span *)(void *)memory;
    varve_span *negative_spans = positive_spans + out->positive_span_count;
    int64_t *positive = (int64_t *)(void *)(negative_spans + out->negative_span_count);
    int64_t *negative = positive + out->positive_bucket_count;
    double *custom = (double *)(void *)(negative + out->negative_bucket_count);
    out->positive_spans = positive_spans;
    out->negative_spans = negative_spans;
    out->positive_deltas = is_float ? NULL : positive;
    out->negative_deltas = is_float ? NULL : negative;
    out->positive_counts = is_float ? (const double *)(const void *)positive : NULL;
    out->negative_counts = is_float ? (const double *)(const void *)negative : NULL;
    out->custom_values = custom;
    if (histogram_spans(parts->positive_spans, positive_spans) < 0 ||
        histogram_spans(parts->negative_spans, negative_spans) < 0 ||
        histogram_buckets(parts->positive_buckets, is_float, positive) < 0 ||
        histogram_buckets(parts->negative_buckets, is_float, negative) < 0) {
        return -1;
    }
    return histogram_buckets(parts->custom, true, custom);
}

static void histogram_free(PyObject *capsule)
{
    free(PyCapsule_GetPointer(capsule, NULL));
}

int vpy_histogram_from(PyObject *object, PyObject **out_owner, varve_value *out_value)
{
    int is_one = PyObject_IsInstance(object, histogram_class);
    if (is_one <= 0) {
        return is_one;
    }
    histogram_parts parts = {NULL, NULL, NULL, NULL, NULL};
    varve_histogram *made = NULL;
    PyObject *owner = NULL;
    if (histogram_parts_from(object, &parts) == 0) {
        size_t items =
            (size_t)(PyTuple_Size(parts.positive_spans) + PyTuple_Size(parts.negative_spans) +
                     PyTuple_Size(parts.positive_buckets) + PyTuple_Size(parts.negative_buckets) +
                     PyTuple_Size(parts.custom));
        made = calloc(1, sizeof *made + 8 * items); /* a span, a bucket, a value: 8 bytes each */
        owner = made == NULL ? PyErr_NoMemory() : PyCapsule_New(made, NULL, histogram_free);
    }
    int result = -1;
    if (owner == NULL) {
        free(made);
    } else if (histogram_head(object, made) == 0 &&
               histogram_lay_out(made, &parts, (uint8_t *)(made + 1)) == 0) {
        *out_value = (varve_value){.type = VARVE_TYPE_HISTOGRAM, .as.histogram = made};
        *out_owner = owner;
        result = 1;
    } else {
        Py_DECREF(owner);
    }
    histogram_parts_deinit(&parts);
    return result;
}
