/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Times. An int is in the database's unit; everything else (aware datetime, datetime64, Timestamp)
 * goes through varve._times.to_int, which computes with Python's exact integers.
 */

#include "py_varve.h"

static PyObject *times_to_int; /* varve._times.to_int */

int vpy_times_init(void)
{
    PyObject *module = PyImport_ImportModule("varve._times");
    if (module != NULL) {
        times_to_int = PyObject_GetAttrString(module, "to_int");
        Py_DECREF(module);
    }
    return times_to_int == NULL ? -1 : 0;
}

int64_t vpy_unit_ns(uint32_t precision)
{
    switch (precision) {
    case VARVE_PRECISION_US:
        return 1000;
    case VARVE_PRECISION_MS:
        return 1000000;
    case VARVE_PRECISION_S:
        return 1000000000;
    default:
        return 1;
    }
}

static int times_from_int(PyObject *number, int64_t *out_time)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow != 0) {
        PyErr_SetString(PyExc_OverflowError, "a time does not fit into 64 bits");
        return -1;
    }
    if (value == -1 && PyErr_Occurred() != NULL) {
        return -1;
    }
    *out_time = (int64_t)value;
    return 0;
}

int vpy_time(PyObject *object, uint32_t precision, int64_t *out_time)
{
    if (PyBool_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "a time must not be a bool");
        return -1;
    }
    if (PyLong_Check(object)) {
        return times_from_int(object, out_time);
    }
    PyObject *number =
        PyObject_CallFunction(times_to_int, "OL", object, (long long)vpy_unit_ns(precision));
    if (number == NULL) {
        return -1;
    }
    int result = -1;
    if (PyLong_Check(number)) {
        result = times_from_int(number, out_time);
    } else {
        PyErr_SetString(PyExc_TypeError, "a time must be an int or an aware datetime");
    }
    Py_DECREF(number);
    return result;
}

int vpy_time_or(PyObject *object, uint32_t precision, int64_t absent, int64_t *out_time)
{
    if (object == Py_None) {
        *out_time = absent;
        return 0;
    }
    return vpy_time(object, precision, out_time);
}

int vpy_times_convert(const int64_t *from, int64_t *to, size_t count, int64_t from_ns,
                      int64_t to_ns)
{
    if (from_ns >= to_ns) {
        int64_t factor = from_ns / to_ns;
        for (size_t i = 0; i < count; i++) {
            if (from[i] > INT64_MAX / factor || from[i] < INT64_MIN / factor) {
                PyErr_SetString(PyExc_OverflowError, "a time does not fit into 64 bits");
                return -1;
            }
            to[i] = from[i] * factor;
        }
        return 0;
    }
    int64_t divisor = to_ns / from_ns;
    for (size_t i = 0; i < count; i++) {
        int64_t floored = from[i] / divisor;
        to[i] = from[i] % divisor < 0 ? floored - 1 : floored;
    }
    return 0;
}
