/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Columns of a caller: lists, tuples, whatever has a buffer (array, memoryview, NumPy), and what
 * varve._columns.adapt makes of the rest (Arrow, pandas, polars, datetime64, masked arrays).
 *
 *     what                              is
 *     f8 i8 u8 bool buffers, any stride borrowed: no copy here
 *     smaller or swapped numbers        converted into memory of our own
 *     lists and tuples                  converted; texts are borrowed from their objects
 *     Arrow arrays                      borrowed where layouts agree (py_arrow_in.c)
 *
 *   C1  A buffer is held until the column is freed, so its array cannot be resized or freed while
 *       the engine reads it. Its elements may change: then the row has the one or the other value.
 *   C2  A list is copied into a tuple first: nothing in it goes away while texts are borrowed.
 *   C3  An integer column is I64, or U64 where a value needs it. Ints among floats make F64.
 */

#include "py_varve.h"

static PyObject *columns_adapt; /* varve._columns.adapt */

int vpy_columns_init(void)
{
    PyObject *module = PyImport_ImportModule("varve._columns");
    if (module != NULL) {
        columns_adapt = PyObject_GetAttrString(module, "adapt");
        Py_DECREF(module);
    }
    return columns_adapt == NULL ? -1 : 0;
}

void vpy_column_deinit(vpy_column *column)
{
    if (column->has_buffer) {
        PyBuffer_Release(&column->buffer);
    }
    vpy_arrow_release(column->arrow);
    free(column->values);
    free(column->present);
    free(column->marks);
    Py_XDECREF(column->owner);
    memset(column, 0, sizeof *column);
}

static void *columns_new(size_t count, size_t size)
{
    void *memory = calloc(count == 0 ? 1 : count, size);
    if (memory == NULL) {
        PyErr_NoMemory();
    }
    return memory;
}

/* ---- lists ---- */

/** What the items of a list are. */
typedef struct columns_kinds {
    bool has_float, has_int, has_bool, has_string, has_bytes, has_none, has_large, has_negative;
} columns_kinds;

static int columns_look_at_int(PyObject *item, columns_kinds *kinds)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(item, &overflow);
    if (value == -1 && overflow == 0 && PyErr_Occurred() != NULL) {
        return -1;
    }
    kinds->has_int = true;
    kinds->has_large |= overflow > 0;
    kinds->has_negative |= overflow < 0 || (overflow == 0 && value < 0);
    return 0;
}

static int columns_look_at(PyObject *item, size_t row, columns_kinds *kinds)
{
    if (item == Py_None) {
        kinds->has_none = true;
    } else if (PyFloat_Check(item)) {
        kinds->has_float = true;
    } else if (PyBool_Check(item)) {
        kinds->has_bool = true;
    } else if (PyLong_Check(item)) {
        return columns_look_at_int(item, kinds);
    } else if (PyUnicode_Check(item)) {
        kinds->has_string = true;
    } else if (PyBytes_Check(item)) {
        kinds->has_bytes = true;
    } else {
        PyErr_Format(PyExc_TypeError, "item %zu of a column is no value that varve stores (%R)",
                     row, (PyObject *)Py_TYPE(item));
        return -1;
    }
    return 0;
}

/** The type of a list's column; 0: TypeError. NONE has no values at all. */
static int columns_type_of(const columns_kinds *kinds, uint32_t *out_type)
{
    bool is_number = kinds->has_float || kinds->has_int;
    bool is_text = kinds->has_string || kinds->has_bytes;
    if ((is_number ? 1 : 0) + (kinds->has_bool ? 1 : 0) + (is_text ? 1 : 0) > 1) {
        PyErr_SetString(PyExc_TypeError, "a column mixes numbers, bools or texts");
        return -1;
    }
    if (kinds->has_large && kinds->has_negative && !kinds->has_float) {
        PyErr_SetString(PyExc_OverflowError,
                        "a column has integers below 0 and from 2**63 on: no type holds both");
        return -1;
    }
    *out_type = kinds->has_float    ? VARVE_TYPE_F64
                : kinds->has_large  ? VARVE_TYPE_U64
                : kinds->has_int    ? VARVE_TYPE_I64
                : kinds->has_bool   ? VARVE_TYPE_BOOL
                : kinds->has_string ? VARVE_TYPE_STRING
                : kinds->has_bytes  ? VARVE_TYPE_BYTES
                                    : VARVE_TYPE_NONE;
    return 0;
}

static size_t columns_width(uint32_t type)
{
    return type == VARVE_TYPE_BOOL                                 ? 1
           : type == VARVE_TYPE_STRING || type == VARVE_TYPE_BYTES ? sizeof(varve_text)
                                                                   : 8;
}

static int columns_put_text(vpy_column *column, PyObject *item, size_t row)
{
    varve_text *text = &((varve_text *)column->values)[row];
    if (PyBytes_Check(item)) {
        char *data;
        Py_ssize_t size;
        if (PyBytes_AsStringAndSize(item, &data, &size) < 0) {
            return -1;
        }
        *text = (varve_text){.data = data, .size = (size_t)size};
        if (column->marks != NULL) {
            column->marks[row / 64] |= UINT64_C(1) << (row % 64);
        }
        return 0;
    }
    return vpy_text(item, "a value", text);
}

static int columns_put(vpy_column *column, PyObject *item, size_t row)
{
    if (item == Py_None) {
        column->present[row / 64] &= ~(UINT64_C(1) << (row % 64));
        return 0;
    }
    switch (column->column.type) {
    case VARVE_TYPE_F64:
        ((double *)column->values)[row] = PyFloat_AsDouble(item);
        break;
    case VARVE_TYPE_I64:
        ((int64_t *)column->values)[row] = PyLong_AsLongLong(item);
        break;
    case VARVE_TYPE_U64:
        ((uint64_t *)column->values)[row] = PyLong_AsUnsignedLongLong(item);
        break;
    case VARVE_TYPE_BOOL:
        ((uint8_t *)column->values)[row] = item == Py_True ? 1 : 0;
        break;
    default:
        return columns_put_text(column, item, row);
    }
    return PyErr_Occurred() != NULL ? -1 : 0;
}

static int columns_fill(vpy_column *column, const columns_kinds *kinds)
{
    size_t words = vpy_bit_words(column->rows);
    if (kinds->has_none) {
        column->present = columns_new(words, sizeof *column->present);
        if (column->present == NULL) {
            return -1;
        }
        memset(column->present, 0xff, words * sizeof *column->present);
        column->column.present = column->present;
    }
    if (column->column.type == VARVE_TYPE_NONE) {
        return 0;
    }
    column->values = columns_new(column->rows, columns_width(column->column.type));
    if (kinds->has_string && kinds->has_bytes) {
        column->marks = columns_new(words, sizeof *column->marks);
        if (column->marks == NULL) {
            return -1;
        }
        column->column.marks = column->marks;
    }
    if (column->values == NULL) {
        return -1;
    }
    column->column.values = column->values;
    for (size_t row = 0; row < column->rows; row++) {
        if (columns_put(column, PyTuple_GetItem(column->owner, (Py_ssize_t)row), row) < 0) {
            return -1;
        }
    }
    return 0;
}

/** From a list or tuple. */
static int columns_from_list(PyObject *list, vpy_column *column)
{
    column->owner = PySequence_Tuple(list); /* C2 */
    if (column->owner == NULL) {
        return -1;
    }
    column->rows = (size_t)PyTuple_Size(column->owner);
    columns_kinds kinds = {0};
    for (size_t row = 0; row < column->rows; row++) {
        PyObject *item = PyTuple_GetItem(column->owner, (Py_ssize_t)row);
        if (columns_look_at(item, row, &kinds) < 0) {
            return -1;
        }
    }
    if (columns_type_of(&kinds, &column->column.type) < 0) {
        return -1;
    }
    return columns_fill(column, &kinds);
}

/* ---- buffers ---- */

/** A struct format of one number. */
typedef struct columns_format {
    char kind;    /* f float, i signed, u unsigned, ? bool */
    size_t width; /* bytes */
    bool is_swapped;
} columns_format;

/** 0: no number of ours. */
static int columns_read_format(const Py_buffer *buffer, columns_format *out)
{
    const char *format = buffer->format == NULL ? "B" : buffer->format;
    const uint16_t one = 1;
    bool is_little = *(const uint8_t *)&one == 1;
    *out = (columns_format){.width = (size_t)buffer->itemsize};
    if (*format == '<' || *format == '>' || *format == '!' || *format == '=' || *format == '@') {
        out->is_swapped =
            (*format == '<' && !is_little) || ((*format == '>' || *format == '!') && is_little);
        format++;
    }
    if (format[0] == '\0' || format[1] != '\0') {
        return 0;
    }
    out->kind = strchr("fde", *format) != NULL      ? 'f'
                : strchr("bhilqn", *format) != NULL ? 'i'
                : strchr("BHILQN", *format) != NULL ? 'u'
                : *format == '?'                    ? '?'
                                                    : '\0';
    bool fits = out->kind == 'f' ? out->width == 2 || out->width == 4 || out->width == 8
                : out->kind == '?'
                    ? out->width == 1
                    : out->width == 1 || out->width == 2 || out->width == 4 || out->width == 8;
    return out->kind != '\0' && fits ? 1 : 0;
}

static void columns_load(const columns_format *format, const uint8_t *from, uint8_t *to)
{
    for (size_t i = 0; i < format->width; i++) {
        to[i] = from[format->is_swapped ? format->width - 1 - i : i];
    }
}

/** IEEE half to double: exact. */
static double columns_half(uint16_t bits)
{
    int exponent = (bits >> 10) & 31;
    double mantissa = bits & 1023;
    double value;
    if (exponent == 31) {
        value = mantissa == 0 ? (double)Py_HUGE_VAL : (double)NAN;
    } else if (exponent == 0) {
        value = mantissa / 16777216.0; /* 2^-24 */
    } else {
        value = (1.0 + mantissa / 1024.0);
        for (int i = exponent; i > 15; i--) {
            value *= 2.0;
        }
        for (int i = exponent; i < 15; i++) {
            value /= 2.0;
        }
    }
    return (bits & 0x8000) != 0 ? -value : value;
}

static double columns_float(const columns_format *format, const uint8_t *bytes)
{
    if (format->width == 8) {
        double value;
        memcpy(&value, bytes, sizeof value);
        return value;
    }
    if (format->width == 4) {
        float value;
        memcpy(&value, bytes, sizeof value);
        return (double)value;
    }
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return columns_half(value);
}

static int64_t columns_int(const columns_format *format, const uint8_t *bytes)
{
    uint64_t bits = 0;
    for (size_t i = format->width; i > 0; i--) { /* bytes are in native order: little or big */
        const uint16_t one = 1;
        size_t at = *(const uint8_t *)&one == 1 ? i - 1 : format->width - i;
        bits = (bits << 8) | bytes[at];
    }
    if (format->kind == 'i' && format->width < 8) {
        uint64_t sign = UINT64_C(1) << (8 * format->width - 1);
        bits = (bits ^ sign) - sign;
    }
    int64_t value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/** Numbers of another width or order, into memory of our own. */
static int columns_convert(vpy_column *column, const columns_format *format, const uint8_t *first,
                           Py_ssize_t stride)
{
    column->values = columns_new(column->rows, 8);
    if (column->values == NULL) {
        return -1;
    }
    for (size_t row = 0; row < column->rows; row++) {
        uint8_t bytes[8];
        columns_load(format, first + (Py_ssize_t)row * stride, bytes);
        if (format->kind == 'f') {
            ((double *)column->values)[row] = columns_float(format, bytes);
        } else {
            ((int64_t *)column->values)[row] = columns_int(format, bytes);
        }
    }
    column->column.values = column->values;
    return 0;
}

static int columns_refuse_buffer(const Py_buffer *buffer)
{
    PyErr_Format(PyExc_TypeError,
                 "a column must have one dimension of numbers, not %d of format \"%s\"",
                 buffer->ndim, buffer->format == NULL ? "B" : buffer->format);
    return -1;
}

/** From what has a buffer. */
static int columns_from_buffer(PyObject *object, vpy_column *column)
{
    if (PyObject_GetBuffer(object, &column->buffer, PyBUF_STRIDES | PyBUF_FORMAT) < 0) {
        return -1;
    }
    column->has_buffer = true;
    columns_format format;
    if (column->buffer.ndim != 1 || columns_read_format(&column->buffer, &format) == 0) {
        return columns_refuse_buffer(&column->buffer);
    }
    column->rows = (size_t)column->buffer.shape[0];
    column->column.type = format.kind == 'f'   ? VARVE_TYPE_F64
                          : format.kind == 'i' ? VARVE_TYPE_I64
                          : format.kind == 'u' ? VARVE_TYPE_U64
                                               : VARVE_TYPE_BOOL;
    Py_ssize_t stride =
        column->buffer.strides == NULL ? column->buffer.itemsize : column->buffer.strides[0];
    const uint8_t *first = column->buffer.buf;
    bool is_plain = format.kind == '?' || (format.width == 8 && !format.is_swapped);
    /* A stride of 0 (one value for all rows) means packed to the engine. */
    if (!is_plain || (stride == 0 && column->rows > 1)) {
        if (format.kind == '?') {
            column->values = columns_new(column->rows, 1);
            if (column->values == NULL) {
                return -1;
            }
            memset(column->values, *first, column->rows);
            column->column.values = column->values;
            return 0;
        }
        return columns_convert(column, &format, first, stride);
    }
    static const uint64_t nothing;
    column->column.values = first == NULL ? (const void *)&nothing : (const void *)first;
    column->column.stride = stride;
    return 0;
}

/* ---- what varve._columns.adapt answers ---- */

/** Bits from a buffer of bools, true: the row has no value. */
static int columns_set_missing(vpy_column *column, PyObject *mask)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(mask, &buffer, PyBUF_STRIDES | PyBUF_FORMAT) < 0) {
        return -1;
    }
    int result = -1;
    if (buffer.ndim != 1 || buffer.itemsize != 1 || (size_t)buffer.shape[0] != column->rows) {
        PyErr_SetString(PyExc_ValueError, "a mask must have a bool for each row");
    } else {
        column->present = columns_new(vpy_bit_words(column->rows), sizeof *column->present);
        result = column->present == NULL ? -1 : 0;
    }
    for (size_t row = 0; result == 0 && row < column->rows; row++) {
        Py_ssize_t stride = buffer.strides == NULL ? 1 : buffer.strides[0];
        if (((const uint8_t *)buffer.buf)[(Py_ssize_t)row * stride] == 0) {
            column->present[row / 64] |= UINT64_C(1) << (row % 64);
        }
    }
    column->column.present = column->present;
    PyBuffer_Release(&buffer);
    return result;
}

static int columns_from_any(PyObject *object, vpy_column *column, int64_t *out_unit_ns);

/** ("arrow", schema, array), ("stream", stream, None), ("times", buffer, unit in ns, mask or None),
 * ("masked", column, mask).
 */
static int columns_from_answer(PyObject *answer, vpy_column *column, int64_t *out_unit_ns)
{
    PyObject *kind = PyTuple_GetItem(answer, 0);
    PyObject *first = PyTuple_GetItem(answer, 1);
    PyObject *second = PyTuple_GetItem(answer, 2);
    if (kind == NULL || first == NULL || second == NULL) {
        return -1;
    }
    if (PyUnicode_CompareWithASCIIString(kind, "arrow") == 0) {
        return vpy_arrow_import(first, second, column, out_unit_ns);
    }
    if (PyUnicode_CompareWithASCIIString(kind, "stream") == 0) {
        return vpy_arrow_import_stream(first, column, out_unit_ns);
    }
    PyObject *mask = second;
    int64_t unit_ns = 0;
    if (PyUnicode_CompareWithASCIIString(kind, "times") == 0) {
        unit_ns = PyLong_AsLongLong(second);
        mask = PyTuple_GetItem(answer, 3);
        if (mask == NULL || unit_ns <= 0) {
            return -1;
        }
    }
    int result = columns_from_any(first, column, out_unit_ns);
    if (result == 0 && mask != Py_None) {
        result = columns_set_missing(column, mask);
    }
    if (unit_ns > 0) {
        *out_unit_ns = unit_ns;
    }
    return result;
}

static int columns_from_any(PyObject *object, vpy_column *column, int64_t *out_unit_ns)
{
    if (PyList_Check(object) || PyTuple_CheckExact(object)) {
        return columns_from_list(object, column);
    }
    /* A masked array has a buffer too, without its mask. */
    if (PyObject_CheckBuffer(object) && !PyObject_HasAttrString(object, "mask") &&
        !PyObject_HasAttrString(object, "__arrow_c_array__")) {
        if (columns_from_buffer(object, column) == 0) {
            return 0;
        }
        PyErr_Clear();
        vpy_column_deinit(column);
    }
    PyObject *answer = PyObject_CallFunctionObjArgs(columns_adapt, object, NULL);
    if (answer == NULL) {
        return -1;
    }
    int result;
    if (PyTuple_Check(answer)) {
        result = columns_from_answer(answer, column, out_unit_ns);
    } else if (PyList_Check(answer)) {
        result = columns_from_list(answer, column);
    } else {
        result = columns_from_buffer(answer, column);
    }
    Py_DECREF(answer);
    return result;
}

int vpy_column_from(PyObject *object, vpy_column *out_column)
{
    memset(out_column, 0, sizeof *out_column);
    int64_t unit_ns = 0;
    int result = columns_from_any(object, out_column, &unit_ns);
    if (result == 0 && unit_ns != 0) {
        PyErr_SetString(PyExc_TypeError, "a field does not hold times: store integers");
        result = -1;
    }
    if (result < 0) {
        vpy_column_deinit(out_column);
    }
    return result;
}

/* ---- times ---- */

/** Lists: each item for itself. */
static int columns_times_list(PyObject *list, uint32_t precision, vpy_column *column)
{
    PyObject *items = PySequence_Tuple(list);
    if (items == NULL) {
        return -1;
    }
    column->rows = (size_t)PyTuple_Size(items);
    int64_t *times = columns_new(column->rows, sizeof *times);
    column->values = times;
    int result = times == NULL ? -1 : 0;
    for (size_t row = 0; result == 0 && row < column->rows; row++) {
        result = vpy_time(PyTuple_GetItem(items, (Py_ssize_t)row), precision, &times[row]);
    }
    Py_DECREF(items);
    column->column = (varve_column){.type = VARVE_TYPE_I64, .values = times};
    return result;
}

/** Packed, native, int64. */
static int columns_times_pack(vpy_column *column)
{
    const varve_column *given = &column->column;
    if (given->type == VARVE_TYPE_NONE && column->rows == 0) {
        static const int64_t nothing;
        column->column = (varve_column){.type = VARVE_TYPE_I64, .values = &nothing};
        return 0;
    }
    if (given->type != VARVE_TYPE_I64 && given->type != VARVE_TYPE_U64) {
        PyErr_SetString(PyExc_TypeError, "times must be integers, datetimes or datetime64");
        return -1;
    }
    for (size_t row = 0; given->present != NULL && row < column->rows; row++) {
        if (!vpy_bit(given->present, row)) {
            PyErr_Format(PyExc_ValueError, "row %zu has no time", row);
            return -1;
        }
    }
    bool is_packed =
        (given->stride == 0 || given->stride == 8) && (uintptr_t)given->values % 8 == 0;
    if (is_packed && given->type == VARVE_TYPE_I64) {
        return 0;
    }
    int64_t *times = columns_new(column->rows, sizeof *times);
    if (times == NULL) {
        return -1;
    }
    int64_t stride = given->stride == 0 ? 8 : given->stride;
    const uint8_t *at = given->values;
    bool fits = true;
    for (size_t row = 0; row < column->rows; row++) {
        memcpy(&times[row], at + (int64_t)row * stride, sizeof *times);
        fits = fits && (given->type == VARVE_TYPE_I64 || times[row] >= 0);
    }
    free(column->values);
    column->values = times;
    column->column = (varve_column){.type = VARVE_TYPE_I64, .values = times};
    if (!fits) {
        PyErr_SetString(PyExc_OverflowError, "a time does not fit into 64 bits");
        return -1;
    }
    return 0;
}

static int columns_times_scale(vpy_column *column, int64_t unit_ns, uint32_t precision)
{
    int64_t to_ns = vpy_unit_ns(precision);
    if (unit_ns == 0 || unit_ns == to_ns) {
        return 0;
    }
    int64_t *times = columns_new(column->rows, sizeof *times);
    if (times == NULL) {
        return -1;
    }
    int result = vpy_times_convert(column->column.values, times, column->rows, unit_ns, to_ns);
    free(column->values);
    column->values = times;
    column->column.values = times;
    return result;
}

int vpy_column_times(PyObject *object, uint32_t precision, vpy_column *out_column)
{
    memset(out_column, 0, sizeof *out_column);
    int64_t unit_ns = 0;
    int result;
    if (PyList_Check(object) || PyTuple_CheckExact(object)) {
        result = columns_times_list(object, precision, out_column);
    } else {
        result = columns_from_any(object, out_column, &unit_ns);
        if (result == 0) {
            result = columns_times_pack(out_column);
        }
        if (result == 0) {
            result = columns_times_scale(out_column, unit_ns, precision);
        }
    }
    if (result < 0) {
        vpy_column_deinit(out_column);
    }
    return result;
}
