/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VPY_VARVE_H
#define VPY_VARVE_H

/*
 * What the files of the extension module `varve._varve` share. README.md of bindings/python tells
 * the design; the rules that code and tests cite:
 *
 *   B1  The interpreter lock is released around every call of varve.h that may block or take long.
 *   B2  What a call without the lock looks at is held by a reference of the call's own: another
 *       thread may change the caller's dict, list or array meanwhile, never free what is in use.
 *   B3  A call runs between vpy_handle_enter and vpy_handle_leave; a close waits for all of them.
 *   B4  A handle and its readers know nothing of Python, so that an Arrow stream may be read and
 *       released by any thread, with or without the interpreter lock, and after the interpreter.
 *   B5  In a forked child every handle is dead: no lock of it is taken, no call of it is made.
 *   B6  Memory that was handed out (blocks, columns, Arrow batches) lives as long as its user.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <varve.h>

#if defined(__GNUC__)
#define VPY_UNUSED     __attribute__((unused))
#define VPY_MUST_CHECK __attribute__((warn_unused_result))
#else
#define VPY_UNUSED
#define VPY_MUST_CHECK
#endif

/* ISO C has no way from a function to the void pointer of a slot but through an integer. */
#define VPY_SLOT(id, function)                 \
    {                                          \
        (id), (void *)(uintptr_t) & (function) \
    }
/* A method with another signature than PyCFunction, as its flags say. */
#define VPY_METHOD(function) ((PyCFunction)(void (*)(void))(function))

/* ---- Arrow's C data interface (the structs are its ABI) ---- */

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

/* ---- py_errors.c ---- */

int vpy_errors_init(PyObject *module);
/** Raise the exception of an error; an exception that is set already stays. Returns NULL. */
PyObject *vpy_raise(const varve_error *error);
/** Raise varve.ClosedError. Returns NULL. */
PyObject *vpy_raise_closed(void);
/** Fill an error from a sentence of this module. */
varve_status vpy_fail(varve_error *out_err, varve_status status, const char *sentence);
/** The same for what becomes varve.ClosedError. */
varve_status vpy_fail_closed(varve_error *out_err, const char *sentence);

/* ---- py_handle.c: databases and cursors without Python (B4) ---- */

typedef struct vpy_handle vpy_handle;
typedef struct vpy_reader vpy_reader;

/** One call under way; lives on the stack of its caller. */
typedef struct vpy_call {
    vpy_handle *handle;
    varve_task *task; /* cancelled by a close; may be NULL */
    pthread_t thread;
    struct vpy_call *previous, *next;
} vpy_call;

struct vpy_handle {
    varve_db *db;       /* NULL: closed */
    uint32_t precision; /* fixed after open, as the next three */
    bool is_readonly;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t is_quiet;
    size_t refs;
    bool is_closing;
    vpy_call *calls;
    vpy_reader *readers;
    atomic_bool is_dead;                /* in a forked child (B5) */
    struct vpy_handle *previous, *next; /* of all handles */
};

/** A cursor; lives from varve_query to its end, its close, or the close of the database. */
struct vpy_reader {
    vpy_handle *handle;
    pthread_mutex_t lock; /* held while cursor is used: one thread at a time */
    varve_cursor *cursor; /* NULL: closed, or taken by stream */
    struct ArrowArrayStream stream;
    bool has_stream;
    varve_task *task;
    struct vpy_reader *previous, *next; /* of the handle, guarded by its lock */
};

int vpy_handle_module_init(void);
VPY_MUST_CHECK varve_status vpy_handle_open(const char *path, const varve_options *options,
                                            vpy_handle **out_handle, varve_error *out_err);
void vpy_handle_ref(vpy_handle *handle);
/** The last reference closes the database. */
void vpy_handle_unref(vpy_handle *handle);
VPY_MUST_CHECK varve_status vpy_handle_enter(vpy_handle *handle, vpy_call *call, varve_task *task,
                                             varve_error *out_err);
void vpy_handle_leave(vpy_call *call);
/** Cancels and awaits the calls of other threads, closes all readers, then the database. */
VPY_MUST_CHECK varve_status vpy_handle_close(vpy_handle *handle, varve_error *out_err);
bool vpy_handle_is_open(vpy_handle *handle);
/** Close all that are open, at exit. */
void vpy_handle_close_all(void);
/** In a forked child: free what the parent had open. */
void vpy_handle_after_fork(void);

/** Takes the cursor and the task, also on failure; called between enter and leave. */
VPY_MUST_CHECK varve_status vpy_reader_create(vpy_handle *handle, varve_cursor *cursor,
                                              varve_task *task, vpy_reader **out_reader,
                                              varve_error *out_err);
/** Ends the cursor; the reader stays until it is freed. */
void vpy_reader_close(vpy_reader *reader);
void vpy_reader_free(vpy_reader *reader);

/* ---- py_work.c: long calls ---- */

/** A call that can be interrupted and tells how far it is. */
typedef struct vpy_work {
    varve_task *task; /* borrowed */
    PyThreadState *thread;
    PyObject *progress; /* callable or NULL; borrowed */
    int64_t next_look_ns, next_tell_ns;
    uint64_t done, total; /* at its end */
} vpy_work;

int vpy_work_module_init(void);
/** The thread that runs this may receive signals (the main thread); for after a fork. */
void vpy_work_set_main(void);
/** Releases the interpreter lock. */
void vpy_work_begin(vpy_work *work);
/** From here on the task's check callback looks for signals and tells of progress; called by
 * whoever has the task for itself, without the interpreter lock. */
void vpy_work_attach(vpy_work *work, varve_task *task, PyObject *progress);
void vpy_work_detach(vpy_work *work);
/** Takes the lock again. False: the progress function or a signal handler raised. */
bool vpy_work_end(vpy_work *work);
/** A task, or NULL with MemoryError. */
varve_task *vpy_task_new(void);
/** 0 and *out NULL for None; -1 with TypeError for what cannot be called. */
int vpy_progress_arg(PyObject *object, PyObject **out);

/* ---- py_times.c ---- */

int vpy_times_init(void);
/** A time as Python has it, in the precision of a database. -1: an exception is set. */
int vpy_time(PyObject *object, uint32_t precision, int64_t *out_time);
/** The same, where None means `absent`. */
int vpy_time_or(PyObject *object, uint32_t precision, int64_t absent, int64_t *out_time);
/** Nanoseconds in a unit of VARVE_PRECISION_...; or of Arrow's s, m, u, n. */
int64_t vpy_unit_ns(uint32_t precision);
/** Convert times of another unit: floored, or OverflowError. `to` may be `from`. */
int vpy_times_convert(const int64_t *from, int64_t *to, size_t count, int64_t from_ns,
                      int64_t to_ns);

/* ---- py_values.c ---- */

/** The bytes of a str, borrowed as long as the object lives. */
int vpy_text(PyObject *object, const char *what, varve_text *out_text);
/** The same; `keep` (a list) then holds the object (B2). */
int vpy_text_kept(PyObject *object, const char *what, PyObject *keep, varve_text *out_text);
PyObject *vpy_text_object(varve_text text);
/** A single value; the object must outlive it. 1: a value, 0: no single value, -1: exception. */
int vpy_value(PyObject *object, varve_value *out_value);
/** A new object of a value. */
PyObject *vpy_value_object(const varve_value *value);
/** A new object of row `row` of a column of an answer; None where it has no value. */
PyObject *vpy_column_item(const varve_column *column, size_t row);
/** A tuple, or TypeError. */
bool vpy_is_tuple(PyObject *object);
/** uint64 of an int; -1 with TypeError, ValueError. */
int vpy_u64(PyObject *object, const char *what, uint64_t *out_number);

static inline bool vpy_bit(const uint64_t *bits, size_t index)
{
    return ((bits[index / 64] >> (index % 64)) & 1) != 0;
}

static inline size_t vpy_bit_words(size_t count)
{
    return count / 64 + (count % 64 != 0 ? 1 : 0);
}

/* ---- py_histogram.c ---- */

int vpy_histogram_init(void);
/** 1: a varve.Histogram, whose memory *out_owner (a new reference) has; 0: something else; -1:
 * exception. */
int vpy_histogram_from(PyObject *object, PyObject **out_owner, varve_value *out_value);

/* ---- labels (py_values.c) ---- */

enum { VPY_LABELS_INLINE = 4 };

/** Labels of a call, with references to what they borrow from (B2). */
typedef struct vpy_labels {
    varve_label *items;
    PyObject **objects; /* two of each */
    size_t count;
    varve_label inline_items[VPY_LABELS_INLINE];
    PyObject *inline_objects[2 * VPY_LABELS_INLINE];
} vpy_labels;

/** From None or a mapping of str to str. */
int vpy_labels_from(PyObject *object, vpy_labels *out_labels);
void vpy_labels_deinit(vpy_labels *labels);
/** A new dict. */
PyObject *vpy_labels_object(const varve_label *labels, size_t count);

/* ---- py_columns.c: columns of a caller ---- */

typedef struct vpy_column {
    varve_column column; /* column.type NONE: no row has a value */
    size_t rows;
    Py_buffer buffer;
    bool has_buffer;
    PyObject *owner;   /* holds what texts point to */
    void *values;      /* of our own; NULL: borrowed */
    uint64_t *present; /* of our own */
    uint64_t *marks;   /* of our own */
    void *arrow;       /* imported array; see py_arrow_in.c */
    varve_column dictionary;
} vpy_column;

int vpy_columns_init(void);
/** A column of field values. */
int vpy_column_from(PyObject *object, vpy_column *out_column);
/** A column of times: column.values is int64_t[rows], all present. */
int vpy_column_times(PyObject *object, uint32_t precision, vpy_column *out_column);
void vpy_column_deinit(vpy_column *column);

/* ---- py_arrow_in.c ---- */

/** From the two capsules of __arrow_c_array__. unit_ns: 0 for values; set for timestamps, whose
 * column is then I64 in that unit. */
int vpy_arrow_import(PyObject *schema_capsule, PyObject *array_capsule, vpy_column *out_column,
                     int64_t *out_unit_ns);
/** The same from the capsule of __arrow_c_stream__, of which one array at most may come. */
int vpy_arrow_import_stream(PyObject *capsule, vpy_column *out_column, int64_t *out_unit_ns);
void vpy_arrow_release(void *arrow);

/* ---- py_arrow_out.c ---- */

/** A capsule "arrow_array_stream" over a reader, whose cursor it takes. names: a tuple of str for
 * the columns. */
PyObject *vpy_arrow_stream(vpy_reader *reader, PyObject *names);

/* ---- py_select.c ---- */

/** Selections of a call. */
typedef struct vpy_selections {
    varve_selection *items; /* NULL: all series */
    size_t count;
    vpy_labels *labels; /* one each */
    PyObject *keep;
} vpy_selections;

/** From None, selector text, (metric, labels), or a list of them. */
int vpy_selections_from(PyObject *object, vpy_selections *out_selections);
void vpy_selections_deinit(vpy_selections *selections);

/* ---- types ---- */

/** varve.Database */
typedef struct vpy_database {
    PyObject_HEAD vpy_handle *handle; /* NULL: open failed */
    PyObject *path;                   /* str or None */
    PyObject *weakrefs;
} vpy_database;

extern PyTypeObject *vpy_database_type, *vpy_cursor_type, *vpy_block_type, *vpy_column_type,
    *vpy_batch_type, *vpy_written_type;

int vpy_database_init(PyObject *module);
int vpy_write_init(PyObject *module);
int vpy_cursor_init(PyObject *module);
int vpy_block_init(PyObject *module);
/** Make a type and add it to the module. */
PyTypeObject *vpy_type_add(PyObject *module, PyType_Spec *spec);

/** Methods of the database that stand in files of their own. */
PyObject *vpy_database_write(PyObject *self, PyObject *const *args, Py_ssize_t count,
                             PyObject *names);
PyObject *vpy_database_write_rows(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *vpy_database_batch(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *vpy_database_delete(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *vpy_database_cursor(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *vpy_database_listing(PyObject *self, PyObject *args, PyObject *kwargs);

/* py_maintain.c */
extern PyMethodDef vpy_maintain_methods[];
PyObject *vpy_restore(PyObject *module, PyObject *args, PyObject *kwargs);

/** The handle of a database that is open; NULL with ClosedError. */
vpy_handle *vpy_database_handle(PyObject *self);

/** Takes the reader. */
PyObject *vpy_cursor_new(vpy_reader *reader);
/** Takes the block. database: series ids of rows are named by it. */
PyObject *vpy_block_new(const varve_block *block);
/** A column of an answer. owner: what holds its memory. */
PyObject *vpy_answer_column_new(PyObject *owner, const char *name, size_t name_size,
                                const varve_column *column, size_t rows);
/** The same over memory from malloc, which it takes: values, and present or NULL. */
PyObject *vpy_answer_column_own(varve_text name, uint32_t type, void *values, uint64_t *present,
                                size_t rows);

#endif
