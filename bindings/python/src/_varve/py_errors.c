/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Exceptions from the status table: one class for each status, under varve.Error.
 *
 *   varve.Error          code, status, message, os_errno
 *     InvalidError       E_INVALID; also a ValueError
 *       ClosedError      a call on what is closed
 *     ...
 *
 *   E1  A status without a class does not compile: ERRORS_CLASS_E_... is missing.
 */

#include "py_varve.h"

/* Name and the built-in exception that it is as well. */
#define ERRORS_CLASS_E_INVALID     "InvalidError", &PyExc_ValueError
#define ERRORS_CLASS_E_NOMEM       "OutOfMemoryError", &PyExc_MemoryError
#define ERRORS_CLASS_E_LIMIT       "LimitError", NULL
#define ERRORS_CLASS_E_CANCELLED   "CancelledError", NULL
#define ERRORS_CLASS_E_BUSY        "BusyError", NULL
#define ERRORS_CLASS_E_INTERNAL    "InternalError", &PyExc_RuntimeError
#define ERRORS_CLASS_E_TIMEOUT     "TimedOutError", NULL
#define ERRORS_CLASS_E_UNSUPPORTED "UnsupportedError", NULL
#define ERRORS_CLASS_E_NOT_FOUND   "NotFoundError", &PyExc_LookupError
#define ERRORS_CLASS_E_EXISTS      "ExistsError", NULL
#define ERRORS_CLASS_E_CONFLICT    "ConflictError", NULL
#define ERRORS_CLASS_E_IO          "StorageError", NULL
#define ERRORS_CLASS_E_CORRUPT     "CorruptError", NULL
#define ERRORS_CLASS_E_LOCKED      "LockedError", NULL
#define ERRORS_CLASS_E_NOSPACE     "NoSpaceError", NULL
#define ERRORS_CLASS_E_READONLY    "ReadOnlyError", NULL
#define ERRORS_CLASS_E_FENCED      "FencedError", NULL
#define ERRORS_CLASS_OK            NULL, NULL

typedef struct errors_row {
    int number;
    const char *status; /* "E_INVALID" */
    const char *text;
    const char *class_name;
    PyObject **second_base;
} errors_row;

static const errors_row errors_table[] = {
#define ERRORS_ROW(name, number, text) {(number), #name, (text), ERRORS_CLASS_##name},
    VARVE_STATUS_MAP(ERRORS_ROW)
#undef ERRORS_ROW
};

enum { ERRORS_COUNT = sizeof errors_table / sizeof errors_table[0] };

/** Stands in os_errno for ClosedError: statuses have no number for it. */
enum { ERRORS_CLOSED = INT32_MIN };

static PyObject *errors_base;
static PyObject *errors_classes[ERRORS_COUNT];
static PyObject *errors_closed;

static PyObject *errors_make(PyObject *module, const char *name, const char *doc, PyObject *bases,
                             int number, const char *status)
{
    PyObject *attributes = Py_BuildValue("{s:i,s:s,s:s,s:i,s:s}", "code", number, "status", status,
                                         "message", "", "os_errno", 0, "__doc__", doc);
    PyObject *qualified = PyUnicode_FromFormat("varve.%s", name);
    PyObject *made = NULL;
    if (attributes != NULL && qualified != NULL) {
        const char *text = PyUnicode_AsUTF8AndSize(qualified, NULL);
        made = text == NULL ? NULL : PyErr_NewException(text, bases, attributes);
    }
    Py_XDECREF(attributes);
    Py_XDECREF(qualified);
    if (made != NULL && PyModule_AddObjectRef(module, name, made) < 0) {
        Py_CLEAR(made);
    }
    return made;
}

static PyObject *errors_make_row(PyObject *module, const errors_row *row)
{
    PyObject *bases = row->second_base == NULL ? PyTuple_Pack(1, errors_base)
                                               : PyTuple_Pack(2, errors_base, *row->second_base);
    if (bases == NULL) {
        return NULL;
    }
    PyObject *made =
        errors_make(module, row->class_name, row->text, bases, row->number, row->status);
    Py_DECREF(bases);
    return made;
}

int vpy_errors_init(PyObject *module)
{
    errors_base = errors_make(module, "Error",
                              "What varve raises. code and status name the status, message says "
                              "what failed, os_errno is that of a system call or 0.",
                              PyExc_Exception, 0, "OK");
    if (errors_base == NULL) {
        return -1;
    }
    for (size_t i = 0; i < ERRORS_COUNT; i++) {
        if (errors_table[i].class_name == NULL) {
            continue;
        }
        errors_classes[i] = errors_make_row(module, &errors_table[i]);
        if (errors_classes[i] == NULL) {
            return -1;
        }
        if (errors_table[i].number == VARVE_E_INVALID) {
            errors_closed = errors_make(module, "ClosedError", "a call on what is closed",
                                        errors_classes[i], VARVE_E_INVALID, "E_INVALID");
        }
    }
    return errors_closed == NULL ? -1 : 0;
}

static void errors_set(PyObject *class, const char *message, int32_t os_errno)
{
    PyObject *text = PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "replace");
    PyObject *number = PyLong_FromLong(os_errno);
    PyObject *raised = NULL;
    if (text != NULL && number != NULL) {
        raised = PyObject_CallFunctionObjArgs(class, text, NULL);
    }
    if (raised != NULL && PyObject_SetAttrString(raised, "message", text) == 0 &&
        PyObject_SetAttrString(raised, "os_errno", number) == 0) {
        PyErr_SetObject(class, raised);
    }
    Py_XDECREF(raised);
    Py_XDECREF(number);
    Py_XDECREF(text);
}

PyObject *vpy_raise(const varve_error *error)
{
    if (PyErr_Occurred() != NULL) {
        return NULL; /* a signal handler or a progress function raised, and that ended the call */
    }
    PyObject *class = errors_base;
    for (size_t i = 0; i < ERRORS_COUNT; i++) {
        if (errors_table[i].number == (int)error->status && errors_classes[i] != NULL) {
            class = errors_classes[i];
        }
    }
    bool is_closed = error->status == VARVE_E_INVALID && error->os_errno == ERRORS_CLOSED;
    errors_set(is_closed ? errors_closed : class, error->message, is_closed ? 0 : error->os_errno);
    return NULL;
}

PyObject *vpy_raise_closed(void)
{
    errors_set(errors_closed, "the database is closed", 0);
    return NULL;
}

varve_status vpy_fail(varve_error *out_err, varve_status status, const char *sentence)
{
    memset(out_err, 0, sizeof *out_err);
    out_err->status = status;
    size_t size = strlen(sentence);
    size = size < sizeof out_err->message ? size : sizeof out_err->message - 1;
    memcpy(out_err->message, sentence, size);
    return status;
}

varve_status vpy_fail_closed(varve_error *out_err, const char *sentence)
{
    varve_status status = vpy_fail(out_err, VARVE_E_INVALID, sentence);
    out_err->os_errno = ERRORS_CLOSED;
    return status;
}
