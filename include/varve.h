/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VARVE_H
#define VARVE_H

/**
 * varve: a time-series database to embed.
 *
 * This header is the manual. It has, in this order: conventions, plain structs, opening and
 * closing, names, writing, reading, the catalogue, changes, maintenance.
 *
 * A first program:
 *
 *     varve_db *db;
 *     varve_error error;
 *     if (varve_open("data", NULL, &db, &error) != VARVE_OK) { ... error.message ... }
 *     varve_series series;
 *     varve_series_resolve(db, VARVE_STR("cpu"), NULL, 0, 0, &series, &error);
 *     ...
 *     varve_close(db, &error);
 *
 * Threads. A varve_db is shareable: any thread may call it at any time, but for varve_close and
 * varve_abandon, before which the caller ends its own calls. A cursor, a batch and a block are
 * movable: one thread at a time. varve_task_cancel may be called from any thread. After fork()
 * every handle is dead in the child: calls answer VARVE_E_FENCED, varve_abandon frees the memory.
 *
 * Durability. A write is answered with how safe it is: DURABLE (on stable storage), APPENDED (in
 * the operating system), VOLATILE (in memory). The default, VARVE_SYNC_GROUP, answers DURABLE. A
 * batch is atomic: all of it is read or nothing, also after a crash.
 *
 * Ownership. Handles that are opened are closed by their pair, which takes NULL. Bytes that a call
 * lends name the call that ends the loan. Nothing is freed by the caller with free().
 *
 * Errors. What can fail returns a varve_status and fills the caller's varve_error when that is not
 * NULL. On failure pointer outputs are NULL, other outputs untouched, and there was no effect; the
 * one exception is VARVE_E_IO from varve_batch_commit and varve_wait, whose outcome is unknown
 * until the database is opened again. A failed allocation is VARVE_E_NOMEM and harms nothing.
 *
 * Time. A timestamp is int64 in the database's precision (ns by default), of any sign. Ranges are
 * half open, [start, end), but an end of INT64_MAX includes it.
 *
 * Structs. A struct that begins with struct_size is filled by its _init function first and may grow
 * at its end; every other visible struct is frozen.
 *
 * Symbols that VARVE_UNSTABLE_API guards may change in any release.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VARVE_API __attribute__((visibility("default")))
#else
#define VARVE_API
#endif

#define VARVE_VERSION_MAJOR 0
#define VARVE_VERSION_MINOR 1
#define VARVE_VERSION_PATCH 0

/* ------------------------------------------------------------------------------------------------
 * Statuses and errors
 * --------------------------------------------------------------------------------------------- */

/** Statuses: (name, number, text). Numbers are never reused; new ones go at the end of their group.
 */
#define VARVE_STATUS_MAP(X)                              \
    X(OK, 0, "ok")                                       \
    X(E_INVALID, 1, "invalid argument")                  \
    X(E_NOMEM, 2, "out of memory")                       \
    X(E_LIMIT, 3, "limit reached")                       \
    X(E_CANCELLED, 4, "cancelled")                       \
    X(E_BUSY, 5, "busy")                                 \
    X(E_INTERNAL, 6, "internal error")                   \
    X(E_TIMEOUT, 7, "timed out")                         \
    X(E_UNSUPPORTED, 8, "not supported")                 \
    X(E_NOT_FOUND, 9, "not found")                       \
    X(E_EXISTS, 10, "exists already")                    \
    X(E_CONFLICT, 11, "in conflict with what is stored") \
    X(E_IO, 20, "input or output failed")                \
    X(E_CORRUPT, 21, "stored bytes are damaged")         \
    X(E_LOCKED, 22, "locked by another writer")          \
    X(E_NOSPACE, 23, "no space left")                    \
    X(E_READONLY, 24, "read-only")                       \
    X(E_FENCED, 25, "this handle may no longer write")

typedef enum varve_status {
#define VARVE_STATUS_ENUM(name, number, text) VARVE_##name = number,
    VARVE_STATUS_MAP(VARVE_STATUS_ENUM)
#undef VARVE_STATUS_ENUM
} varve_status;

/** What failed. The caller owns it; filling it never allocates; message is terminated UTF-8. */
typedef struct varve_error {
    varve_status status;
    int32_t os_errno; /* errno of the failed system call, 0 when there was none; below 0 where a
                         bound refused: a number of that bound, for varve itself */
    char message[248];
} varve_error;

/** Text of a status, such as "no space left"; static, never NULL. */
VARVE_API const char *varve_status_text(varve_status status);

/** Version of the library that runs, such as "0.1.0"; static. */
VARVE_API const char *varve_version(void);

/* ------------------------------------------------------------------------------------------------
 * Plain structs
 * --------------------------------------------------------------------------------------------- */

/** Bytes with a length; never NUL-terminated by contract. */
typedef struct varve_text {
    const char *data;
    size_t size;
} varve_text;

#ifdef __cplusplus
#define VARVE_STR(literal)             \
    varve_text                         \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }
#else
/** A varve_text of a string literal. */
#define VARVE_STR(literal) ((varve_text){(literal), sizeof(literal) - 1})
#endif

/**
 * Where memory comes from. reallocate(NULL) allocates; release takes NULL. All members required.
 * Called from any thread; after fork() release must work in the child, as that of malloc does.
 */
typedef struct varve_allocator {
    void *context;
    void *(*allocate)(void *context, size_t size);
    void *(*reallocate)(void *context, void *memory, size_t old_size, size_t new_size);
    void (*release)(void *context, void *memory, size_t size);
} varve_allocator;

/** One label of a series. Names are unique in a series; an empty value differs from an absent
 * label. */
typedef struct varve_label {
    varve_text name;  /* 1..256 bytes, UTF-8 */
    varve_text value; /* 0..16384 bytes, UTF-8 */
} varve_label;

/** Kinds of varve_matcher. Regular expressions are RE2 syntax, anchored at both ends. */
enum {
    VARVE_MATCH_EQUAL = 0,
    VARVE_MATCH_NOT_EQUAL = 1,
    VARVE_MATCH_REGEX = 2,
    VARVE_MATCH_NOT_REGEX = 3
};

/** A condition on one label; an absent label counts as empty. Name "__name__" means the metric. */
typedef struct varve_matcher {
    uint32_t kind;
    uint32_t flags; /* zero */
    varve_text name;
    varve_text value;
} varve_matcher;

/** Timestamps start <= t < end; an end of INT64_MAX includes INT64_MAX. start >= end is refused. */
typedef struct varve_range {
    int64_t start;
    int64_t end;
} varve_range;

/** The whole time axis. */
#define VARVE_RANGE_ALL_START INT64_MIN
#define VARVE_RANGE_ALL_END   INT64_MAX

/** Types of values. */
enum {
    VARVE_TYPE_NONE = 0,
    VARVE_TYPE_F64 = 1,
    VARVE_TYPE_I64 = 2,
    VARVE_TYPE_U64 = 3,
    VARVE_TYPE_BOOL = 4,
    VARVE_TYPE_BYTES =
        5, /* one family with STRING: a field may hold both, each value keeps its kind */
    VARVE_TYPE_STRING = 6, /* UTF-8 */
    VARVE_TYPE_HISTOGRAM = 7,
    VARVE_TYPE_MIXED = 8 /* in answers only: a column over series of several types */
};

/** Consecutive buckets: offset from the end of the span before (the first: absolute), and how many.
 */
typedef struct varve_span {
    int32_t offset;
    uint32_t length;
} varve_span;

/** A histogram's counts are floats (of rates, of sums) instead of integers. */
#define VARVE_HISTOGRAM_FLOAT 1u

/** A count: u64, or f64 when VARVE_HISTOGRAM_FLOAT is set. */
typedef union varve_count {
    uint64_t u64;
    double f64;
} varve_count;

/**
 * A native histogram, stored and returned field for field; spans and buckets are not checked
 * against each other. Exponential buckets: bucket i of schema s ends at 2^(i*2^-s); schema -53:
 * custom_values are the upper bounds.
 */
typedef struct varve_histogram {
    uint32_t flags;      /* VARVE_HISTOGRAM_FLOAT */
    int32_t schema;      /* -4..8, or -53 */
    uint32_t reset_hint; /* 0 unknown, 1 yes, 2 no, 3 gauge */
    uint32_t reserved;   /* zero */
    double zero_threshold;
    double sum;
    varve_count count;
    varve_count zero_count;
    const varve_span *positive_spans;
    size_t positive_span_count;
    const varve_span *negative_spans;
    size_t negative_span_count;
    const int64_t *positive_deltas; /* integer: difference from the bucket before; else NULL */
    const double *positive_counts;  /* float: absolute; else NULL */
    size_t positive_bucket_count;
    const int64_t *negative_deltas;
    const double *negative_counts;
    size_t negative_bucket_count;
    const double *custom_values;
    size_t custom_value_count;
} varve_histogram;

/** One value; 32 bytes where pointers have 8. */
typedef struct varve_value {
    uint32_t type;  /* VARVE_TYPE_... */
    uint32_t flags; /* zero */
    union {
        double f64; /* every bit pattern is kept, NaN payloads included */
        int64_t i64;
        uint64_t u64;
        bool boolean;
        varve_text bytes; /* BYTES and STRING */
        const varve_histogram *histogram;
    } as;
} varve_value;

/** A series of one open database; 0 means none. Valid until varve_close, also across varve_refresh.
 */
typedef struct varve_series {
    uint64_t id;
} varve_series;

/** The name of a field, the same for every series of one open database; 0 means none. */
typedef struct varve_field {
    uint64_t id;
} varve_field;

/** A row, as written and as read: one timestamp and one or more fields. */
typedef struct varve_row {
    varve_series series;
    int64_t timestamp;
    uint64_t row_id; /* in answers, where the metric has row ids; ignored by appends */
    const varve_field *fields;
    const varve_value *values;
    size_t count; /* of fields and values, 1..1024 */
} varve_row;

/** The address of a row of a metric with row ids. */
typedef struct varve_row_id {
    varve_series series;
    int64_t timestamp;
    uint64_t row_id;
} varve_row_id;

/** A row that names its series and fields; for varve_write. */
typedef struct varve_named_row {
    varve_text metric;
    const varve_label *labels;
    size_t label_count;
    int64_t timestamp;
    const varve_text *fields;
    const varve_value *values;
    size_t count;
} varve_named_row;

typedef struct varve_column varve_column;

/**
 * One column, in and out; Arrow's layout, but a bool is a byte. Where a row has no value, what lies
 * in values at its place is undefined (in answers: zero).
 */
struct varve_column {
    uint32_t type;  /* F64..HISTOGRAM; MIXED in answers: values is varve_value[] */
    uint32_t flags; /* zero */
    /* double, int64_t, uint64_t, uint8_t; bytes family: the bytes that offsets cut, or varve_text[]
     * when offsets is NULL; HISTOGRAM: varve_histogram[]. */
    const void *values;
    int64_t stride;                 /* bytes between values; in only; 0 = packed, may be negative */
    const int32_t *offsets;         /* bytes family: rows + 1 */
    const uint32_t *codes;          /* dictionary-coded: value of row i is dictionary[codes[i]];
                                       a value may stand in a dictionary twice */
    const varve_column *dictionary; /* NULL unless codes is set */
    size_t dictionary_count;
    const uint64_t *present; /* bit i of word i/64: row i has a value; NULL: all have */
    const uint64_t *marks; /* bytes family: 1 = BYTES, 0 = STRING, NULL = all of the column's type;
                              integer sums: 1 = saturated, see approximate */
    const double *approximate; /* integer sums that saturated: the sum as f64; NULL when none did */
};

/* ------------------------------------------------------------------------------------------------
 * Opening and closing
 * --------------------------------------------------------------------------------------------- */

typedef struct varve_db varve_db;
typedef struct varve_batch varve_batch;
typedef struct varve_cursor varve_cursor;
typedef struct varve_task varve_task;

/** Precisions of timestamps. */
enum {
    VARVE_PRECISION_STORED = 0, /* as created; ns for a new database */
    VARVE_PRECISION_NS = 1,
    VARVE_PRECISION_US = 2,
    VARVE_PRECISION_MS = 3,
    VARVE_PRECISION_S = 4
};

/** What happens to rows of one series at one timestamp. */
enum {
    VARVE_DUPLICATES_STORED = 0, /* as created; LAST for a new database */
    VARVE_DUPLICATES_LAST = 1,   /* they unite: the newest value of each field wins */
    VARVE_DUPLICATES_ALL = 2     /* every row stays, in order of arrival */
};

/** Whether rows keep an id (needs VARVE_DUPLICATES_ALL). */
enum {
    VARVE_ROW_IDS_STORED = 0, /* as created; OFF for a new database */
    VARVE_ROW_IDS_OFF = 1,
    VARVE_ROW_IDS_ON = 2
};

/** When a write answers. See the head of this file. */
enum {
    VARVE_SYNC_DEFAULT = 0, /* GROUP */
    VARVE_SYNC_GROUP = 1,   /* the sync of its group finished: DURABLE */
    VARVE_SYNC_ALWAYS =
        2, /* a sync of its own finished (shared with concurrent callers): DURABLE */
    VARVE_SYNC_INTERVAL = 3, /* written; synced every sync_interval_ms: APPENDED */
    VARVE_SYNC_NONE = 4,     /* written, never synced but at flushes: APPENDED */
    VARVE_SYNC_BUFFERED = 5, /* copied to the log buffer, written at 256 KiB or 100 ms: VOLATILE */
    VARVE_SYNC_NO_LOG = 6    /* no log at all: lost unless flushed: VOLATILE */
};

/** How safe a write is. */
enum {
    VARVE_ACK_NONE = 0,
    VARVE_ACK_VOLATILE = 1, /* in memory */
    VARVE_ACK_APPENDED = 2, /* in the operating system: survives the process */
    VARVE_ACK_DURABLE = 3   /* on stable storage: survives a power cut */
};

/** Flags of varve_options. */
enum {
    VARVE_OPEN_READONLY = 1 << 0,     /* no lock, no write; works beside a writer */
    VARVE_OPEN_NO_CREATE = 1 << 1,    /* VARVE_E_NOT_FOUND when there is no database */
    VARVE_OPEN_SALVAGE = 1 << 2,      /* a damaged log: keep evidence, apply what is intact */
    VARVE_OPEN_ALLOW_DAMAGE = 1 << 3, /* with READONLY: serve the intact part */
    VARVE_OPEN_ALLOW_NETWORK_FS = 1 << 4,
    VARVE_OPEN_NO_BACKGROUND = 1 << 5 /* no threads: flush and merge happen in varve_flush and
                                         varve_compact, and in writes that reach a bound */
};

/** Of min_free_bytes and reserve_bytes: no bound, no ballast. */
#define VARVE_SPACE_NONE UINT64_MAX

/** Of scrub_interval_ms: no scrubs in the background. */
#define VARVE_SCRUB_NEVER UINT64_MAX

/** Levels of log events. */
enum { VARVE_LOG_ERROR = 0, VARVE_LOG_WARN = 1, VARVE_LOG_INFO = 2, VARVE_LOG_DEBUG = 3 };

/** Receives log events; called from any thread, never with a lock held that a call could need. */
typedef void (*varve_log_function)(void *context, uint32_t level, const char *event,
                                   const char *message);

/** Options of varve_open; zero means the default named. Fill with varve_options_init first. */
typedef struct varve_options {
    uint32_t struct_size;
    uint32_t flags;              /* VARVE_OPEN_... */
    uint32_t precision;          /* VARVE_PRECISION_...; another than stored: VARVE_E_CONFLICT */
    uint32_t duplicates;         /* VARVE_DUPLICATES_...; the same */
    uint32_t row_ids;            /* VARVE_ROW_IDS_...; the same */
    uint32_t sync;               /* VARVE_SYNC_... */
    uint32_t sync_interval_ms;   /* INTERVAL: 1000 */
    uint32_t group_delay_us;     /* how long a leader waits for company: 0; at most 10000 */
    uint32_t lock_wait_ms;       /* how long to wait for another writer to leave: 0 */
    uint32_t write_timeout_ms;   /* how long a write waits for memory or log: 30000 */
    uint64_t memory_limit_bytes; /* 1/2 of the machine's memory, at most 16 GiB: head, log, cache */
    uint64_t cache_bytes;        /* decoded and raw blocks: 1/8 of memory_limit_bytes */
    uint64_t flush_bytes;        /* head size that starts a flush: 1/4 of memory_limit_bytes */
    uint64_t flush_rows;         /* rows in the head that start a flush: 67108864, so that an open
                                    after a kill has seconds of log to replay, however small a row */
    uint32_t flush_age_ms;       /* age of the oldest unflushed row that starts a flush: 3600000 */
    uint32_t merge_fan_in;       /* segments of a level that are merged into one: 4; at least 2 */
    uint64_t log_file_bytes;     /* 64 MiB, on a disk below 4 GiB 1/64 of it; 64 KiB..1 GiB */
    uint64_t log_bytes_max;      /* log behind the present file at which writes wait for a flush,
                                    which begins at half of it: 512 MiB */
    uint64_t batch_bytes_max;    /* encoded size of one atomic batch: 64 MiB, the largest */
    uint64_t chain_bytes_max;    /* the same of one that deletes or replaces rows, where that is
                                    more: 256 MiB, at most 1 GiB. What one batch took is in memory
                                    at once when it is written, and when it is recovered. */
    uint64_t series_max;         /* 0: bounded by memory only */
    uint64_t retention_grace_ms; /* running time after which a cut is final: 3600000 */
    uint64_t scrub_interval_ms;  /* between scrubs in the background, which read 10 MB/s and begin
                                    10 minutes after an open at the earliest: 604800000;
                                    VARVE_SCRUB_NEVER */
    uint64_t min_free_bytes;     /* less free on the disk: rows are refused until half as much again
                                    is: 256 MiB, two log files or 1 % of it, whatever is most, but at
                                    most 1/16 of the disk; VARVE_SPACE_NONE */
    uint64_t reserve_bytes;      /* ballast that a full disk gives up so that a delete can be
                                    recorded: two log files and 4 MiB, at most 1/16 of the disk;
                                    VARVE_SPACE_NONE */
    varve_text warm_path;        /* directory of segments past their hot window, an absolute path;
                                    empty: as stored. Missing: E_IO, of another database: E_CONFLICT */
    const varve_allocator *allocator; /* NULL: malloc and its kin */
    varve_log_function log;           /* NULL: silent */
    void *log_context;
    const void *environment; /* NULL: the operating system; for the simulators of the tests */
} varve_options;

VARVE_API void varve_options_init(varve_options *options);

/**
 * Open or create a database.
 * On success *out_db is to be released with varve_close(); on failure it is NULL.
 *
 * Threads:  callable from any thread.
 * Blocks:   yes, for recovery of the log.
 * Errors:   E_INVALID, E_NOMEM, E_IO, E_CORRUPT, E_LOCKED, E_CONFLICT, E_NOT_FOUND, E_NOSPACE,
 *           E_LIMIT (a path of more than 3584 bytes), E_UNSUPPORTED (a format from the future, a
 *           network file system), E_READONLY (a snapshot opened for writing).
 * Since:    0.1
 *
 * @param path     directory, created when missing (its parent must exist); NULL: in memory
 * @param options  NULL: defaults
 */
VARVE_API varve_status varve_open(const char *path, const varve_options *options, varve_db **out_db,
                                  varve_error *out_err);

/**
 * A read-only handle sees what a writer has added since: reads manifest and log again.
 * Open cursors keep their snapshot.
 *
 * Blocks:   yes.  Errors: E_INVALID (handle is not read-only), E_NOMEM, E_IO, E_CORRUPT.
 */
VARVE_API varve_status varve_refresh(varve_db *db, varve_error *out_err);

/**
 * Flush, stop background work, seal the log and release everything. db may be NULL.
 * Any status but OK leaves the handle open: E_BUSY with open cursors or batches; E_IO and kin when
 * the flush failed (the log still holds every acknowledged row; see varve_abandon).
 */
VARVE_API varve_status varve_close(varve_db *db, varve_error *out_err);

/**
 * Free a handle without writing: after a failed close, or in a forked child, where it takes no lock
 * and only closes descriptors and frees memory (but for what threads of the parent were using at
 * the fork). Cursors and batches of it must not be used again; they are freed with it. What the log
 * holds is recovered at the next open. db may be NULL.
 */
VARVE_API void varve_abandon(varve_db *db);

/** How a database was created, and what it is opened with. */
typedef struct varve_info {
    uint32_t struct_size;
    uint32_t precision;
    uint32_t duplicates;
    uint32_t row_ids;
    uint32_t sync;
    uint32_t is_readonly;
    uint8_t store_id[16];
    int64_t created_ns;   /* Unix time */
    uint32_t is_snapshot; /* made by varve_snapshot */
    uint32_t reserved;
} varve_info;

VARVE_API void varve_info_init(varve_info *info);
VARVE_API varve_status varve_db_info(varve_db *db, varve_info *out_info, varve_error *out_err);

/* ------------------------------------------------------------------------------------------------
 * Names
 * --------------------------------------------------------------------------------------------- */

/**
 * The handle of a series. Labels may come in any order. Creates nothing visible: the series exists
 * with its first row. Writing through a handle costs no hash.
 *
 * Blocks:   no.
 * Errors:   E_INVALID (empty metric or label name, not UTF-8, too long, duplicate label), E_NOMEM,
 *           E_LIMIT (series_max, memory of names), E_NOT_FOUND (with VARVE_RESOLVE_EXISTING).
 *
 * @param metric  1..65535 bytes of UTF-8
 * @param flags   0 or VARVE_RESOLVE_EXISTING: only a series that is known already
 */
VARVE_API varve_status varve_series_resolve(varve_db *db, varve_text metric,
                                            const varve_label *labels, size_t label_count,
                                            uint32_t flags, varve_series *out_series,
                                            varve_error *out_err);
enum { VARVE_RESOLVE_EXISTING = 1 };

/** The handle of a field name (1..256 bytes of UTF-8). Errors: E_INVALID, E_NOMEM, E_LIMIT. */
VARVE_API varve_status varve_field_resolve(varve_db *db, varve_text name, varve_field *out_field,
                                           varve_error *out_err);

/**
 * Metric and labels (sorted by name) of a series. All three outputs are borrowed until varve_close.
 * Errors: E_INVALID (not a handle of db).
 */
VARVE_API varve_status varve_series_name(varve_db *db, varve_series series, varve_text *out_metric,
                                         const varve_label **out_labels, size_t *out_label_count,
                                         varve_error *out_err);

/** Name of a field, borrowed until varve_close. Errors: E_INVALID. */
VARVE_API varve_status varve_field_name(varve_db *db, varve_field field, varve_text *out_name,
                                        varve_error *out_err);

/* ------------------------------------------------------------------------------------------------
 * Writing
 * --------------------------------------------------------------------------------------------- */

/** Flags of varve_write_options. */
enum {
    VARVE_WRITE_SKIP_REJECTED = 1 << 0, /* leave out rows that cannot be stored, report them */
    VARVE_WRITE_SPLIT = 1 << 1 /* an over-long batch becomes several atomic parts, in order */
};

/** Why a row was left out. */
enum {
    VARVE_REJECTED_ROW = 0,       /* a name, a value or a bound, as status says */
    VARVE_REJECTED_TYPE = 1,      /* `field` has another type in rows that are stored */
    VARVE_REJECTED_RETENTION = 2, /* its time is before `limit`, where retention begins */
    VARVE_REJECTED_RING = 3       /* its ring has no such field, or no slot for its time */
};

/** A row that VARVE_WRITE_SKIP_REJECTED left out, or that a write without it failed for. */
typedef struct varve_rejected {
    uint64_t row; /* index in the batch, in the order of the calls */
    varve_status status;
    uint32_t reason;   /* VARVE_REJECTED_... */
    varve_field field; /* 0 where it is not about one field */
    int64_t timestamp; /* of the row; RETENTION alone */
    int64_t limit;     /* the least time that is taken; status E_LIMIT: the bound; else 0 */
} varve_rejected;

typedef struct varve_write_options {
    uint32_t struct_size;
    uint32_t flags;
    uint32_t sync; /* VARVE_SYNC_... for this write; DEFAULT: the database's; a weaker one
                      than the database's is taken as asked */
    uint32_t reserved;
    varve_rejected *rejected; /* caller's array, filled with the first rejected_capacity of them;
                                 a write without SKIP_REJECTED that fails for a row tells it in
                                 the first, untouched otherwise */
    size_t rejected_capacity;
} varve_write_options;

VARVE_API void varve_write_options_init(varve_write_options *options);

/** What a write did. Filled on success; with VARVE_WRITE_SPLIT also on failure. */
typedef struct varve_written {
    uint32_t struct_size;
    uint32_t ack;            /* VARVE_ACK_...; of the weakest part */
    uint64_t rows;           /* stored, replacements included */
    uint64_t rows_rejected;  /* left out */
    uint64_t rows_late;      /* older than the newest row of their series */
    uint64_t series_deleted; /* series that a delete matched */
    uint64_t first_row_id;   /* id of the first new row; stored row i has first_row_id + i, and one
                                more for each delete by selection before it in the batch (SPLIT: of
                                the first part). A batch that changes rows one by one has gaps. */
    uint64_t ticket;         /* for varve_wait */
    uint64_t rows_deleted;   /* by varve_batch_delete_row */
    uint64_t rows_replaced;  /* by varve_batch_replace */
    uint64_t rows_missing; /* to be deleted or replaced, and not there: nothing was done to them */
    uint64_t rows_late_dropped; /* of rows: their ring held a newer one in their slot */
} varve_written;

VARVE_API void varve_written_init(varve_written *written);

/**
 * Write rows by name: one atomic batch. No rows: OK, DURABLE.
 *
 * Blocks:   as VARVE_SYNC_... asks.
 * Errors:   E_INVALID (a bad name, no field, a label or field twice, a type that differs from what
 * the field holds), E_LIMIT (batch_bytes_max, series_max, 4096 fields of a series), E_NOMEM, E_BUSY
 * (memory or log had no room within write_timeout_ms; in memory at once), E_NOSPACE
 * (min_free_bytes, or the disk), E_IO (outcome unknown), E_FENCED, E_READONLY. Deletes pass a full
 * disk.
 *
 * @param options      NULL: defaults
 * @param out_written  may be NULL
 */
VARVE_API varve_status varve_write(varve_db *db, const varve_named_row *rows, size_t count,
                                   const varve_write_options *options, varve_written *out_written,
                                   varve_error *out_err);

/** Rows in columns, for varve_batch_columns. Fill with varve_columns_init first. */
typedef struct varve_columns {
    uint32_t struct_size;
    uint32_t flags; /* zero */
    size_t rows;
    const varve_series *series; /* 1 (rows of one series) or rows (one each: a scrape) */
    size_t series_count;
    const int64_t *timestamps; /* 1 (one time for all) or rows */
    size_t timestamp_count;
    const varve_field *fields; /* column_count, distinct */
    const varve_column *columns;
    size_t column_count;
} varve_columns;

VARVE_API void varve_columns_init(varve_columns *columns);

/**
 * A batch: appends, replacements and deletes of any number of series in order, committed as one. It
 * may be used again after commit, submit or clear; release it with varve_batch_free before
 * varve_close.
 */
VARVE_API varve_status varve_batch_create(varve_db *db, varve_batch **out_batch,
                                          varve_error *out_err);
VARVE_API void varve_batch_free(varve_batch *batch);
/** Forget what was added. Memory is kept for the next use. */
VARVE_API void varve_batch_clear(varve_batch *batch);

/** What identifies a selection; see varve_selection below. */
typedef struct varve_selection varve_selection;

/**
 * Add one row. Its arrays and histograms are copied; the bytes that values point to are borrowed
 * until commit or submit returns. A failed call adds nothing. Errors: E_INVALID, E_NOMEM, E_LIMIT.
 */
VARVE_API varve_status varve_batch_row(varve_batch *batch, const varve_row *row,
                                       varve_error *out_err);

/** Add rows in columns; everything it points to is borrowed until commit or submit returns. */
VARVE_API varve_status varve_batch_columns(varve_batch *batch, const varve_columns *columns,
                                           varve_error *out_err);

/**
 * Delete the rows of the selections in a range: everything written before, earlier in the batch
 * included. What is written later is visible. Selections are resolved when the batch is committed.
 */
VARVE_API varve_status varve_batch_delete(varve_batch *batch, const varve_selection *selections,
                                          size_t count, varve_range range, varve_error *out_err);

/**
 * Delete one row of a metric with row ids. Whether it is there is found out when the batch is
 * committed, after what the batch does before; one that is not (never was, deleted already,
 * replaced to another time or series) is no error: it is counted in rows_missing. Errors:
 * E_UNSUPPORTED (the metric has no row ids), E_INVALID, E_NOMEM.
 */
VARVE_API varve_status varve_batch_delete_row(varve_batch *batch, const varve_row_id *id,
                                              varve_error *out_err);

/**
 * Replace one row of a metric with row ids: the new one has the id of the old one, and with it its
 * place in the order of arrival; no query after_row_id gives it again. Time, fields and series may
 * be others; the series must be of a metric with row ids too. All fields are replaced: one that is
 * not given is gone. Where the old row is not there nothing is written, and rows_missing counts it.
 * Rows that the batch itself adds have no id before it is committed.
 *
 * The row is borrowed and checked as that of varve_batch_row, and counts among the rows of the
 * batch. The types of its fields must fit those that visible rows hold when all the batch changes
 * is left out of account.
 * Errors: E_UNSUPPORTED (one of the metrics has no row ids), E_INVALID, E_NOMEM, E_LIMIT.
 */
VARVE_API varve_status varve_batch_replace(varve_batch *batch, const varve_row_id *id,
                                           const varve_row *row, varve_error *out_err);

/** Submit and wait. Errors: as varve_write. The batch is empty afterwards, but after an error that
 * had no effect it is as before. */
VARVE_API varve_status varve_batch_commit(varve_batch *batch, const varve_write_options *options,
                                          varve_written *out_written, varve_error *out_err);

/**
 * Fix the order of a batch: calls that do not overlap get sequences in call order. The rows become
 * visible when they are as safe as asked, whether or not anybody waits. out_written->ack is
 * VARVE_ACK_NONE; out_written->ticket is for varve_wait. Does not wait for the log.
 */
VARVE_API varve_status varve_batch_submit(varve_batch *batch, const varve_write_options *options,
                                          varve_written *out_written, varve_error *out_err);

/**
 * Wait until a submitted batch is as safe as it asked, and visible.
 * Errors: E_TIMEOUT (nothing changed: wait again), E_IO (outcome unknown), E_FENCED, E_INVALID.
 * @param timeout_ms  UINT64_MAX: without end
 * @param out_ack     may be NULL
 */
VARVE_API varve_status varve_wait(varve_db *db, uint64_t ticket, uint64_t timeout_ms,
                                  uint32_t *out_ack, varve_error *out_err);

/**
 * Delete the rows of the selections in a range, as one batch of its own.
 * @param out_written  may be NULL; series_deleted tells how many series had rows to hide
 */
VARVE_API varve_status varve_delete(varve_db *db, const varve_selection *selections, size_t count,
                                    varve_range range, const varve_write_options *options,
                                    varve_written *out_written, varve_error *out_err);

/* ------------------------------------------------------------------------------------------------
 * Reading
 * --------------------------------------------------------------------------------------------- */

/** Kinds of varve_selection. */
enum {
    VARVE_SELECT_ALL = 0,   /* every series (not those of metrics that begin with "varve.") */
    VARVE_SELECT_TEXT = 1,  /* text is a selector: cpu{host=~"a.*",dc!="x"} */
    VARVE_SELECT_MATCH = 2, /* text is the metric (data NULL: any), and all matchers hold */
    VARVE_SELECT_EXACT = 3, /* text is the metric, labels the whole label set */
    VARVE_SELECT_LIST = 4   /* series, in the caller's order */
};

/** Which series; frozen. Fill with zeros first. Everything it points to is borrowed for the call.
 */
struct varve_selection {
    uint32_t kind;
    uint32_t flags; /* zero */
    varve_text text;
    const varve_matcher *matchers;
    size_t matcher_count;
    const varve_label *labels;
    size_t label_count;
    const varve_series *series;
    size_t series_count;
    uint64_t reserved[2]; /* zero */
};

/** Kinds of varve_output. */
enum {
    VARVE_OUTPUT_FIELD = 0,
    VARVE_OUTPUT_LABEL = 1, /* a label's value, as string; TABLE layout */
    VARVE_OUTPUT_METRIC = 2 /* the metric, as string; TABLE layout */
};

/** Aggregations. Over nothing there is no value, but COUNT gives 0 where the slot exists. */
enum {
    VARVE_AGG_NONE = 0,
    VARVE_AGG_SUM = 1, /* integers: own type, saturating with mark and approximate */
    VARVE_AGG_MIN = 2, /* -0.0 below 0.0; bool false below true; bytes family bytewise */
    VARVE_AGG_MAX = 3,
    VARVE_AGG_AVG = 4,    /* f64 */
    VARVE_AGG_FIRST = 5,  /* the stored value of the earliest time; equal times: first to arrive */
    VARVE_AGG_LAST = 6,   /* the stored value of the latest time; equal times: last to arrive */
    VARVE_AGG_COUNT = 7,  /* u64 */
    VARVE_AGG_MEDIAN = 8, /* f64; exact; mean of the two middle values */
    VARVE_AGG_QUANTILE = 9,  /* f64; parameter 0..1; exact, linear between neighbours */
    VARVE_AGG_RANGE = 10,    /* max - min, own type, integers saturating */
    VARVE_AGG_VARIANCE = 11, /* f64, population */
    VARVE_AGG_STDDEV = 12,   /* f64, population */
    VARVE_AGG_MIN_TIME = 13, /* i64: the earliest time of the minimum */
    VARVE_AGG_MAX_TIME = 14,
    VARVE_AGG_FIRST_TIME = 15,
    VARVE_AGG_LAST_TIME = 16
};

/** What NaNs do to an aggregate. FIRST and LAST return stored bits either way. */
enum {
    VARVE_NAN_SKIP = 0,     /* they do not count; COUNT leaves them out */
    VARVE_NAN_PROPAGATE = 1 /* one makes the answer NaN; COUNT counts them */
};

/** One wanted column; frozen. Fill with zeros first. */
typedef struct varve_output {
    uint32_t kind;        /* VARVE_OUTPUT_... */
    uint32_t aggregation; /* VARVE_AGG_... */
    uint32_t nan_rule;    /* VARVE_NAN_... */
    uint32_t as_type;     /* 0: its own; VARVE_TYPE_F64: converted */
    varve_text name;      /* field or label */
    double parameter;     /* of QUANTILE */
    uint64_t reserved[2]; /* zero */
} varve_output;

/** Operators of varve_predicate. */
enum {
    VARVE_OP_EQUAL = 0,
    VARVE_OP_NOT_EQUAL = 1,
    VARVE_OP_LESS = 2,
    VARVE_OP_LESS_EQUAL = 3,
    VARVE_OP_GREATER = 4,
    VARVE_OP_GREATER_EQUAL = 5,
    VARVE_OP_PRESENT = 6,
    VARVE_OP_ABSENT = 7
};

/**
 * A condition on a field's value; frozen. Predicates are joined by AND and see rows after
 * duplicates are resolved. A row without the field satisfies no comparison, NOT_EQUAL included.
 * Numbers of different types compare by value; a number never compares with bytes (E_INVALID). NaN
 * satisfies NOT_EQUAL only.
 */
typedef struct varve_predicate {
    varve_text field;
    uint32_t op;
    uint32_t flags; /* zero */
    varve_value value;
} varve_predicate;

/** Kinds of varve_bucket. */
enum {
    VARVE_BUCKET_NONE = 0,
    VARVE_BUCKET_FIXED = 1,   /* width in the database's precision */
    VARVE_BUCKET_CALENDAR = 2 /* width counts units of a calendar in a zone */
};

/** Units of VARVE_BUCKET_CALENDAR. */
enum {
    VARVE_UNIT_HOUR = 0,
    VARVE_UNIT_DAY = 1,
    VARVE_UNIT_WEEK = 2, /* begins on Monday */
    VARVE_UNIT_MONTH = 3,
    VARVE_UNIT_QUARTER = 4,
    VARVE_UNIT_YEAR = 5
};

/** Time buckets; frozen. A bucket's timestamp is its start; empty buckets are left out. */
typedef struct varve_bucket {
    uint32_t kind;
    uint32_t unit;   /* of CALENDAR */
    int64_t width;   /* > 0 */
    int64_t origin;  /* FIXED: a bucket begins here, before and after at multiples of width */
    varve_text zone; /* CALENDAR: "" = UTC, "+02:00", or a name such as "Europe/Prague" */
    uint32_t flags;  /* VARVE_BUCKET_FROM_START: origin is the start of the range */
    uint32_t reserved;
} varve_bucket;
enum { VARVE_BUCKET_FROM_START = 1 };

/** Grouping of the outputs. */
enum {
    VARVE_GROUP_SERIES = 0, /* one output per series */
    VARVE_GROUP_ALL = 1,    /* all series merge */
    VARVE_GROUP_BY = 2,     /* one output per combination of group_labels */
    VARVE_GROUP_WITHOUT = 3 /* one output per combination of all other labels */
};

/** Orders of output. */
enum {
    VARVE_ORDER_SERIES = 0,  /* metric, labels, then time */
    VARVE_ORDER_GIVEN = 1,   /* as the selections list them, then time */
    VARVE_ORDER_TIME = 2,    /* time, then row id, else labels */
    VARVE_ORDER_ARRIVAL = 3, /* needs row ids */
    VARVE_ORDER_NONE = 4     /* whatever is fastest; rows of a series in time order */
};

/** Layouts of blocks. */
enum {
    VARVE_LAYOUT_SERIES = 0, /* a block holds rows of one series or group, with its own fields */
    VARVE_LAYOUT_TABLE = 1,  /* the same columns in every block, labels dictionary-coded */
    VARVE_LAYOUT_ROWS = 2    /* blocks hold varve_row structs */
};

/** Flags of varve_query_options. */
enum {
    VARVE_QUERY_DESCENDING = 1 << 0,   /* newest first */
    VARVE_QUERY_STORED_TIMES = 1 << 1, /* a metric's epoch is not added */
    VARVE_QUERY_PARTIAL = 1 << 2,      /* leave out damaged parts and say so, instead of failing */
    VARVE_QUERY_ROW_IDS = 1 << 3,      /* blocks carry row ids; E_UNSUPPORTED without */
    VARVE_QUERY_INTERNAL = 1 << 4,     /* metrics that begin with "varve." too */
    VARVE_QUERY_NO_STATISTICS = 1 << 5 /* decode everything; the answer is the same */
};

/**
 * Options of varve_query. varve_query_options_init gives: every series, every field, raw, the whole
 * time axis, SERIES everywhere, no limits of rows. Everything it points to is borrowed for the
 * call.
 */
typedef struct varve_query_options {
    uint32_t struct_size;
    uint32_t flags;
    const varve_selection *selections; /* a union; none: all */
    size_t selection_count;
    const varve_output *outputs; /* none: every field, raw */
    size_t output_count;
    const varve_predicate *predicates;
    size_t predicate_count;
    varve_range range;
    uint64_t after_row_id; /* only rows with a greater id; needs row ids; 0: all */
    varve_bucket bucket;
    uint32_t grouping;
    uint32_t order;
    uint32_t layout;
    uint32_t threads; /* a hint that this version ignores: work is done by the thread that calls
                         varve_cursor_next. To use several, see varve_cursor_split. */
    const varve_text *group_labels;
    size_t group_label_count;
    uint64_t limit;            /* output rows; UINT64_MAX: all */
    uint64_t offset;           /* output rows left out first */
    uint64_t limit_per_series; /* UINT64_MAX: all */
    uint64_t block_rows_max;   /* 1024 */
    uint64_t block_bytes_max;  /* 1 MiB; a block holds at least one row */
    uint64_t memory_max;       /* what the cursor may allocate, its current block apart: 512 MiB;
                                  E_LIMIT beyond. Orders TIME and ARRIVAL over more rows or series
                                  than fit read them several times. */
    uint64_t scanned_rows_max; /* rows decoded: UINT64_MAX; E_LIMIT beyond */
    uint64_t deadline_ms;      /* from now, for the whole life of the cursor; 0: none; E_TIMEOUT */
    varve_task *task;          /* NULL: none */
} varve_query_options;

VARVE_API void varve_query_options_init(varve_query_options *options);

/** Flags of varve_block. */
enum {
    VARVE_BLOCK_LAST_OF_SERIES = 1 << 0, /* SERIES: the next block is of another series */
    VARVE_BLOCK_PARTIAL = 1 << 1 /* damaged parts were left out so far; see VARVE_QUERY_PARTIAL.
                                    Where no row follows them, a last block without rows says it */
};

/** Rows of an answer; made by the library only. Lives until the next call on its cursor. */
typedef struct varve_block {
    uint32_t struct_size;
    uint32_t flags;
    size_t rows;
    const int64_t *timestamps; /* NULL in listings, and in aggregates without buckets that have no
                                  time of their own (then the row stands for the whole range) */
    const uint64_t *row_ids;   /* NULL where not asked */
    varve_series series;       /* SERIES: 0 for a group of several */
    varve_text metric;         /* SERIES: of the series, or common to the group, else empty */
    const varve_label *labels; /* SERIES: of the series, or the group's labels */
    size_t label_count;
    const varve_series *row_series; /* TABLE, ungrouped: one each */
    const varve_column *columns;    /* rows long */
    const varve_text *column_names;
    size_t column_count;
    const varve_row *row; /* ROWS */
} varve_block;

/**
 * Ask. The cursor sees the database as of this call; it holds no lock, and writers go on.
 * On success *out_cursor is to be released with varve_cursor_close before varve_close.
 *
 * Blocks:   no; the work is done by varve_cursor_next.
 * Errors:   E_INVALID (a bad selector, its place named; unknown aggregation; aggregation that the
 * type does not have), E_LIMIT, E_NOMEM, E_UNSUPPORTED (row ids asked of metrics without).
 */
VARVE_API varve_status varve_query(varve_db *db, const varve_query_options *options,
                                   varve_cursor **out_cursor, varve_error *out_err);

/** The newest row of each series: varve_query with limit_per_series 1, newest first. */
VARVE_API varve_status varve_last(varve_db *db, const varve_selection *selections, size_t count,
                                  varve_cursor **out_cursor, varve_error *out_err);

/**
 * The next block; *out_block is NULL at the end. Borrowed until the next call on this cursor.
 *
 * Blocks:   for reading files.
 * Errors:   E_CORRUPT (names series and range), E_IO, E_NOMEM, E_LIMIT, E_CANCELLED, E_TIMEOUT.
 * After an error the cursor gives only that error.
 */
VARVE_API varve_status varve_cursor_next(varve_cursor *cursor, const varve_block **out_block,
                                         varve_error *out_err);

/**
 * Take the current block out of the cursor: it then outlives cursor and database.
 * NULL when there is none or memory ran out (then the loan goes on as before).
 */
VARVE_API const varve_block *varve_cursor_keep(varve_cursor *cursor);
/** Release a kept block; NULL is allowed. Any thread. */
VARVE_API void varve_block_free(const varve_block *block);

/**
 * Divide a cursor that was not read yet into disjoint ones of the same snapshot, for other threads.
 * Raw queries and GROUP_SERIES only, without limit and offset (E_UNSUPPORTED). Each part is closed
 * on its own; the cursor itself keeps nothing and is to be closed too.
 * @param capacity   how many parts are wanted at most
 * @param out_count  1..capacity
 */
VARVE_API varve_status varve_cursor_split(varve_cursor *cursor, varve_cursor **out_parts,
                                          size_t capacity, size_t *out_count, varve_error *out_err);

/** The last row id of the cursor's snapshot: what after_row_id takes to go on from here. */
VARVE_API uint64_t varve_cursor_last_row_id(const varve_cursor *cursor);

/** Release a cursor; NULL is allowed. */
VARVE_API void varve_cursor_close(varve_cursor *cursor);

/** The C stream interface of Arrow ("The Arrow C stream interface"), declared there. */
struct ArrowArrayStream;

/**
 * Make *out_stream a stream of record batches with the rows of a TABLE cursor. On success the
 * stream takes the cursor: its release closes it. Column "time" first (timestamp in the database's
 * precision, UTC), then the outputs. Every batch is independent of cursor and database. Errors:
 * E_INVALID (another layout, read already), E_UNSUPPORTED (MIXED or HISTOGRAM columns; a value of
 * kind BYTES among strings that is no UTF-8, then or when its batch is asked for), E_NOMEM, and
 * those of varve_cursor_next, for the first batch is read.
 */
VARVE_API varve_status varve_cursor_arrow(varve_cursor *cursor, struct ArrowArrayStream *out_stream,
                                          varve_error *out_err);

/**
 * Wait until a row with an id above after_row_id is visible.
 * Errors: E_TIMEOUT, E_FENCED.
 */
VARVE_API varve_status varve_wait_visible(varve_db *db, uint64_t after_row_id, uint64_t timeout_ms,
                                          uint64_t *out_row_id, varve_error *out_err);

/** A handle on long work: cancel it, see how far it is. One task serves one call or cursor at a
 * time. */
VARVE_API varve_task *varve_task_create(void);
VARVE_API void varve_task_free(varve_task *task);
/** Any thread; the work ends with E_CANCELLED within milliseconds. */
VARVE_API void varve_task_cancel(varve_task *task);
/** Called in the working thread at least every 10 ms; a false answer cancels. */
typedef bool (*varve_task_check)(void *context);
VARVE_API void varve_task_set_check(varve_task *task, varve_task_check check, void *context);
/** Work done and to do, in units of the call (rows, bytes); total 0: unknown. Any thread. */
VARVE_API void varve_task_progress(const varve_task *task, uint64_t *out_done, uint64_t *out_total);

/* ------------------------------------------------------------------------------------------------
 * The catalogue: listings are cursors in TABLE layout, sorted bytewise
 * --------------------------------------------------------------------------------------------- */

typedef struct varve_list_options {
    uint32_t struct_size;
    uint32_t flags;                    /* VARVE_QUERY_INTERNAL */
    const varve_selection *selections; /* a union; none: all */
    size_t selection_count;
    varve_range range; /* only what has a visible row here; the whole axis by default */
    uint64_t limit;    /* UINT64_MAX: all */
    varve_task *task;
} varve_list_options;

VARVE_API void varve_list_options_init(varve_list_options *options);

/** Column "metric". */
VARVE_API varve_status varve_metrics(varve_db *db, const varve_list_options *options,
                                     varve_cursor **out_cursor, varve_error *out_err);
/** row_series (see varve_series_name) and column "metric"; sorted by metric, then labels. */
VARVE_API varve_status varve_series_list(varve_db *db, const varve_list_options *options,
                                         varve_cursor **out_cursor, varve_error *out_err);
/** Column "name". */
VARVE_API varve_status varve_label_names(varve_db *db, const varve_list_options *options,
                                         varve_cursor **out_cursor, varve_error *out_err);
/** Column "value": values of one label; name "__name__" gives the metrics. */
VARVE_API varve_status varve_label_values(varve_db *db, varve_text name,
                                          const varve_list_options *options,
                                          varve_cursor **out_cursor, varve_error *out_err);
/** Columns "metric", "field" and "type" ("f64", "i64", ..., or "mixed"). */
VARVE_API varve_status varve_field_names(varve_db *db, const varve_list_options *options,
                                         varve_cursor **out_cursor, varve_error *out_err);

/** Name of a type, such as "f64"; static; "unknown" for no type. */
VARVE_API const char *varve_type_name(uint32_t type);

/* ------------------------------------------------------------------------------------------------
 * Policies
 * --------------------------------------------------------------------------------------------- */

/** How one metric is kept. Fixed while some visible row holds it. */
typedef struct varve_metric_policy {
    uint32_t struct_size;
    uint32_t duplicates; /* VARVE_DUPLICATES_...; STORED: as the database */
    uint32_t row_ids;    /* VARVE_ROW_IDS_...; STORED: as the database */
    uint32_t reserved;
} varve_metric_policy;

VARVE_API void varve_metric_policy_init(varve_metric_policy *policy);

/**
 * Set the policy of a metric; durable when it returns.
 * Errors: E_CONFLICT (rows are visible and the policy differs), E_INVALID (row ids without ALL),
 * and those of varve_write.
 */
VARVE_API varve_status varve_policy_metric(varve_db *db, varve_text metric,
                                           const varve_metric_policy *policy, varve_error *out_err);

/**
 * How long rows are kept. The reference time is the wall clock, or the newest timestamp that was
 * written through this handle and lies at most 15 minutes ahead of the clock, if that is later.
 *
 * Not enforced: nothing is refused, hidden or removed. Enforced: rows older than the reference less
 * the window are refused (VARVE_E_INVALID, or left out with VARVE_WRITE_SKIP_REJECTED) and hidden.
 * Once the reference has held for retention_grace_ms of running time, the cut is recorded: what
 * lies before it is removed for good, and stays refused and hidden whatever the rules say later.
 * What lies after it comes back when a window is widened.
 */
typedef struct varve_retention {
    uint32_t struct_size;
    bool is_enforced;
    int64_t window;     /* in the precision of the database; 0: for ever */
    int64_t hot_window; /* age at which segments move to the warm directory; 0: never */
} varve_retention;

VARVE_API void varve_retention_init(varve_retention *retention);

/**
 * Set how long rows are kept; durable when it returns. The database's own holds for every metric
 * without one. A metric that gets its own begins with the recorded cut of the database; afterwards
 * its recorded cut moves apart from that, also when its own retention is taken away again.
 *
 * Threads:  callable from any thread.
 * Blocks:   for a sync, and for a flush that is under way.
 * Errors:   E_INVALID (windows below 0; an internal metric, which is kept for ever), E_LIMIT
 * (65,536 metrics have their own), and those of varve_write. Since:    0.1
 *
 * @param metric     empty: the database
 * @param retention  NULL: the metric follows the database again
 */
VARVE_API varve_status varve_policy_retention(varve_db *db, varve_text metric,
                                              const varve_retention *retention,
                                              varve_error *out_err);

/** How the rows of a metric are kept, and from when on they are seen. */
typedef struct varve_retention_info {
    uint32_t struct_size;
    bool is_own;       /* false: as the database */
    varve_text metric; /* until the database closes; empty: the database */
    varve_retention retention;
    int64_t cut;          /* rows before it are hidden and refused; INT64_MIN: none are */
    int64_t recorded_cut; /* rows before it are gone; INT64_MIN: none are */
} varve_retention_info;

VARVE_API void varve_retention_info_init(varve_retention_info *info);

/** The retention that holds for a metric, known or not; empty: that of the database. */
VARVE_API varve_status varve_retention_get(varve_db *db, varve_text metric,
                                           varve_retention_info *out_info, varve_error *out_err);

/** Fill up to `capacity` items: the database, then metrics that have a retention of their own, or a
 *  recorded cut. *out_count is how many there are. */
VARVE_API varve_status varve_retention_list(varve_db *db, varve_retention_info *out_items,
                                            size_t capacity, size_t *out_count,
                                            varve_error *out_err);

/** The times that retention goes by, in the precision of the database. */
typedef struct varve_retention_times {
    uint32_t struct_size;
    bool has_observed, has_skew;
    int64_t reference;
    int64_t observed;    /* the newest written through this handle, skewed ones left out */
    int64_t skew_window; /* rows further ahead of the clock never move the reference */
    int64_t skew_newest;
    uint64_t skew_rows; /* such rows, since open */
} varve_retention_times;

VARVE_API void varve_retention_times_init(varve_retention_times *times);
VARVE_API varve_status varve_retention_seen(varve_db *db, varve_retention_times *out_times,
                                            varve_error *out_err);
/** A field of a ring; frozen. */
typedef struct varve_ring_field {
    varve_text name;
    uint32_t type;     /* F64, I64, U64 or BOOL */
    uint32_t reserved; /* zero */
} varve_ring_field;

/**
 * A ring: a series that keeps a fixed number of slots on a fixed step, in a file that never grows.
 * A row of time t goes to window floor(t / step) and is read back at the start of that window; its
 * slot is the window modulo slots. A newer window takes the slot; a row of an older one is dropped
 * and counted (rows_late_dropped); rows of one window unite, as under VARVE_DUPLICATES_LAST,
 * whatever the metric has, and have no row ids. Rings are read like any series.
 */
typedef struct varve_ring {
    uint32_t struct_size;
    uint32_t flags;                 /* zero */
    int64_t step;                   /* in the database's precision, 1 or more */
    uint64_t slots;                 /* 1..16777216; slots * step is 2..INT64_MAX */
    const varve_ring_field *fields; /* none: one f64 called "value" */
    size_t field_count;             /* at most 64 */
} varve_ring;

VARVE_API void varve_ring_init(varve_ring *ring);

/**
 * Make a series a ring, or give the ring that it is another shape. Durable when it returns, and
 * atomic: after a crash there is the old shape or the new one. What still fits the new shape is
 * kept: rows are put into it in order of time, fields by name where they keep their type. Writes to
 * the series wait meanwhile; what is in memory is flushed. The same shape again changes nothing.
 *
 * Rows of a ring hold its fields and no other, with these types (E_INVALID), and times whose window
 * starts where an int64_t reaches (E_INVALID). The pages of all rings lie in memory.
 *
 * Blocks:   yes.
 * Errors:   E_INVALID (step, slots, a field), E_CONFLICT (the series has rows and is no ring),
 *           E_LIMIT (a fourth of memory_limit_bytes), E_UNSUPPORTED (on disk without a log:
 *           VARVE_SYNC_NO_LOG), E_READONLY, E_NOSPACE, E_NOMEM, E_IO, E_FENCED.
 * Since:    0.1
 *
 * @param out_series  may be NULL
 */
VARVE_API varve_status varve_policy_ring(varve_db *db, varve_text metric, const varve_label *labels,
                                         size_t label_count, const varve_ring *ring,
                                         varve_series *out_series, varve_error *out_err);

/**
 * Remove a ring with all its rows, and its file. The series may then be written like any other.
 *
 * Blocks:   yes.
 * Errors:   E_NOT_FOUND (the series is no ring), and those of varve_policy_ring.
 * Since:    0.1
 */
VARVE_API varve_status varve_policy_ring_drop(varve_db *db, varve_text metric,
                                              const varve_label *labels, size_t label_count,
                                              varve_error *out_err);

/**
 * The shape of a ring. out_ring->fields is out_fields; the names in it are borrowed until
 * varve_close.
 *
 * Blocks:   no.
 * Errors:   E_NOT_FOUND (no ring), E_LIMIT (more fields than capacity), E_INVALID.
 * Since:    0.1
 *
 * @param out_ring    filled with varve_ring_init
 * @param out_fields  room for `capacity` fields; 64 are always enough
 */
VARVE_API varve_status varve_ring_info(varve_db *db, varve_series series, varve_ring *out_ring,
                                       varve_ring_field *out_fields, size_t capacity,
                                       varve_error *out_err);

/**
 * The series that are rings: up to `capacity` of them; *out_count is how many there are.
 *
 * Blocks:   no.
 * Errors:   E_INVALID, E_FENCED. Never fails for want of room.
 * Since:    0.1
 */
VARVE_API varve_status varve_ring_list(varve_db *db, varve_series *out_series, size_t capacity,
                                       size_t *out_count, varve_error *out_err);
/** Flags of varve_rollup. */
enum {
    VARVE_ROLLUP_ALL_FIELDS = 1 << 0 /* every field whose values the aggregation takes */
};

/**
 * A rollup: the aggregates of each bucket of a selection, kept up to date. Queries use it where
 * their answer is the same without; see varve_policy_rollups. Frozen; fill with zeros first.
 */
typedef struct varve_rollup {
    varve_text id;                 /* 1..256 bytes of UTF-8, not blank, the only one of that name */
    varve_text metric;             /* whose series it keeps; not one that begins with "varve." */
    const varve_matcher *matchers; /* all of them hold for the labels of a series; at most 64 */
    size_t matcher_count;
    const varve_text *fields; /* at most 64; none: "value", or see VARVE_ROLLUP_ALL_FIELDS */
    size_t field_count;
    int64_t interval;     /* width of a bucket in the database's precision; above 0 */
    int64_t origin;       /* where a bucket begins */
    uint32_t aggregation; /* VARVE_AGG_..., but NONE, QUANTILE and the times */
    uint32_t flags;       /* VARVE_ROLLUP_... */
    uint64_t reserved[2]; /* zero */
} varve_rollup;

/**
 * Replace the whole set of rollups; durable when it returns, all or nothing. A rollup whose
 * definition stays keeps what it has; what others had is deleted by the next pass. No rollups: the
 * set is cleared.
 *
 * A pass (every 5 s in the background, after flushes, and in varve_rollup_run) keeps the complete
 * buckets of each series: those in front of the bucket that holds the newest time in the database,
 * times more than 15 minutes ahead of the clock left aside. Late rows and deletes need no pass to
 * be seen: a bucket that they touch is answered from its rows until a pass has corrected it.
 *
 * A query uses a rollup for a series when the answer is the same without: VARVE_BUCKET_FIXED whose
 * width is a multiple of the interval (MEDIAN: the interval itself, without grouping) and whose
 * buckets begin where those of the rollup begin; every output asks the rollup's aggregation of its
 * fields; no predicates, no after_row_id, neither VARVE_QUERY_PARTIAL nor
 * VARVE_QUERY_NO_STATISTICS; no ring, no metric with row ids. What lies outside of kept buckets is
 * read from rows and joined.
 *
 * Threads:  callable from any thread.
 * Blocks:   for a pass that is under way, and for the log.
 * Errors:   E_INVALID (names the rollup and what is wrong with it), and those of varve_write.
 * Since:    0.1
 *
 * @param rollups  copied; NULL with a count of 0
 */
VARVE_API varve_status varve_policy_rollups(varve_db *db, const varve_rollup *rollups, size_t count,
                                            varve_error *out_err);

/**
 * Bring all rollups up to date: one pass, as in the background. A rollup that fails does not keep
 * the others; the first failure is the answer, and varve_rollup_status tells of each.
 *
 * Threads:  callable from any thread, beside everything else.
 * Blocks:   yes: for a pass that is under way, for reading, for the log. Progress in series.
 * Errors:   E_CANCELLED, E_CORRUPT, and those of varve_write.
 * Since:    0.1
 *
 * @param task  NULL: none
 */
VARVE_API varve_status varve_rollup_run(varve_db *db, varve_task *task, varve_error *out_err);

/** How a rollup stands. Made by the library only; what it points to is borrowed until the visitor
 * returns. */
typedef struct varve_rollup_state {
    uint32_t struct_size;
    uint32_t has_through; /* 1: materialized_through and lag are set */
    const varve_rollup *rollup;
    uint64_t matched_series;      /* that have rows */
    uint64_t materialized_series; /* of them, those that are kept up to some time */
    int64_t materialized_through; /* everything before is kept; the least of all matched series */
    int64_t lag;                  /* from there to the newest time in the database */
    uint64_t runs, errors;        /* since open, as all that follows */
    uint64_t buckets, points;     /* written: rows, and values in them */
    int64_t started_ns;           /* of the last pass, Unix time; 0: none yet */
    int64_t completed_ns;
    uint64_t duration_ns;
    const varve_error *error; /* of the last pass; NULL: it succeeded, or there was none */
} varve_rollup_state;

typedef void (*varve_rollup_visitor)(void *context, const varve_rollup_state *state);

/**
 * Tell how each rollup stands, by ascending id.
 *
 * Threads:  callable from any thread, beside everything else.
 * Blocks:   for reading; looks at every series that a rollup matches.
 * Errors:   E_INVALID (no visitor), E_CANCELLED, E_NOMEM, E_CORRUPT, E_IO.
 * Since:    0.1
 *
 * @param task   NULL: none
 * @param visit  called in the calling thread
 */
VARVE_API varve_status varve_rollup_status(varve_db *db, varve_task *task,
                                           varve_rollup_visitor visit, void *context,
                                           varve_error *out_err);

/* ------------------------------------------------------------------------------------------------
 * Maintenance
 * --------------------------------------------------------------------------------------------- */

/** Write what is in memory into a segment and drop the log behind it. A no-op in memory. */
VARVE_API varve_status varve_flush(varve_db *db, varve_task *task, varve_error *out_err);

/** Merge segments until no merge is due; with VARVE_COMPACT_ALL until one segment is left. */
VARVE_API varve_status varve_compact(varve_db *db, uint32_t flags, varve_task *task,
                                     varve_error *out_err);
enum { VARVE_COMPACT_ALL = 1 };

/** What varve_verify found. */
typedef struct varve_verified {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t files;
    uint64_t blocks;
    uint64_t rows;   /* visible */
    uint64_t series; /* visible */
    uint64_t
        digest[2]; /* of the visible rows: the same for equal contents, however they are stored */
} varve_verified;

VARVE_API void varve_verified_init(varve_verified *verified);

/** Read every block, check every checksum, compare index and rows. Errors: E_CORRUPT, E_IO. */
VARVE_API varve_status varve_verify(varve_db *db, varve_task *task, varve_verified *out_verified,
                                    varve_error *out_err);

/** What a scrub met: bytes of a file that are not what was written. */
typedef struct varve_damage {
    varve_text file;  /* within the directory, such as "seg/00000000000000000007.vsg" */
    const char *part; /* "block", "header", "footer", a section of a segment, or "file" */
    uint64_t block;   /* UINT64_MAX: not a block */
    uint64_t offset;  /* in the file */
    uint64_t bytes;
    const varve_error *error; /* E_CORRUPT, or E_IO where it cannot be read */
} varve_damage;

typedef void (*varve_damage_visitor)(void *context, const varve_damage *damage);

typedef struct varve_scrub_options {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t bytes_per_second;  /* 0: 10 MB/s; UINT64_MAX: as fast as it goes */
    void *context;              /* of visit */
    varve_damage_visitor visit; /* called in the calling thread for each damage; NULL: counted */
} varve_scrub_options;

VARVE_API void varve_scrub_options_init(varve_scrub_options *options);

/** What varve_scrub found. */
typedef struct varve_scrubbed {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t files;
    uint64_t blocks;
    uint64_t bytes; /* of segments */
    uint64_t damaged_files;
    uint64_t damaged_places;
} varve_scrubbed;

VARVE_API void varve_scrubbed_init(varve_scrubbed *scrubbed);

/**
 * Read every file at a bounded rate and check every checksum. Goes on behind damage and tells of
 * each: finding some is the work of this call, not its failure, so look at damaged_places. Damage
 * makes the health VARVE_HEALTH_DEGRADED; a writable handle keeps the bytes as evidence in
 * quarantine/, and records what a complete pass found (see varve_scrub_status). The log is left
 * out. With background threads a pass runs every options.scrub_interval_ms.
 *
 * Threads:  callable from any thread, beside everything else.
 * Blocks:   yes. Progress in bytes.
 * Errors:   E_CANCELLED, E_NOMEM.
 * Since:    0.1
 *
 * @param options  NULL: defaults
 */
VARVE_API varve_status varve_scrub(varve_db *db, const varve_scrub_options *options,
                                   varve_task *task, varve_scrubbed *out_scrubbed,
                                   varve_error *out_err);

/** What the last complete scrub found. */
typedef struct varve_scrub_state {
    uint32_t struct_size;
    uint32_t has_run;     /* 0: none is known, all that follows is 0 */
    int64_t completed_ns; /* Unix time */
    uint64_t files;
    uint64_t blocks;
    uint64_t bytes;
    uint64_t damaged_files;
    uint64_t damaged_places;
    uint64_t bad_places; /* of them, those that are listed and whose file is still in use */
} varve_scrub_state;

VARVE_API void varve_scrub_state_init(varve_scrub_state *state);

/**
 * What the last complete scrub through a writable handle found, whenever that was: it is kept in
 * the manifest, with up to 256 damaged places. While one of them is in use, the health of each open
 * is VARVE_HEALTH_DEGRADED from the start.
 *
 * Threads:  callable from any thread, beside everything else.
 * Blocks:   no.
 * Errors:   E_INVALID.
 * Since:    0.1
 *
 * @param visit    called in the calling thread for each of the bad places; NULL: they are counted
 * @param context  of visit
 */
VARVE_API varve_status varve_scrub_status(varve_db *db, varve_scrub_state *out_state,
                                          varve_damage_visitor visit, void *context,
                                          varve_error *out_err);

/**
 * One fact about a file. Facts of one thing (the header, a record, a block) follow each other and
 * have the same section, number and offset. Made by the library only; texts are borrowed until the
 * visitor returns.
 */
typedef struct varve_fact {
    uint32_t struct_size;
    uint32_t is_damage; /* 1: value is a sentence on what is wrong at offset */
    varve_text section; /* "header", "record", "block" ... */
    uint64_t number;    /* of the thing among those of its section, from 0 */
    uint64_t offset;    /* where it begins in the file */
    varve_text name;    /* what is told of it; empty: see is_damage */
    varve_value value;  /* I64, U64, BOOL or STRING */
} varve_fact;

typedef void (*varve_fact_visitor)(void *context, const varve_fact *fact);

/** Flags of varve_inspect_options. */
enum { VARVE_INSPECT_DETAILS = 1 << 0 }; /* each record, block, series, not only their counts */

typedef struct varve_inspect_options {
    uint32_t struct_size;
    uint32_t flags;
    const varve_allocator *allocator; /* NULL: malloc and kin; copied */
    void *context;                    /* of visit */
    varve_fact_visitor visit;         /* called in the calling thread */
} varve_inspect_options;

VARVE_API void varve_inspect_options_init(varve_inspect_options *options);

/** What varve_inspect told. */
typedef struct varve_inspected {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t facts;   /* without damage */
    uint64_t damaged; /* places */
} varve_inspected;

VARVE_API void varve_inspected_init(varve_inspected *inspected);

/**
 * Describe one file of a database: IDENT, a manifest, a file of the log, a segment, a list of
 * deletes, a ring. Goes on behind damage and tells of each: finding some is the work of this call,
 * not its failure. Opens no database and writes nothing.
 *
 * Threads:  callable from any thread.
 * Blocks:   yes, it reads the whole file.
 * Errors:   E_INVALID (no visitor), E_NOT_FOUND, E_UNSUPPORTED (no file of a database), E_IO,
 * E_LIMIT, E_NOMEM.
 * Since:    0.1
 */
VARVE_API varve_status varve_inspect(const char *path, const varve_inspect_options *options,
                                     varve_inspected *out_inspected, varve_error *out_err);

/** What varve_snapshot or varve_restore made. */
typedef struct varve_copied {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t sequence;     /* every row and delete up to this row sequence is in it, none above */
    uint64_t files;        /* segments and lists of deletes */
    uint64_t files_linked; /* of them, those that share their bytes on the disk with the source */
    uint64_t bytes;        /* of all segments */
} varve_copied;

VARVE_API void varve_copied_init(varve_copied *copied);

/**
 * Make a copy of the database as it is visible now, while writing goes on: a directory of its own,
 * complete and durable on return, that shares immutable files with the database through hard links
 * where the file system can and copies them where not. A snapshot is opened read-only and never
 * written; varve_restore makes a database of it. It appears whole: while it is made it is
 * <path>.tmp/new, which a later call for the same path clears away if a crash left it. On failure
 * there is nothing at `path`, and the database is as before. Links share damage on the disk: verify
 * the snapshot, and copy it to another disk.
 *
 * Works for databases in memory and through read-only handles too, and while a full disk refuses
 * writes.
 *
 * Threads:  callable from any thread, beside everything else.
 * Blocks:   yes. Progress in bytes.
 * Errors:   E_EXISTS (there is something at path), E_NOT_FOUND (the directory that is to hold it),
 *           E_INVALID (path lies inside of the database), E_LOCKED (another call is making it),
 *           E_CONFLICT (<path>.tmp is something else), E_CORRUPT (found while copying), E_NOSPACE,
 *           E_CANCELLED, E_NOMEM, E_IO.
 * Since:    0.1
 *
 * @param path        the new directory; its parent must exist
 * @param out_copied  may be NULL
 */
VARVE_API varve_status varve_snapshot(varve_db *db, const char *path, varve_task *task,
                                      varve_copied *out_copied, varve_error *out_err);

/**
 * Make a database of a snapshot: everything in it is read, checked and decoded first, then copied;
 * nothing is shared. The new database has an id of its own and begins a new log; row ids go on. It
 * appears whole, as with varve_snapshot. `snapshot` may be any directory of a database; of one that
 * is being written it takes what is visible at the start.
 *
 * Threads:  callable from any thread.
 * Blocks:   yes. Progress in rows, then in bytes.
 * Errors:   those of varve_snapshot, and E_NOT_FOUND (no database at `snapshot`), E_CORRUPT (names
 *           what is damaged), E_UNSUPPORTED (a format from the future).
 * Since:    0.1
 *
 * @param path        the new directory; its parent must exist
 * @param options     NULL: defaults; memory, allocator, log function and environment count
 * @param out_copied  may be NULL
 */
VARVE_API varve_status varve_restore(const char *snapshot, const char *path,
                                     const varve_options *options, varve_task *task,
                                     varve_copied *out_copied, varve_error *out_err);

/** Kinds of varve_stat. */
enum {
    VARVE_STAT_COUNTER = 0,
    VARVE_STAT_GAUGE = 1,
    VARVE_STAT_HISTOGRAM = 2 /* NAME_bucket{le="..."}, cumulative, NAME_sum, NAME_count */
};

/** One figure; the name is static. Those of which there are several end in a label set, such as
 * varve_level_segments{level="0"}, and follow each other. */
typedef struct varve_stat {
    const char *name; /* "varve_wal_bytes", base units, counters end in _total */
    uint32_t kind;
    uint32_t reserved;
    double value;
    const char *help;
} varve_stat;

/** Fill up to capacity figures; *out_count is how many there are. Never fails for want of room. */
VARVE_API varve_status varve_stats(varve_db *db, varve_stat *out_stats, size_t capacity,
                                   size_t *out_count, varve_error *out_err);

/** States of health. */
enum {
    VARVE_HEALTH_OK = 0,
    VARVE_HEALTH_DEGRADED = 1,     /* salvage left holes, damaged blocks were met, or the last flush
                                      or merge failed and is tried again */
    VARVE_HEALTH_NOSPACE = 2,      /* rows are refused until space returns */
    VARVE_HEALTH_WRITE_FAILED = 3, /* a sync failed: reads go on, writes need close and open */
    VARVE_HEALTH_CORRUPT = 4       /* read-only, with the intact part of a damaged log */
};

/**
 * The state of health, which is the worst that holds. *out_reason (may be NULL) gets the error that
 * led there; status VARVE_OK when there is none. NOSPACE is left by itself when space returns, and
 * so is DEGRADED where a flush or merge works again. A change is an event of the log function,
 * "health.changed", whose message begins with the name of the state.
 */
VARVE_API uint32_t varve_health(varve_db *db, varve_error *out_reason);

#ifdef __cplusplus
}
#endif
#endif
