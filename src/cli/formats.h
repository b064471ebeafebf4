/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_FORMATS_H
#define VV_CLI_FORMATS_H

/*
 * What varve import reads: one row a format. The name of a file tells its format by a suffix,
 * before .gz or .zst.
 */

#include <stdbool.h>

#include "base/compiler.h"
#include "base/slice.h"
#include "varve.h"

#define VV_FORMAT_SUFFIXES_MAX 4u

typedef struct vv_format_row {
    const char *name;                             /* of --format */
    const char *unit_word;                        /* what is counted, such as "line" */
    uint32_t format;                              /* vv_format of wire/decode.h */
    const char *suffixes[VV_FORMAT_SUFFIXES_MAX]; /* with their dot; NULL: no more */
    /* how a server takes it */
    const char *path;
    const char *content_type;
    /* The unit of its times without --precision: VARVE_PRECISION_...; STORED: the database's. */
    uint32_t unit;
    bool is_whole; /* good as a whole, or not at all: one batch, as far as it fits */
    bool has_unit; /* --precision means something, also as a parameter of the server */
} vv_format_row;

/** The row of a name; NULL: none. */
const vv_format_row *vv_formats_find(const char *name);
/** The row of a path; NULL: its suffix is none of the table. */
const vv_format_row *vv_formats_of_path(const char *path);
/* How many bytes tell what a text is. */
#define VV_FORMAT_MAGIC_BYTES 8u

/** The row of the format that these first bytes of a text prove; NULL: none. */
VV_UNTRUSTED const vv_format_row *vv_formats_of_bytes(vv_bytes bytes);
/** "lp, jsonl or ..."; terminated. */
void vv_formats_list(char *target, size_t capacity);

#endif
