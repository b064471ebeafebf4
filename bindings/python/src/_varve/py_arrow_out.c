/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Answers as an Arrow C stream: varve_cursor_arrow behind a stream of our own, which adds
 *
 *   O1  the lock of the reader, and the end that a close of the database sets;
 *   O2  names: two aggregates of one field have one name in the engine, "min(x)" and "max(x)" here.
 *
 * The stream never takes the interpreter lock (B4). Schemas are copies, so that names can differ.
 */

#include "py_varve.h"

#include <errno.h>

typedef struct arrow_out {
    vpy_reader *reader;
    char **names; /* of the columns */
    size_t name_count;
    varve_error error;
} arrow_out;

/* ---- schemas ---- */

static void arrow_out_release_schema(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i] != NULL && schema->children[i]->release != NULL) {
            schema->children[i]->release(schema->children[i]);
        }
        free(schema->children[i]);
    }
    if (schema->dictionary != NULL && schema->dictionary->release != NULL) {
        schema->dictionary->release(schema->dictionary);
    }
    free(schema->dictionary);
    free(schema->children);
    free(schema->private_data); /* format and name */
    schema->release = NULL;
}

/** A schema of its own; false: no memory, and *out is released. */
static bool arrow_out_copy_schema(const struct ArrowSchema *from, const char *name,
                                  struct ArrowSchema *out)
{
    size_t format_size = strlen(from->format) + 1;
    size_t name_size = strlen(name) + 1;
    char *texts = malloc(format_size + name_size);
    *out = (struct ArrowSchema){
        .flags = from->flags, .release = arrow_out_release_schema, .private_data = texts};
    size_t children = (size_t)from->n_children;
    out->children = calloc(children + 1, sizeof *out->children);
    bool is_made = texts != NULL && out->children != NULL;
    if (is_made) {
        memcpy(texts, from->format, format_size);
        memcpy(texts + format_size, name, name_size);
        out->format = texts;
        out->name = texts + format_size;
        out->n_children = from->n_children;
    }
    for (size_t i = 0; is_made && i < children; i++) {
        out->children[i] = calloc(1, sizeof *out->children[i]);
        is_made =
            out->children[i] != NULL &&
            arrow_out_copy_schema(from->children[i], from->children[i]->name, out->children[i]);
    }
    if (is_made && from->dictionary != NULL) {
        out->dictionary = calloc(1, sizeof *out->dictionary);
        is_made =
            out->dictionary != NULL && arrow_out_copy_schema(from->dictionary, "", out->dictionary);
    }
    if (!is_made) {
        arrow_out_release_schema(out);
    }
    return is_made;
}

/** The same with names of the stream (O2). */
static bool arrow_out_name_schema(const arrow_out *out, const struct ArrowSchema *from,
                                  struct ArrowSchema *copy)
{
    if (!arrow_out_copy_schema(from, "", copy)) {
        return false;
    }
    bool is_made = true;
    for (size_t i = 0; is_made && i < out->name_count && i < (size_t)copy->n_children; i++) {
        struct ArrowSchema *child = copy->children[i];
        child->release(child);
        is_made = arrow_out_copy_schema(from->children[i], out->names[i], child);
    }
    if (!is_made) {
        copy->release(copy);
    }
    return is_made;
}

/* ---- the stream ---- */

/** Begin to use the inner stream; an errno, 0: arrow_out_end ends it. */
static int arrow_out_begin(arrow_out *out, vpy_call *call)
{
    if (vpy_handle_enter(out->reader->handle, call, out->reader->task, &out->error) != VARVE_OK) {
        return EIO;
    }
    pthread_mutex_lock(&out->reader->lock);
    if (!out->reader->has_stream) {
        vpy_fail_closed(&out->error, "the database is closed");
        pthread_mutex_unlock(&out->reader->lock);
        vpy_handle_leave(call);
        return EIO;
    }
    return 0;
}

static void arrow_out_end(arrow_out *out, vpy_call *call, int failed)
{
    if (failed != 0) {
        const char *message = out->reader->stream.get_last_error(&out->reader->stream);
        vpy_fail(&out->error, VARVE_E_IO,
                 message == NULL ? "no memory for an Arrow batch" : message);
    }
    pthread_mutex_unlock(&out->reader->lock);
    vpy_handle_leave(call);
}

static int arrow_out_get_schema(struct ArrowArrayStream *self, struct ArrowSchema *schema)
{
    arrow_out *out = self->private_data;
    vpy_call call;
    int failed = arrow_out_begin(out, &call);
    if (failed != 0) {
        return failed;
    }
    struct ArrowSchema inner;
    failed = out->reader->stream.get_schema(&out->reader->stream, &inner);
    if (failed == 0) {
        failed = arrow_out_name_schema(out, &inner, schema) ? 0 : ENOMEM;
        inner.release(&inner);
    }
    arrow_out_end(out, &call, failed);
    return failed;
}

static int arrow_out_get_next(struct ArrowArrayStream *self, struct ArrowArray *array)
{
    arrow_out *out = self->private_data;
    vpy_call call;
    memset(array, 0, sizeof *array);
    int failed = arrow_out_begin(out, &call);
    if (failed != 0) {
        return failed;
    }
    failed = out->reader->stream.get_next(&out->reader->stream, array);
    arrow_out_end(out, &call, failed);
    return failed;
}

static const char *arrow_out_get_last_error(struct ArrowArrayStream *self)
{
    arrow_out *out = self->private_data;
    return out->error.status == VARVE_OK ? NULL : out->error.message;
}

static void arrow_out_free(arrow_out *out)
{
    vpy_reader_free(out->reader);
    for (size_t i = 0; i < out->name_count; i++) {
        free(out->names[i]);
    }
    free(out->names);
    free(out);
}

static void arrow_out_release(struct ArrowArrayStream *self)
{
    self->release = NULL;
    arrow_out_free(self->private_data);
}

/* ---- the capsule ---- */

static void arrow_out_drop_capsule(PyObject *capsule)
{
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
    if (stream != NULL && stream->release != NULL) {
        stream->release(stream);
    }
    free(stream);
}

static int arrow_out_take_names(arrow_out *out, PyObject *names)
{
    Py_ssize_t count = PyTuple_Size(names);
    out->names = count < 0 ? NULL : calloc((size_t)count + 1, sizeof *out->names);
    if (out->names == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        varve_text name;
        if (vpy_text(PyTuple_GetItem(names, i), "a column's name", &name) < 0) {
            return -1;
        }
        out->names[i] = calloc(name.size + 1, 1);
        if (out->names[i] == NULL) {
            return -1;
        }
        memcpy(out->names[i], name.data, name.size);
        out->name_count++;
    }
    return 0;
}

/** Make the inner stream; it reads the first batch. */
static varve_status arrow_out_open(vpy_reader *reader, vpy_work *work, varve_error *error)
{
    vpy_call call;
    varve_status status = vpy_handle_enter(reader->handle, &call, reader->task, error);
    if (status != VARVE_OK) {
        return status;
    }
    pthread_mutex_lock(&reader->lock);
    vpy_work_attach(work, reader->task, NULL);
    if (reader->cursor == NULL) {
        status = vpy_fail_closed(error, "this answer was closed");
    } else {
        status = varve_cursor_arrow(reader->cursor, &reader->stream, error);
    }
    if (status == VARVE_OK) {
        reader->cursor = NULL;
        reader->has_stream = true;
    }
    vpy_work_detach(work);
    pthread_mutex_unlock(&reader->lock);
    vpy_handle_leave(&call);
    return status;
}

PyObject *vpy_arrow_stream(vpy_reader *reader, PyObject *names)
{
    arrow_out *out = calloc(1, sizeof *out);
    struct ArrowArrayStream *stream = calloc(1, sizeof *stream);
    if (out == NULL || stream == NULL) {
        free(out);
        free(stream);
        vpy_reader_free(reader);
        return PyErr_NoMemory();
    }
    out->reader = reader;
    if (arrow_out_take_names(out, names) < 0) {
        arrow_out_free(out);
        free(stream);
        return PyErr_Occurred() != NULL ? NULL : PyErr_NoMemory();
    }
    varve_error error;
    vpy_work work;
    vpy_work_begin(&work);
    varve_status status = arrow_out_open(reader, &work, &error);
    bool goes_on = vpy_work_end(&work);
    if (status != VARVE_OK || !goes_on) {
        arrow_out_free(out);
        free(stream);
        return status != VARVE_OK ? vpy_raise(&error) : NULL;
    }
    *stream = (struct ArrowArrayStream){
        .get_schema = arrow_out_get_schema,
        .get_next = arrow_out_get_next,
        .get_last_error = arrow_out_get_last_error,
        .release = arrow_out_release,
        .private_data = out,
    };
    PyObject *capsule = PyCapsule_New(stream, "arrow_array_stream", arrow_out_drop_capsule);
    if (capsule == NULL) {
        stream->release(stream);
        free(stream);
    }
    return capsule;
}
