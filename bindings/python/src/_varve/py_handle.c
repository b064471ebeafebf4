/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Databases and cursors as C has them, shared by Python objects and Arrow streams; nothing here
 * calls Python (B4).
 *
 *     Database ──┐                      handle ── varve_db
 *     Cursor ── reader ── handle         │ calls: under way in any thread
 *     Arrow stream ── reader             │ readers: cursors that are open
 *
 *   H1  Each call is in the list `calls` while it runs. A close marks the handle, cancels the tasks
 *       of the calls and waits until the list is empty; then it is alone.
 *   H2  A close ends the cursors of all readers. A reader without cursor answers that the database
 *       is closed.
 *   H3  References: the Database, each reader. The last one closes what is still open.
 *   H4  Around a fork the lock of the list of handles is held, so the child finds it whole; there
 *       each handle is abandoned and dead (B5). Its memory, but not its locks, is used on.
 */

#include "py_varve.h"

static pthread_mutex_t handle_all_lock = PTHREAD_MUTEX_INITIALIZER;
static vpy_handle *handle_all; /* guarded by handle_all_lock */

static void handle_before_fork(void)
{
    pthread_mutex_lock(&handle_all_lock);
}

static void handle_behind_fork(void)
{
    pthread_mutex_unlock(&handle_all_lock);
}

int vpy_handle_module_init(void)
{
    static bool is_installed;
    if (!is_installed &&
        pthread_atfork(handle_before_fork, handle_behind_fork, handle_behind_fork)) {
        PyErr_NoMemory();
        return -1;
    }
    is_installed = true;
    return 0;
}

static void handle_list(vpy_handle *handle)
{
    pthread_mutex_lock(&handle_all_lock);
    handle->next = handle_all;
    if (handle_all != NULL) {
        handle_all->previous = handle;
    }
    handle_all = handle;
    pthread_mutex_unlock(&handle_all_lock);
}

static void handle_unlist(vpy_handle *handle)
{
    pthread_mutex_lock(&handle_all_lock);
    if (handle->previous != NULL) {
        handle->previous->next = handle->next;
    } else {
        handle_all = handle->next;
    }
    if (handle->next != NULL) {
        handle->next->previous = handle->previous;
    }
    pthread_mutex_unlock(&handle_all_lock);
}

varve_status vpy_handle_open(const char *path, const varve_options *options,
                             vpy_handle **out_handle, varve_error *out_err)
{
    *out_handle = NULL;
    vpy_handle *handle = calloc(1, sizeof *handle);
    if (handle == NULL) {
        return vpy_fail(out_err, VARVE_E_NOMEM, "no memory for a handle");
    }
    varve_status status = varve_open(path, options, &handle->db, out_err);
    varve_info info;
    varve_info_init(&info);
    if (status == VARVE_OK) {
        status = varve_db_info(handle->db, &info, out_err);
    }
    if (status != VARVE_OK) {
        varve_abandon(handle->db);
        free(handle);
        return status;
    }
    handle->precision = info.precision;
    handle->is_readonly = info.is_readonly != 0;
    handle->refs = 1;
    pthread_mutex_init(&handle->lock, NULL);
    pthread_cond_init(&handle->is_quiet, NULL);
    handle_list(handle);
    *out_handle = handle;
    return VARVE_OK;
}

void vpy_handle_ref(vpy_handle *handle)
{
    if (!atomic_load(&handle->is_dead)) {
        pthread_mutex_lock(&handle->lock);
        handle->refs++;
        pthread_mutex_unlock(&handle->lock);
    } else {
        handle->refs++; /* the child has one thread that knows of it */
    }
}

void vpy_handle_unref(vpy_handle *handle)
{
    bool is_dead = atomic_load(&handle->is_dead);
    if (!is_dead) {
        pthread_mutex_lock(&handle->lock);
    }
    bool is_last = --handle->refs == 0;
    if (!is_dead) {
        pthread_mutex_unlock(&handle->lock);
    }
    if (!is_last) {
        return;
    }
    varve_error error;
    if (vpy_handle_close(handle, &error) != VARVE_OK && !is_dead) {
        varve_abandon(handle->db); /* the log holds what was acknowledged */
    }
    handle_unlist(handle);
    if (!is_dead) {
        pthread_cond_destroy(&handle->is_quiet);
        pthread_mutex_destroy(&handle->lock);
    }
    free(handle);
}

static varve_status handle_check_locked(const vpy_handle *handle, varve_error *out_err)
{
    if (handle->db == NULL || handle->is_closing) {
        return vpy_fail_closed(out_err, "the database is closed");
    }
    return VARVE_OK;
}

static varve_status handle_fail_dead(varve_error *out_err)
{
    return vpy_fail(out_err, VARVE_E_FENCED,
                    "this database was opened before a fork: a child opens it itself");
}

varve_status vpy_handle_enter(vpy_handle *handle, vpy_call *call, varve_task *task,
                              varve_error *out_err)
{
    if (atomic_load(&handle->is_dead)) {
        return handle_fail_dead(out_err);
    }
    *call = (vpy_call){.handle = handle, .task = task, .thread = pthread_self()};
    pthread_mutex_lock(&handle->lock);
    varve_status status = handle_check_locked(handle, out_err);
    if (status == VARVE_OK) {
        call->next = handle->calls;
        if (handle->calls != NULL) {
            handle->calls->previous = call;
        }
        handle->calls = call;
    }
    pthread_mutex_unlock(&handle->lock);
    return status;
}

void vpy_handle_leave(vpy_call *call)
{
    vpy_handle *handle = call->handle;
    pthread_mutex_lock(&handle->lock);
    if (call->previous != NULL) {
        call->previous->next = call->next;
    } else {
        handle->calls = call->next;
    }
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
    if (handle->calls == NULL) {
        pthread_cond_broadcast(&handle->is_quiet);
    }
    pthread_mutex_unlock(&handle->lock);
}

bool vpy_handle_is_open(vpy_handle *handle)
{
    if (atomic_load(&handle->is_dead)) {
        return false;
    }
    pthread_mutex_lock(&handle->lock);
    bool is_open = handle->db != NULL && !handle->is_closing && handle->refs > 0;
    pthread_mutex_unlock(&handle->lock);
    return is_open;
}

static void handle_end_reader(vpy_reader *reader)
{
    if (reader->has_stream) {
        reader->has_stream = false;
        reader->stream.release(&reader->stream);
    }
    varve_cursor_close(reader->cursor);
    reader->cursor = NULL;
}

/** H1 waits for all calls, so none of them may be the closing thread's own. */
static bool handle_calls_itself_locked(const vpy_handle *handle)
{
    for (const vpy_call *call = handle->calls; call != NULL; call = call->next) {
        if (pthread_equal(call->thread, pthread_self())) {
            return true;
        }
    }
    return false;
}

varve_status vpy_handle_close(vpy_handle *handle, varve_error *out_err)
{
    if (atomic_load(&handle->is_dead)) {
        return VARVE_OK; /* abandoned already */
    }
    pthread_mutex_lock(&handle->lock);
    while (handle->is_closing) { /* another thread closes: its answer is seen below */
        pthread_cond_wait(&handle->is_quiet, &handle->lock);
    }
    if (handle->db == NULL) {
        pthread_mutex_unlock(&handle->lock);
        return VARVE_OK;
    }
    if (handle_calls_itself_locked(handle)) {
        pthread_mutex_unlock(&handle->lock);
        return vpy_fail(out_err, VARVE_E_BUSY,
                        "a call of this thread is under way, whose progress function or signal "
                        "handler cannot close the database");
    }
    handle->is_closing = true;
    for (vpy_call *call = handle->calls; call != NULL; call = call->next) {
        if (call->task != NULL) {
            varve_task_cancel(call->task);
        }
    }
    while (handle->calls != NULL) {
        pthread_cond_wait(&handle->is_quiet, &handle->lock);
    }
    for (vpy_reader *reader = handle->readers; reader != NULL; reader = reader->next) {
        handle_end_reader(reader);
    }
    varve_db *db = handle->db;
    pthread_mutex_unlock(&handle->lock);
    varve_status status = varve_close(db, out_err);
    pthread_mutex_lock(&handle->lock);
    handle->db = status == VARVE_OK ? NULL : db;
    handle->is_closing = false;
    pthread_cond_broadcast(&handle->is_quiet);
    pthread_mutex_unlock(&handle->lock);
    return status;
}

/** The first handle that is open, with a reference. */
static vpy_handle *handle_first_open(void)
{
    pthread_mutex_lock(&handle_all_lock);
    vpy_handle *found = handle_all;
    while (found != NULL && !vpy_handle_is_open(found)) {
        found = found->next;
    }
    if (found != NULL) {
        vpy_handle_ref(found);
    }
    pthread_mutex_unlock(&handle_all_lock);
    return found;
}

void vpy_handle_close_all(void)
{
    vpy_handle *handle;
    while ((handle = handle_first_open()) != NULL) {
        varve_error error;
        if (vpy_handle_close(handle, &error) != VARVE_OK) {
            pthread_mutex_lock(&handle->lock);
            varve_db *db = handle->db;
            handle->db = NULL;
            pthread_mutex_unlock(&handle->lock);
            varve_abandon(db); /* the log holds what was acknowledged */
        }
        vpy_handle_unref(handle);
    }
}

void vpy_handle_after_fork(void)
{
    for (vpy_handle *handle = handle_all; handle != NULL; handle = handle->next) {
        if (atomic_exchange(&handle->is_dead, true)) {
            continue; /* of a parent that was a child itself */
        }
        for (vpy_reader *reader = handle->readers; reader != NULL; reader = reader->next) {
            reader->cursor = NULL; /* freed with the database */
            reader->has_stream = false;
        }
        varve_abandon(handle->db);
        handle->db = NULL;
    }
}

/* ---- readers ---- */

varve_status vpy_reader_create(vpy_handle *handle, varve_cursor *cursor, varve_task *task,
                               vpy_reader **out_reader, varve_error *out_err)
{
    *out_reader = NULL;
    vpy_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        varve_cursor_close(cursor);
        varve_task_free(task);
        return vpy_fail(out_err, VARVE_E_NOMEM, "no memory for a cursor");
    }
    reader->handle = handle;
    reader->cursor = cursor;
    reader->task = task;
    pthread_mutex_init(&reader->lock, NULL);
    pthread_mutex_lock(&handle->lock);
    handle->refs++;
    reader->next = handle->readers;
    if (handle->readers != NULL) {
        handle->readers->previous = reader;
    }
    handle->readers = reader;
    pthread_mutex_unlock(&handle->lock);
    *out_reader = reader;
    return VARVE_OK;
}

void vpy_reader_close(vpy_reader *reader)
{
    vpy_call call;
    varve_error error;
    if (vpy_handle_enter(reader->handle, &call, NULL, &error) != VARVE_OK) {
        return; /* the close of the database ended it, or the fork */
    }
    pthread_mutex_lock(&reader->lock);
    handle_end_reader(reader);
    pthread_mutex_unlock(&reader->lock);
    vpy_handle_leave(&call);
}

static void reader_unlist_locked(vpy_reader *reader)
{
    if (reader->previous != NULL) {
        reader->previous->next = reader->next;
    } else {
        reader->handle->readers = reader->next;
    }
    if (reader->next != NULL) {
        reader->next->previous = reader->previous;
    }
}

void vpy_reader_free(vpy_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    vpy_handle *handle = reader->handle;
    bool is_dead = atomic_load(&handle->is_dead);
    if (!is_dead) {
        pthread_mutex_lock(&handle->lock);
        handle_end_reader(reader); /* what a close has not ended yet: it holds this lock for that */
    }
    reader_unlist_locked(reader);
    if (!is_dead) {
        pthread_mutex_unlock(&handle->lock);
        pthread_mutex_destroy(&reader->lock);
        varve_task_free(reader->task);
    }
    free(reader);
    vpy_handle_unref(handle);
}
