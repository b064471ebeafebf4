/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_SERVER_INGEST_H
#define VV_SERVER_INGEST_H

/*
 * The sink of wire/decode.h that stores: rows of one text on their way into the database, gathered
 * in a batch that is committed whenever it is large enough, so that a text of any length takes
 * bounded memory. What cannot be stored is left out, counted, and the first of it is kept with its
 * line and reason. The doors of the server and the command line use it alike.
 *
 *     vv_ingest_init(&ingest, &options, &err);
 *     vv_ingest_sink(&ingest, &sink);
 *     ... a decoder with this sink ...
 *     vv_ingest_flush(&ingest, &err);
 *     vv_ingest_deinit(&ingest);
 *
 * G1  A batch is committed at batch_rows_max rows or batch_bytes bytes, but only between two lines,
 *     and by vv_ingest_flush. So what is stored at any moment, also after a failure, is a whole
 *     prefix of the good lines: every line up to `lines_stored`, and of those after it none.
 * G2  The index of a rejected row is the number of rows added before it, hence `row_lines`.
 * G3  A text that is a whole is one batch, and nothing is stored when anything was left out.
 * G4  The lines that are kept of those left out are the first, in the order of the text, each once,
 *     whoever refused them: the decoder as it came, or the database with its batch.
 */

#include "base/arena.h"
#include "base/vec.h"
#include "server/name_cache.h"

typedef struct vv_wire_sink vv_wire_sink; /* wire/decode.h */
typedef struct vv_wire_bad vv_wire_bad;
typedef struct vv_decoder_options vv_decoder_options;

/* Rows that are stored as a whole or not at all take at most this much in memory (protocols.md,
 * section 4), and their text as much. */
#define VV_INGEST_WHOLE_BYTES_MAX (64u * 1024u * 1024u)

/** How much of a text becomes one batch. */
typedef enum vv_ingest_unit {
    VV_INGEST_PARTS, /* batches of batch_rows_max and batch_bytes; what is bad is left out */
    VV_INGEST_WHOLE, /* all of it, and nothing when anything is bad; E_LIMIT when too much */
    VV_INGEST_WHOLE_IF_FITS, /* the same, but what is too much goes on in parts */
} vv_ingest_unit;

/* Fields that a text remembers by place: rows of one client look alike. */
#define VV_INGEST_MEMO_FIELDS 32u

typedef struct vv_ingest_options {
    varve_db *db;
    vv_alloc *alloc;
    vv_name_cache *series; /* keys to handles; several texts may share it at a time */
    vv_name_cache *fields;
    uint64_t batch_rows_max;
    uint64_t batch_bytes;
    vv_ingest_unit unit;
    bool bounds_names;       /* the bounds of the server on what names a series */
    size_t string_bytes_max; /* of a string, or of bytes; 0: what the database takes */
    size_t bad_lines_max;    /* how many lines that are left out are kept; 0: the first, without its
                                text. At most VV_INGEST_BAD_LINES_MAX */
} vv_ingest_options;

/* What is kept of lines that were left out: so many, so much of each (as InfluxDB 3 does). */
#define VV_INGEST_BAD_LINES_MAX  100u
#define VV_INGEST_BAD_TEXT_BYTES 128u

/** A line that was left out. */
typedef struct vv_ingest_bad {
    uint64_t line;
    varve_error why;
    uint8_t size; /* of text */
    char text[VV_INGEST_BAD_TEXT_BYTES];
} vv_ingest_bad;

/** Why something is left out, for counting. */
typedef enum vv_ingest_reason {
    VV_INGEST_INVALID,
    VV_INGEST_LIMIT,     /* of a name, a value, a line, a time */
    VV_INGEST_CONFLICT,  /* a field of another type than is stored, and the like */
    VV_INGEST_RETENTION, /* a time before the retention window */
    VV_INGEST_REASON_COUNT
} vv_ingest_reason;

typedef struct vv_ingest {
    vv_ingest_options options;
    varve_batch *batch;
    vv_arena arena; /* bytes that rows of the batch point to */
    vv_arena names; /* metric and labels of one series */
    vv_buf key;     /* prefix of keys, and the key under way behind it */
    size_t key_prefix;
    vv_vec row_lines;  /* uint64_t: the line of each row of the batch */
    vv_vec row_texts;  /* varve_text, in the arena: its beginning; where lines are kept */
    vv_vec fields;     /* varve_field: those of the rows under way */
    vv_vec row_fields; /* varve_field: room for those of one row, where some are absent */
    vv_vec row_values; /* varve_value, the same */
    vv_buf memo_names;
    struct {
        size_t offset, size; /* in memo_names */
        varve_field field;
    } memo[VV_INGEST_MEMO_FIELDS];
    size_t memo_count;
    uint64_t batch_bytes;  /* about what the batch holds */
    uint64_t lines;        /* given by the decoder, whole */
    uint64_t lines_stored; /* as G1 */
    uint64_t rows;         /* stored so far */
    uint64_t rejected;     /* left out so far: lines, and rows the database refused */
    uint64_t reasons[VV_INGEST_REASON_COUNT]; /* the same, by reason */
    uint64_t first_line;                      /* of what was left out */
    varve_error first_err;                    /* why */
    vv_vec bad_lines;                         /* vv_ingest_bad (G4) */
    uint32_t limits;                          /* bounds that left something out, as bits */
    int64_t latest; /* rows with a later time are left out; the owner moves it, INT64_MAX: none */
    uint32_t ack;   /* weakest so far; VARVE_ACK_NONE before the first */
    uint64_t cache_hits; /* series keys that were known */
    uint64_t cache_misses;
} vv_ingest;

/* Bounds of the server on what names a series (security.md, section 4); the library takes more. */
#define VV_INGEST_METRIC_BYTES_MAX 512u
#define VV_INGEST_LABELS_MAX       64u
#define VV_INGEST_VALUE_BYTES_MAX  4096u
#define VV_INGEST_KEY_BYTES_MAX    16384u

/** Handle members of options are borrowed until deinit, which also ends one whose init failed. */
VV_MUST_CHECK varve_status vv_ingest_init(vv_ingest *ingest, const vv_ingest_options *options,
                                          varve_error *out_err);
void vv_ingest_deinit(vv_ingest *ingest);

/**
 * What the texts of a shared cache of series differ in: the same key stands for another series in
 * another format, or with other extra labels. Not called: line protocol without any. E_NOMEM.
 * @param format  vv_format
 */
VV_MUST_CHECK varve_status vv_ingest_set_origin(vv_ingest *ingest, uint32_t format,
                                                const vv_decoder_options *options,
                                                varve_error *out_err);

/** The sink, whose context is the ingest. A row that cannot be stored is counted, not a failure:
 * only what ends the text is (E_NOMEM, E_BUSY, E_IO and kin; E_LIMIT of a whole). */
void vv_ingest_sink(vv_ingest *ingest, vv_wire_sink *out_sink);

/** Commit what was added. Of a whole of which something was left out: drop it, and E_INVALID with
 * the reason of the first. */
VV_MUST_CHECK varve_status vv_ingest_flush(vv_ingest *ingest, varve_error *out_err);

/** "DURABLE" (also of no rows), "APPENDED", "VOLATILE". */
const char *vv_ingest_ack_text(const vv_ingest *ingest);

#endif
