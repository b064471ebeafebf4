/* SPDX-License-Identifier: Apache-2.0 */

/*
 * varve.Database: opening, closing, and what it says of itself. Its other methods stand in
 * py_write.c, py_cursor.c and py_maintain.c. varve.open makes a subclass of it.
 *
 *   D1  The handle is made once and stays until the object is freed, closed or not.
 *   D2  One that is freed while it is open says so (ResourceWarning) and is closed.
 */

#include "py_varve.h"

#include <structmember.h>

PyTypeObject *vpy_database_type;

vpy_handle *vpy_database_handle(PyObject *self)
{
    vpy_handle *handle = ((vpy_database *)self)->handle;
    if (handle == NULL) {
        vpy_raise_closed();
    }
    return handle;
}

/* ---- options ---- */

typedef struct database_choice {
    const char *name;
    uint32_t value;
} database_choice;

static const database_choice database_precisions[] = {
    {"ns", VARVE_PRECISION_NS},
    {"us", VARVE_PRECISION_US},
    {"ms", VARVE_PRECISION_MS},
    {"s", VARVE_PRECISION_S},
    {NULL, 0},
};
static const database_choice database_duplicates[] = {
    {"last", VARVE_DUPLICATES_LAST}, {"all", VARVE_DUPLICATES_ALL}, {NULL, 0}};
static const database_choice database_syncs[] = {
    {"group", VARVE_SYNC_GROUP},
    {"always", VARVE_SYNC_ALWAYS},
    {"interval", VARVE_SYNC_INTERVAL},
    {"none", VARVE_SYNC_NONE},
    {"buffered", VARVE_SYNC_BUFFERED},
    {"no_log", VARVE_SYNC_NO_LOG},
    {NULL, 0},
};

static int database_choose(const char *what, PyObject *given, const database_choice *choices,
                           uint32_t *out)
{
    if (!PyUnicode_Check(given)) {
        PyErr_Format(PyExc_TypeError, "%s must be a str", what);
        return -1;
    }
    for (const database_choice *choice = choices; choice->name != NULL; choice++) {
        if (PyUnicode_CompareWithASCIIString(given, choice->name) == 0) {
            *out = choice->value;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "%s %R is not known", what, given);
    return -1;
}

/** Numbers of varve_options by name. */
typedef struct database_number {
    const char *name;
    size_t offset;
    size_t size;
} database_number;

#define DATABASE_NUMBER(member)                                                           \
    {                                                                                     \
#member, offsetof(varve_options, member), sizeof(((varve_options *)NULL)->member) \
    }

static const database_number database_numbers[] = {
    DATABASE_NUMBER(sync_interval_ms),   DATABASE_NUMBER(group_delay_us),
    DATABASE_NUMBER(lock_wait_ms),       DATABASE_NUMBER(write_timeout_ms),
    DATABASE_NUMBER(memory_limit_bytes), DATABASE_NUMBER(cache_bytes),
    DATABASE_NUMBER(flush_bytes),        DATABASE_NUMBER(flush_rows),
    DATABASE_NUMBER(flush_age_ms),       DATABASE_NUMBER(merge_fan_in),
    DATABASE_NUMBER(log_file_bytes),     DATABASE_NUMBER(log_bytes_max),
    DATABASE_NUMBER(batch_bytes_max),    DATABASE_NUMBER(chain_bytes_max),
    DATABASE_NUMBER(series_max),         DATABASE_NUMBER(retention_grace_ms),
    DATABASE_NUMBER(scrub_interval_ms),  DATABASE_NUMBER(min_free_bytes),
    DATABASE_NUMBER(reserve_bytes),      {NULL, 0, 0},
};

typedef struct database_flag {
    const char *name;
    uint32_t flag;
    bool is_reversed; /* the flag is set where the option is false */
} database_flag;

static const database_flag database_flags[] = {
    {"read_only", VARVE_OPEN_READONLY, false},
    {"create", VARVE_OPEN_NO_CREATE, true},
    {"salvage", VARVE_OPEN_SALVAGE, false},
    {"allow_damage", VARVE_OPEN_ALLOW_DAMAGE, false},
    {"allow_network_fs", VARVE_OPEN_ALLOW_NETWORK_FS, false},
    {"background", VARVE_OPEN_NO_BACKGROUND, true},
    {NULL, 0, false},
};

/** 1: an option of that name was set, 0: there is none, -1: exception. */
static int database_set_number(varve_options *options, PyObject *name, PyObject *value)
{
    for (const database_number *at = database_numbers; at->name != NULL; at++) {
        if (PyUnicode_CompareWithASCIIString(name, at->name) != 0) {
            continue;
        }
        uint64_t number;
        if (vpy_u64(value, at->name, &number) < 0) {
            return -1;
        }
        if (at->size == sizeof(uint32_t) && number > UINT32_MAX) {
            PyErr_Format(PyExc_ValueError, "%s must lie in 0..2**32-1", at->name);
            return -1;
        }
        uint32_t small = (uint32_t)number;
        memcpy((uint8_t *)options + at->offset,
               at->size == sizeof small ? (const void *)&small : (const void *)&number, at->size);
        return 1;
    }
    return 0;
}

static int database_set_flag(varve_options *options, PyObject *name, PyObject *value)
{
    for (const database_flag *at = database_flags; at->name != NULL; at++) {
        if (PyUnicode_CompareWithASCIIString(name, at->name) == 0) {
            if (!PyBool_Check(value)) {
                PyErr_Format(PyExc_TypeError, "%s must be a bool", at->name);
                return -1;
            }
            bool is_set = (value == Py_True) != at->is_reversed;
            options->flags |= is_set ? at->flag : 0;
            return 1;
        }
    }
    return 0;
}

static int database_set_choice(varve_options *options, PyObject *name, PyObject *value)
{
    if (PyUnicode_CompareWithASCIIString(name, "precision") == 0) {
        return database_choose("precision", value, database_precisions, &options->precision);
    }
    if (PyUnicode_CompareWithASCIIString(name, "duplicates") == 0) {
        return database_choose("duplicates", value, database_duplicates, &options->duplicates);
    }
    if (PyUnicode_CompareWithASCIIString(name, "sync") == 0) {
        return database_choose("sync", value, database_syncs, &options->sync);
    }
    if (PyUnicode_CompareWithASCIIString(name, "row_ids") == 0) {
        if (!PyBool_Check(value)) {
            PyErr_SetString(PyExc_TypeError, "row_ids must be a bool");
            return -1;
        }
        options->row_ids = value == Py_True ? VARVE_ROW_IDS_ON : VARVE_ROW_IDS_OFF;
        return 0;
    }
    if (PyUnicode_CompareWithASCIIString(name, "warm_path") == 0) {
        return vpy_text(value, "warm_path", &options->warm_path);
    }
    PyErr_Format(PyExc_TypeError, "varve.open has no option %R", name);
    return -1;
}

/** None leaves an option as it is. */
static int database_options(PyObject *kwargs, varve_options *out)
{
    varve_options_init(out);
    Py_ssize_t position = 0;
    PyObject *name, *value;
    while (kwargs != NULL && PyDict_Next(kwargs, &position, &name, &value)) {
        if (value == Py_None) {
            continue;
        }
        int result = database_set_number(out, name, value);
        result = result == 0 ? database_set_flag(out, name, value) : result;
        result = result == 0 ? database_set_choice(out, name, value) : result;
        if (result < 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- life ---- */

static PyObject *database_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *given = Py_None;
    varve_options options;
    if (!PyArg_ParseTuple(args, "|O", &given) || database_options(kwargs, &options) < 0) {
        return NULL;
    }
    PyObject *path = NULL;
    if (given != Py_None && !PyUnicode_FSConverter(given, &path)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)(uintptr_t)PyType_GetSlot(type, Py_tp_alloc);
    vpy_database *self = allocate == NULL ? NULL : (vpy_database *)(void *)allocate(type, 0);
    if (self == NULL) {
        Py_XDECREF(path);
        return NULL;
    }
    const char *bytes = path == NULL ? NULL : PyBytes_AsString(path);
    self->path = path == NULL ? Py_NewRef(Py_None) : PyUnicode_DecodeFSDefault(bytes);
    varve_error error;
    varve_status status;
    Py_BEGIN_ALLOW_THREADS status = vpy_handle_open(bytes, &options, &self->handle, &error);
    Py_END_ALLOW_THREADS Py_XDECREF(path);
    if (status != VARVE_OK) {
        vpy_raise(&error);
        Py_DECREF((PyObject *)self);
        return NULL;
    }
    return (PyObject *)self;
}

/** D2; the object itself is past being named. */
static void database_warn(const vpy_database *self)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (PyErr_WarnFormat(PyExc_ResourceWarning, 1, "unclosed varve database %R", self->path) < 0) {
        PyErr_WriteUnraisable(self->path);
    }
    PyErr_Restore(type, value, traceback);
}

static void database_dealloc(PyObject *object)
{
    vpy_database *self = (vpy_database *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->handle != NULL && vpy_handle_is_open(self->handle)) {
        database_warn(self);
    }
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    vpy_handle *handle = self->handle;
    self->handle = NULL;
    if (handle != NULL) {
        Py_BEGIN_ALLOW_THREADS vpy_handle_unref(handle);
        Py_END_ALLOW_THREADS
    }
    Py_XDECREF(self->path);
    freefunc release = (freefunc)(uintptr_t)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyObject *database_close(PyObject *object, PyObject *Py_UNUSED(unused))
{
    vpy_database *self = (vpy_database *)object;
    if (self->handle == NULL) {
        return Py_NewRef(Py_None);
    }
    varve_error error;
    varve_status status;
    Py_BEGIN_ALLOW_THREADS status = vpy_handle_close(self->handle, &error);
    Py_END_ALLOW_THREADS return status == VARVE_OK ? Py_NewRef(Py_None) : vpy_raise(&error);
}

/* ---- what it is ---- */

static PyObject *database_path(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(((vpy_database *)self)->path);
}

static PyObject *database_precision(PyObject *self, void *Py_UNUSED(closure))
{
    vpy_handle *handle = vpy_database_handle(self);
    return handle == NULL ? NULL
                          : PyUnicode_FromString(database_precisions[handle->precision - 1].name);
}

static PyObject *database_read_only(PyObject *self, void *Py_UNUSED(closure))
{
    vpy_handle *handle = vpy_database_handle(self);
    return handle == NULL ? NULL : PyBool_FromLong(handle->is_readonly);
}

static PyObject *database_closed(PyObject *self, void *Py_UNUSED(closure))
{
    vpy_handle *handle = ((vpy_database *)self)->handle;
    return PyBool_FromLong(handle == NULL || !vpy_handle_is_open(handle));
}

static PyMethodDef database_methods[] = {
    {"close", database_close, METH_NOARGS,
     PyDoc_STR("close($self)\n--\n\nFlush, stop background work and release everything.\n\nCalls "
               "of other threads are cancelled where they can be, and awaited; answers that are "
               "being read end. A second call does nothing. After an error the database is open.")},
    {"write", VPY_METHOD(vpy_database_write), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("write($self, metric, labels, time, fields=None, /, **more)\n--\n\nWrite rows of "
               "one series: one row, or columns of many. One call is one atomic batch.\n\n"
               "labels is a mapping of str to str, or None. time is one time or a column; fields "
               "are given by name, or as a mapping, each one value or a column as long as the "
               "times. None, in a row or a column, is no value.")},
    {"write_rows", VPY_METHOD(vpy_database_write_rows), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("write_rows($self, rows, *, sync=None, split=False, skip_rejected=False)\n--\n\n"
               "Write rows of any series, each (metric, labels, time, fields), as one atomic "
               "batch.")},
    {"batch", VPY_METHOD(vpy_database_batch), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("batch($self, *, sync=None, split=False, skip_rejected=False)\n--\n\nA batch of "
               "writes and deletes, committed as one: with db.batch() as batch: ...")},
    {"delete", VPY_METHOD(vpy_database_delete), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("delete($self, select, start=None, end=None)\n--\n\nDelete the rows of a selection "
               "in [start, end), which were written before.")},
    {"_cursor", VPY_METHOD(vpy_database_cursor), METH_VARARGS | METH_KEYWORDS, NULL},
    {"_listing", VPY_METHOD(vpy_database_listing), METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef database_getset[] = {
    {"path", database_path, NULL, PyDoc_STR("Its directory, None in memory."), NULL},
    {"precision", database_precision, NULL,
     PyDoc_STR("The unit of its times: \"ns\", \"us\", \"ms\" or \"s\"."), NULL},
    {"read_only", database_read_only, NULL, PyDoc_STR("Whether it was opened read-only."), NULL},
    {"closed", database_closed, NULL, PyDoc_STR("Whether it is closed."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef database_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(vpy_database, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot database_slots[] = {
    VPY_SLOT(Py_tp_new, database_new),
    VPY_SLOT(Py_tp_dealloc, database_dealloc),
    {Py_tp_methods, database_methods},
    {Py_tp_getset, database_getset},
    {Py_tp_members, database_members},
    {Py_tp_doc, "A database; made by varve.open()."},
    {0, NULL},
};

static PyType_Spec database_spec = {
    .name = "varve._varve.Database",
    .basicsize = sizeof(vpy_database),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = database_slots,
};

/** Methods of py_maintain.c join those of the type. */
static int database_add_maintenance(void)
{
    for (PyMethodDef *method = vpy_maintain_methods; method->ml_name != NULL; method++) {
        PyObject *made = PyDescr_NewMethod(vpy_database_type, method);
        if (made == NULL ||
            PyObject_SetAttrString((PyObject *)vpy_database_type, method->ml_name, made) < 0) {
            Py_XDECREF(made);
            return -1;
        }
        Py_DECREF(made);
    }
    return 0;
}

int vpy_database_init(PyObject *module)
{
    vpy_database_type = vpy_type_add(module, &database_spec);
    return vpy_database_type == NULL ? -1 : database_add_maintenance();
}
