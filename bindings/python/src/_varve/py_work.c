/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Long calls: the interpreter lock is given up for their whole length (B1). The engine calls
 * work_check every few milliseconds; it takes the lock back for a moment
 *
 *   - every 50 ms in the thread that Python runs signal handlers in, so that ^C ends the call;
 *   - every 100 ms where a progress function wants to hear.
 *
 * Both are arbitrary: short for a person, long beside the 5 ms that taking the lock may cost when
 * other threads compute. What a handler or the function raises ends the call with E_CANCELLED, and
 * vpy_raise then leaves that exception as it is.
 */

#include "py_varve.h"

#include <time.h>

static const int64_t WORK_LOOK_NS = 50 * INT64_C(1000000);
static const int64_t WORK_TELL_NS = 100 * INT64_C(1000000);

static unsigned long work_main_thread;

int vpy_work_module_init(void)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *main = NULL, *ident = NULL;
    if (threading != NULL) {
        main = PyObject_CallMethod(threading, "main_thread", NULL);
    }
    if (main != NULL) {
        ident = PyObject_GetAttrString(main, "ident");
    }
    if (ident != NULL && ident != Py_None) {
        work_main_thread = PyLong_AsUnsignedLong(ident);
    }
    Py_XDECREF(ident);
    Py_XDECREF(main);
    Py_XDECREF(threading);
    return PyErr_Occurred() != NULL ? -1 : 0;
}

void vpy_work_set_main(void)
{
    work_main_thread = PyThread_get_thread_ident();
}

static int64_t work_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/** Tell the progress function; false: it raised. */
static bool work_tell(const vpy_work *work, uint64_t done, uint64_t total)
{
    PyObject *answer = PyObject_CallFunction(work->progress, "KK", (unsigned long long)done,
                                             (unsigned long long)total);
    Py_XDECREF(answer);
    return answer != NULL;
}

static bool work_check(void *context)
{
    vpy_work *work = context;
    int64_t now = work_now_ns();
    bool is_main = PyThread_get_thread_ident() == work_main_thread;
    bool looks = is_main && now >= work->next_look_ns;
    bool tells = work->progress != NULL && now >= work->next_tell_ns;
    if (!looks && !tells) {
        return true;
    }
    PyEval_RestoreThread(work->thread);
    bool goes_on = !looks || PyErr_CheckSignals() == 0;
    if (goes_on && tells) {
        uint64_t done, total;
        varve_task_progress(work->task, &done, &total);
        goes_on = work_tell(work, done, total);
    }
    work->thread = PyEval_SaveThread();
    now = work_now_ns();
    work->next_look_ns = now + WORK_LOOK_NS;
    work->next_tell_ns = tells ? now + WORK_TELL_NS : work->next_tell_ns;
    return goes_on;
}

void vpy_work_begin(vpy_work *work)
{
    *work = (vpy_work){.thread = PyEval_SaveThread()};
}

void vpy_work_attach(vpy_work *work, varve_task *task, PyObject *progress)
{
    work->task = task;
    work->progress = progress;
    if (progress != NULL || PyThread_get_thread_ident() == work_main_thread) {
        int64_t now = work_now_ns();
        work->next_look_ns = now + WORK_LOOK_NS;
        work->next_tell_ns = now; /* once at least, where the call lasts at all */
        varve_task_set_check(task, work_check, work);
    }
}

void vpy_work_detach(vpy_work *work)
{
    varve_task_set_check(work->task, NULL, NULL);
    if (work->progress != NULL) {
        varve_task_progress(work->task, &work->done, &work->total);
    }
}

bool vpy_work_end(vpy_work *work)
{
    PyEval_RestoreThread(work->thread);
    if (PyErr_Occurred() == NULL && work->progress != NULL) {
        return work_tell(work, work->done, work->total);
    }
    return PyErr_Occurred() == NULL;
}

varve_task *vpy_task_new(void)
{
    varve_task *task = varve_task_create();
    if (task == NULL) {
        PyErr_NoMemory();
    }
    return task;
}

int vpy_progress_arg(PyObject *object, PyObject **out)
{
    *out = object == Py_None ? NULL : object;
    if (*out != NULL && !PyCallable_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "progress must be a function or None");
        return -1;
    }
    return 0;
}
