/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Long work on a database: flush, compact, verify, scrub, snapshot, restore; and what it says of
 * itself: stats and health. Each long call takes progress=, a function of (done, total), and ends
 * with ^C.
 */

#include "py_varve.h"

/** A long call: its engine function, with the arguments it needs. */
typedef struct maintain_job {
    varve_status (*run)(varve_db *db, struct maintain_job *job, varve_error *out_err);
    varve_task *task;
    const char *path;
    uint32_t flags;
    uint64_t bytes_per_second;
    varve_verified verified;
    varve_scrubbed scrubbed;
    varve_copied copied;
} maintain_job;

/** Run a job without the interpreter lock; false: an exception is set. */
static bool maintain_run(PyObject *self, maintain_job *job, PyObject *given)
{
    PyObject *progress;
    vpy_handle *handle = vpy_database_handle(self);
    if (handle == NULL || vpy_progress_arg(given, &progress) < 0) {
        return false;
    }
    job->task = vpy_task_new();
    if (job->task == NULL) {
        return false;
    }
    varve_error error;
    vpy_call call;
    vpy_work work;
    vpy_work_begin(&work);
    varve_status status = vpy_handle_enter(handle, &call, job->task, &error);
    if (status == VARVE_OK) {
        vpy_work_attach(&work, job->task, progress);
        status = job->run(handle->db, job, &error);
        vpy_work_detach(&work);
        vpy_handle_leave(&call);
    }
    bool goes_on = vpy_work_end(&work);
    varve_task_free(job->task);
    if (status != VARVE_OK) {
        vpy_raise(&error);
    }
    return status == VARVE_OK && goes_on;
}

static varve_status maintain_do_flush(varve_db *db, maintain_job *job, varve_error *out_err)
{
    return varve_flush(db, job->task, out_err);
}

static varve_status maintain_do_compact(varve_db *db, maintain_job *job, varve_error *out_err)
{
    return varve_compact(db, job->flags, job->task, out_err);
}

static varve_status maintain_do_verify(varve_db *db, maintain_job *job, varve_error *out_err)
{
    varve_verified_init(&job->verified);
    return varve_verify(db, job->task, &job->verified, out_err);
}

static varve_status maintain_do_scrub(varve_db *db, maintain_job *job, varve_error *out_err)
{
    varve_scrub_options options;
    varve_scrub_options_init(&options);
    options.bytes_per_second = job->bytes_per_second;
    varve_scrubbed_init(&job->scrubbed);
    return varve_scrub(db, &options, job->task, &job->scrubbed, out_err);
}

static varve_status maintain_do_snapshot(varve_db *db, maintain_job *job, varve_error *out_err)
{
    varve_copied_init(&job->copied);
    return varve_snapshot(db, job->path, job->task, &job->copied, out_err);
}

static varve_status maintain_do_rollups(varve_db *db, maintain_job *job, varve_error *out_err)
{
    return varve_rollup_run(db, job->task, out_err);
}

static varve_status maintain_do_refresh(varve_db *db, maintain_job *job, varve_error *out_err)
{
    (void)job;
    return varve_refresh(db, out_err);
}

static PyObject *maintain_plain(PyObject *self, PyObject *args, PyObject *kwargs,
                                varve_status (*run)(varve_db *, maintain_job *, varve_error *))
{
    static char *names[] = {"progress", NULL};
    PyObject *progress = Py_None;
    maintain_job job = {.run = run};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O", names, &progress) ||
        !maintain_run(self, &job, progress)) {
        return NULL;
    }
    return Py_NewRef(Py_None);
}

static PyObject *maintain_flush(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return maintain_plain(self, args, kwargs, maintain_do_flush);
}

static PyObject *maintain_refresh(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return maintain_plain(self, args, kwargs, maintain_do_refresh);
}

static PyObject *maintain_run_rollups(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return maintain_plain(self, args, kwargs, maintain_do_rollups);
}

static PyObject *maintain_compact(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"all", "progress", NULL};
    PyObject *progress = Py_None;
    int all = 0;
    maintain_job job = {.run = maintain_do_compact};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$pO", names, &all, &progress)) {
        return NULL;
    }
    job.flags = all != 0 ? VARVE_COMPACT_ALL : 0;
    return maintain_run(self, &job, progress) ? Py_NewRef(Py_None) : NULL;
}

static PyObject *maintain_verify(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"progress", NULL};
    PyObject *progress = Py_None;
    maintain_job job = {.run = maintain_do_verify};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O", names, &progress) ||
        !maintain_run(self, &job, progress)) {
        return NULL;
    }
    const varve_verified *found = &job.verified;
    return Py_BuildValue("(KKKKKK)", (unsigned long long)found->files,
                         (unsigned long long)found->blocks, (unsigned long long)found->rows,
                         (unsigned long long)found->series, (unsigned long long)found->digest[0],
                         (unsigned long long)found->digest[1]);
}

static PyObject *maintain_scrub(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"bytes_per_second", "progress", NULL};
    PyObject *progress = Py_None, *rate = Py_None;
    maintain_job job = {.run = maintain_do_scrub};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OO", names, &rate, &progress) ||
        (rate != Py_None && vpy_u64(rate, "bytes_per_second", &job.bytes_per_second) < 0) ||
        !maintain_run(self, &job, progress)) {
        return NULL;
    }
    const varve_scrubbed *found = &job.scrubbed;
    return Py_BuildValue("(KKKKK)", (unsigned long long)found->files,
                         (unsigned long long)found->blocks, (unsigned long long)found->bytes,
                         (unsigned long long)found->damaged_files,
                         (unsigned long long)found->damaged_places);
}

static PyObject *maintain_copied(const varve_copied *copied)
{
    return Py_BuildValue(
        "(KKKK)", (unsigned long long)copied->sequence, (unsigned long long)copied->files,
        (unsigned long long)copied->files_linked, (unsigned long long)copied->bytes);
}

static PyObject *maintain_snapshot(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"path", "progress", NULL};
    PyObject *path = NULL, *progress = Py_None;
    maintain_job job = {.run = maintain_do_snapshot};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&|$O", names, PyUnicode_FSConverter, &path,
                                     &progress)) {
        Py_XDECREF(path);
        return NULL;
    }
    job.path = PyBytes_AsString(path);
    PyObject *answer = maintain_run(self, &job, progress) ? maintain_copied(&job.copied) : NULL;
    Py_DECREF(path);
    return answer;
}

PyObject *vpy_restore(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"snapshot", "path", "progress", NULL};
    PyObject *snapshot = NULL, *path = NULL, *given = Py_None, *progress = NULL;
    varve_task *task = NULL;
    PyObject *answer = NULL;
    if (PyArg_ParseTupleAndKeywords(args, kwargs, "O&O&|$O", names, PyUnicode_FSConverter,
                                    &snapshot, PyUnicode_FSConverter, &path, &given) &&
        vpy_progress_arg(given, &progress) == 0) {
        task = vpy_task_new();
    }
    if (task != NULL) {
        const char *from = PyBytes_AsString(snapshot);
        const char *to = PyBytes_AsString(path);
        varve_copied copied;
        varve_copied_init(&copied);
        varve_error error;
        vpy_work work;
        vpy_work_begin(&work);
        vpy_work_attach(&work, task, progress);
        varve_status status = varve_restore(from, to, NULL, task, &copied, &error);
        vpy_work_detach(&work);
        bool goes_on = vpy_work_end(&work);
        varve_task_free(task);
        answer = status != VARVE_OK ? vpy_raise(&error) : goes_on ? maintain_copied(&copied) : NULL;
    }
    Py_XDECREF(snapshot);
    Py_XDECREF(path);
    return answer;
}

/* ---- stats and health ---- */

static PyObject *maintain_stats_dict(const varve_stat *stats, size_t count)
{
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i < count; i++) {
        PyObject *value = PyFloat_FromDouble(stats[i].value);
        if (value == NULL || PyDict_SetItemString(dict, stats[i].name, value) < 0) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(value);
    }
    return dict;
}

static PyObject *maintain_stats(PyObject *self, PyObject *Py_UNUSED(unused))
{
    vpy_handle *handle = vpy_database_handle(self);
    if (handle == NULL) {
        return NULL;
    }
    enum { ROOM = 1024 };
    varve_stat *stats = calloc(ROOM, sizeof *stats);
    if (stats == NULL) {
        return PyErr_NoMemory();
    }
    size_t count = 0;
    varve_error error;
    vpy_call call;
    varve_status status;
    Py_BEGIN_ALLOW_THREADS status = vpy_handle_enter(handle, &call, NULL, &error);
    if (status == VARVE_OK) {
        status = varve_stats(handle->db, stats, ROOM, &count, &error);
        vpy_handle_leave(&call);
    }
    Py_END_ALLOW_THREADS PyObject *answer =
        status == VARVE_OK ? maintain_stats_dict(stats, count < ROOM ? count : ROOM)
                           : vpy_raise(&error);
    free(stats);
    return answer;
}

static PyObject *maintain_health(PyObject *self, PyObject *Py_UNUSED(unused))
{
    static const char *const states[] = {"ok", "degraded", "nospace", "write_failed", "corrupt"};
    vpy_handle *handle = vpy_database_handle(self);
    if (handle == NULL) {
        return NULL;
    }
    varve_error error, reason = {.status = VARVE_OK};
    vpy_call call;
    uint32_t state = 0;
    varve_status status;
    Py_BEGIN_ALLOW_THREADS status = vpy_handle_enter(handle, &call, NULL, &error);
    if (status == VARVE_OK) {
        state = varve_health(handle->db, &reason);
        vpy_handle_leave(&call);
    }
    Py_END_ALLOW_THREADS if (status != VARVE_OK)
    {
        return vpy_raise(&error);
    }
    PyObject *message = Py_None;
    if (reason.status != VARVE_OK) {
        message =
            PyUnicode_DecodeUTF8(reason.message, (Py_ssize_t)strlen(reason.message), "replace");
    } else {
        Py_INCREF(message);
    }
    return Py_BuildValue("(sN)", states[state < 5 ? state : 4], message);
}

/* ---- rollups ---- */

typedef struct maintain_rollups {
    PyObject *list;
    PyThreadState *thread;
} maintain_rollups;

static PyObject *maintain_rollup_fields(const varve_rollup *rollup)
{
    PyObject *fields = PyTuple_New((Py_ssize_t)rollup->field_count);
    for (size_t i = 0; fields != NULL && i < rollup->field_count; i++) {
        PyObject *name = vpy_text_object(rollup->fields[i]);
        if (name == NULL) {
            Py_CLEAR(fields);
        } else {
            PyTuple_SetItem(fields, (Py_ssize_t)i, name);
        }
    }
    return fields;
}

static PyObject *maintain_rollup_matchers(const varve_rollup *rollup)
{
    PyObject *matchers = PyTuple_New((Py_ssize_t)rollup->matcher_count);
    for (size_t i = 0; matchers != NULL && i < rollup->matcher_count; i++) {
        const varve_matcher *matcher = &rollup->matchers[i];
        PyObject *item = Py_BuildValue("(NIN)", vpy_text_object(matcher->name), matcher->kind,
                                       vpy_text_object(matcher->value));
        if (item == NULL) {
            Py_CLEAR(matchers);
        } else {
            PyTuple_SetItem(matchers, (Py_ssize_t)i, item);
        }
    }
    return matchers;
}

/** Called without the interpreter lock. */
static void maintain_visit_rollup(void *context, const varve_rollup_state *state)
{
    maintain_rollups *found = context;
    PyEval_RestoreThread(found->thread);
    if (PyErr_Occurred() == NULL) {
        const varve_rollup *rollup = state->rollup;
        PyObject *item = Py_BuildValue(
            "(NNNNLLIIOKKLLKKs)", vpy_text_object(rollup->id), vpy_text_object(rollup->metric),
            maintain_rollup_matchers(rollup), maintain_rollup_fields(rollup),
            (long long)rollup->interval, (long long)rollup->origin, rollup->aggregation,
            rollup->flags, state->has_through != 0 ? Py_True : Py_False,
            (unsigned long long)state->matched_series,
            (unsigned long long)state->materialized_series, (long long)state->materialized_through,
            (long long)state->lag, (unsigned long long)state->runs,
            (unsigned long long)state->errors, state->error == NULL ? NULL : state->error->message);
        if (item != NULL) {
            PyList_Append(found->list, item);
            Py_DECREF(item);
        }
    }
    found->thread = PyEval_SaveThread();
}

static PyObject *maintain_rollup_list(PyObject *self, PyObject *Py_UNUSED(unused))
{
    vpy_handle *handle = vpy_database_handle(self);
    maintain_rollups found = {.list = handle == NULL ? NULL : PyList_New(0)};
    if (found.list == NULL) {
        return NULL;
    }
    varve_error error;
    vpy_call call;
    found.thread = PyEval_SaveThread();
    varve_status status = vpy_handle_enter(handle, &call, NULL, &error);
    if (status == VARVE_OK) {
        status = varve_rollup_status(handle->db, NULL, maintain_visit_rollup, &found, &error);
        vpy_handle_leave(&call);
    }
    PyEval_RestoreThread(found.thread);
    if (status != VARVE_OK) {
        vpy_raise(&error);
    }
    if (PyErr_Occurred() != NULL) {
        Py_CLEAR(found.list);
    }
    return found.list;
}

/** One rollup of (id, metric, matchers, fields, interval, origin, aggregation, flags). */
static int maintain_rollup_from(PyObject *item, PyObject *keep, varve_rollup *out,
                                varve_matcher *matchers, varve_text *fields)
{
    PyObject *id, *metric, *given_matchers, *given_fields;
    long long interval, origin;
    if (!vpy_is_tuple(item) ||
        !PyArg_ParseTuple(item, "UUO!O!LLII", &id, &metric, &PyTuple_Type, &given_matchers,
                          &PyTuple_Type, &given_fields, &interval, &origin, &out->aggregation,
                          &out->flags) ||
        vpy_text_kept(id, "id", keep, &out->id) < 0 ||
        vpy_text_kept(metric, "metric", keep, &out->metric) < 0) {
        return -1;
    }
    out->interval = interval;
    out->origin = origin;
    out->matchers = matchers;
    out->fields = fields;
    Py_ssize_t matcher_count = PyTuple_Size(given_matchers);
    Py_ssize_t field_count = PyTuple_Size(given_fields);
    if (matcher_count > 64 || field_count > 64) {
        PyErr_SetString(PyExc_ValueError, "a rollup has at most 64 matchers and 64 fields");
        return -1;
    }
    for (Py_ssize_t i = 0; i < matcher_count; i++, out->matcher_count++) {
        PyObject *name, *value;
        if (!vpy_is_tuple(PyTuple_GetItem(given_matchers, i)) ||
            !PyArg_ParseTuple(PyTuple_GetItem(given_matchers, i), "UIU", &name, &matchers[i].kind,
                              &value) ||
            vpy_text_kept(name, "a label's name", keep, &matchers[i].name) < 0 ||
            vpy_text_kept(value, "a label's value", keep, &matchers[i].value) < 0) {
            return -1;
        }
    }
    for (Py_ssize_t i = 0; i < field_count; i++, out->field_count++) {
        if (vpy_text_kept(PyTuple_GetItem(given_fields, i), "a field's name", keep, &fields[i]) <
            0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *maintain_store_rollups(vpy_handle *handle, const varve_rollup *rollups,
                                        size_t count)
{
    varve_error error;
    vpy_call call;
    varve_status status;
    Py_BEGIN_ALLOW_THREADS status = vpy_handle_enter(handle, &call, NULL, &error);
    if (status == VARVE_OK) {
        status = varve_policy_rollups(handle->db, rollups, count, &error);
        vpy_handle_leave(&call);
    }
    Py_END_ALLOW_THREADS return status == VARVE_OK ? Py_NewRef(Py_None) : vpy_raise(&error);
}

static PyObject *maintain_set_rollups(PyObject *self, PyObject *given)
{
    vpy_handle *handle = vpy_database_handle(self);
    if (handle == NULL) {
        return NULL;
    }
    if (!PyTuple_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "rollups must be a tuple");
        return NULL;
    }
    size_t count = (size_t)PyTuple_Size(given);
    PyObject *keep = PyList_New(0);
    varve_rollup *rollups = PyMem_Calloc(count + 1, sizeof *rollups);
    varve_matcher *matchers = PyMem_Calloc(64 * count + 1, sizeof *matchers);
    varve_text *fields = PyMem_Calloc(64 * count + 1, sizeof *fields);
    PyObject *answer = NULL;
    if (rollups == NULL || matchers == NULL || fields == NULL) {
        PyErr_NoMemory();
    } else if (keep != NULL) {
        int result = 0;
        for (size_t i = 0; result == 0 && i < count; i++) {
            result = maintain_rollup_from(PyTuple_GetItem(given, (Py_ssize_t)i), keep, &rollups[i],
                                          matchers + 64 * i, fields + 64 * i);
        }
        answer = result == 0 ? maintain_store_rollups(handle, rollups, count) : NULL;
    }
    PyMem_Free(rollups);
    PyMem_Free(matchers);
    PyMem_Free(fields);
    Py_XDECREF(keep);
    return answer;
}

PyMethodDef vpy_maintain_methods[] = {
    {"flush", VPY_METHOD(maintain_flush), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("flush($self, *, progress=None)\n--\n\nWrite what is in memory into a segment and "
               "drop the log behind it.")},
    {"compact", VPY_METHOD(maintain_compact), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("compact($self, *, all=False, progress=None)\n--\n\nMerge segments until no merge "
               "is due; all: until one is left.")},
    {"refresh", VPY_METHOD(maintain_refresh), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("refresh($self)\n--\n\nA read-only database sees what its writer has added since.")},
    {"run_rollups", VPY_METHOD(maintain_run_rollups), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("run_rollups($self, *, progress=None)\n--\n\nBring all rollups up to date.")},
    {"_verify", VPY_METHOD(maintain_verify), METH_VARARGS | METH_KEYWORDS, NULL},
    {"_scrub", VPY_METHOD(maintain_scrub), METH_VARARGS | METH_KEYWORDS, NULL},
    {"_snapshot", VPY_METHOD(maintain_snapshot), METH_VARARGS | METH_KEYWORDS, NULL},
    {"stats", maintain_stats, METH_NOARGS,
     PyDoc_STR("stats($self)\n--\n\nFigures by name, as docs/reference/metrics.md lists them.")},
    {"_health", maintain_health, METH_NOARGS, NULL},
    {"_rollups", maintain_rollup_list, METH_NOARGS, NULL},
    {"_set_rollups", maintain_set_rollups, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
