/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_NET_HTTP_FETCH_H
#define VV_NET_HTTP_FETCH_H

/*
 * One HTTP request over libcurl: body and answer stream, memory is bounded. http and https only,
 * redirects are not followed.
 */

#include "base/compiler.h"
#include "base/slice.h"
#include "varve.h"

/* The body of an answer that is no success is kept up to here. */
#define VV_HTTP_FETCH_BODY_BYTES_MAX 4096u

/* A header of an answer is kept up to here, as far as one is wanted. */
#define VV_HTTP_FETCH_HEADER_BYTES_MAX 128u

/** The next bytes of the request's body, borrowed until the next call; *out_is_end ends it. */
typedef varve_status (*vv_http_fetch_source)(void *context, vv_bytes *out_piece, bool *out_is_end,
                                             varve_error *out_err);
/** Takes bytes of the body of a 2xx answer. */
typedef varve_status (*vv_http_fetch_sink)(void *context, vv_bytes piece, varve_error *out_err);
/** Asked about once a second and with every piece; false ends the request with E_CANCELLED. */
typedef bool (*vv_http_fetch_check)(void *context);

typedef struct vv_http_fetch_request {
    const char *url;
    const char *content_type;    /* of the body */
    vv_http_fetch_source source; /* NULL: GET; else POST with what it gives */
    void *source_context;
    vv_http_fetch_sink sink; /* NULL: the body is not wanted */
    void *sink_context;
    vv_http_fetch_check check; /* NULL: none */
    void *check_context;
    const char *header; /* name of the one header that is wanted of the answer; NULL: none */
} vv_http_fetch_request;

typedef struct vv_http_fetch_answer {
    uint32_t code;                           /* 0: no server answered */
    char body[VV_HTTP_FETCH_BODY_BYTES_MAX]; /* the beginning, when code is no 2xx; terminated */
    size_t body_size;
    char header[VV_HTTP_FETCH_HEADER_BYTES_MAX]; /* value of request->header; empty: it has none */
} vv_http_fetch_answer;

/**
 * Send and receive. OK when an answer came, whatever its code. Errors: E_INVALID (the URL), E_IO
 * (no server, or the connection broke; out_answer->code tells which), E_CANCELLED, E_NOMEM, and
 * those of source and sink.
 */
VV_MUST_CHECK varve_status vv_http_fetch_run(const vv_http_fetch_request *request,
                                             vv_http_fetch_answer *out_answer,
                                             varve_error *out_err);

#endif
