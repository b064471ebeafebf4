/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounds that a request may run into, one row each: VV_LIMIT(id, number, name). An error of one
 * carries its number, so that whoever answers can say which it was, how large it is and what raises
 * it; the code that programs see is "limit_" and the name. Numbers and names are never reused.
 */
#ifndef VV_BASE_LIMIT_H
#define VV_BASE_LIMIT_H

#include "base/compiler.h"
#include "varve.h"

/* clang-format off */
#define VV_LIMIT_MAP(X)                      \
    X(QUERY_ROWS,      1, "query_rows")      \
    X(QUERY_MEMORY,    2, "query_memory")    \
    X(QUERY_TIME,      3, "query_time")      \
    X(QUERY_SHAPE,     4, "query_shape")     \
    X(QUERIES,         5, "queries")         \
    X(REGEX,           6, "regex")           \
    X(SERIES,          7, "series")          \
    X(SERIES_NAME,     8, "series_name")     \
    X(BATCH,           9, "batch")           \
    X(LINE,           10, "line")            \
    X(COLUMNS,        11, "columns")         \
    X(DOCUMENT,       12, "document")        \
    X(FORM,           13, "form")            \
    X(INFLATE,        14, "inflate")         \
    X(PARAMETERS,     15, "parameters")      \
    X(PARSES,         16, "parses")          \
    X(BODIES,         17, "bodies")          \
    X(REQUEST_MEMORY, 18, "request_memory")  \
    X(CONNECTIONS,    19, "connections")     \
    X(HEAD,           20, "head")            \
    X(TARGET,         21, "target")          \
    X(OTHER,          22, "other")           \
    X(VALUE,          23, "value")           \
    X(FUTURE,         24, "future")          \
    X(NAMES_MEMORY,   25, "names_memory")
/* clang-format on */

typedef enum vv_limit {
    VV_LIMIT_NONE = 0,
#define VV_LIMIT_ENUM(id, number, name) VV_LIMIT_##id = (number),
    VV_LIMIT_MAP(VV_LIMIT_ENUM)
#undef VV_LIMIT_ENUM
        VV_LIMIT_COUNT
} vv_limit;

/** As vv_fail, for a bound: mostly with VARVE_E_LIMIT. */
VV_COLD varve_status vv_fail_limit(varve_error *out_err, varve_status status, vv_limit limit,
                                   const char *format, ...) VV_PRINTF(4, 5);

/** The bound of an error; VV_LIMIT_NONE when it is of none that is known. */
vv_limit vv_error_limit(const varve_error *err);

/** "query_rows"; "" of NONE. */
const char *vv_limit_name(vv_limit limit);

#endif
