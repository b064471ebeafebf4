/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Answers: whole, or pulled piece by piece while the client takes them.
 *
 * A streamed answer costs at most one piece, its compressed form and the compressor. The end of a
 * chunked answer is its last chunk: an answer that fails midway is closed without it, so a client
 * never takes a part for the whole.
 */

#include <string.h>

#include "base/json_writer.h"
#include "base/status.h"
#include "net/http_priv.h"

/* Up to here a compressed answer is hardly smaller (protocols.md, section 0). */
#define ANSWER_PLAIN_BYTES_MAX 1024u
/* What libmicrohttpd asks for at a time. */
#define ANSWER_BLOCK_BYTES 32768u

void vv_http_add_header(vv_http_request *request, const char *name, const char *value)
{
    if (request->header_count == HTTP_ANSWER_HEADERS_MAX) {
        return;
    }
    varve_text copy;
    if (vv_arena_copy(&request->arena, vv_text_from_string(value), &copy) != VARVE_OK) {
        return;
    }
    request->header_names[request->header_count] = name;
    request->header_values[request->header_count] = copy.data;
    request->header_count += 1;
}

void vv_http_vary_origin(vv_http_request *request)
{
    request->varies_by_origin = true;
}

void vv_http_close_after(vv_http_request *request)
{
    request->is_closing = true;
}

static vv_encoding answer_choose_encoding(vv_http_request *request)
{
    varve_text accept;
    if (!vv_http_request_header(request, VV_TEXT("Accept-Encoding"), &accept)) {
        return VV_ENCODING_IDENTITY;
    }
    return vv_encoding_choose(accept);
}

/** What keeps an answer from being taken by a browser for a page, a script or a frame of another
 * site (security.md, T14). A handler that shows a page has a policy of its own. */
static void answer_add_guards(const vv_http_request *request, struct MHD_Response *answer)
{
    bool has_policy = false;
    for (size_t index = 0; index < request->header_count; index++) {
        has_policy =
            has_policy || strcmp(request->header_names[index], "Content-Security-Policy") == 0;
    }
    if (!has_policy) {
        VV_IGNORE(MHD_add_response_header(answer, "Content-Security-Policy",
                                          "default-src 'none'; frame-ancestors 'none'"));
    }
    VV_IGNORE(MHD_add_response_header(answer, "X-Content-Type-Options", "nosniff"));
    VV_IGNORE(MHD_add_response_header(answer, "Cross-Origin-Resource-Policy", "same-origin"));
}

/** What caches are told the answer depends on besides the target. */
static void answer_add_vary(const vv_http_request *request, bool varies,
                            struct MHD_Response *answer)
{
    const char *text = varies && request->varies_by_origin ? "Accept-Encoding, Origin"
                       : varies                            ? "Accept-Encoding"
                                                           : "Origin";
    if (varies || request->varies_by_origin) {
        VV_IGNORE(MHD_add_response_header(answer, "Vary", text));
    }
}

/** Give the response its headers and keep it for request_queue. */
static void answer_keep(vv_http_request *request, uint32_t code, const char *content_type,
                        vv_encoding encoding, bool varies, struct MHD_Response *answer)
{
    if (answer == NULL) {
        request->is_lost = true;
        return;
    }
    /* A header that cannot be added for want of memory is left out: the body is still right, but
     * one that says how to read it is not optional. */
    bool is_readable = true;
    if (content_type != NULL) {
        VV_IGNORE(MHD_add_response_header(answer, "Content-Type", content_type));
        answer_add_guards(request, answer);
    }
    if (encoding != VV_ENCODING_IDENTITY) {
        is_readable = MHD_add_response_header(answer, "Content-Encoding",
                                              vv_encoding_name(encoding)) == MHD_YES;
    }
    answer_add_vary(request, varies, answer);
    if (request->is_closing || atomic_load(&request->http->is_stopping)) {
        VV_IGNORE(MHD_add_response_header(answer, "Connection", "close"));
    }
    for (size_t index = 0; index < request->header_count; index++) {
        VV_IGNORE(MHD_add_response_header(answer, request->header_names[index],
                                          request->header_values[index]));
    }
    if (!is_readable) {
        MHD_destroy_response(answer);
        request->is_lost = true;
        return;
    }
    request->answer = answer;
    request->view.code = code;
}

static void answer_whole(vv_http_request *request, uint32_t code, const char *content_type,
                         vv_encoding encoding, bool varies, vv_bytes body)
{
    static const char nothing[1] = "";
    union { /* libmicrohttpd copies the bytes, but its prototype is without const */
        const void *from;
        void *to;
    } bytes = {.from = body.size == 0 ? nothing : (const void *)body.data};
    answer_keep(request, code, content_type, encoding, varies,
                MHD_create_response_from_buffer(body.size, bytes.to, MHD_RESPMEM_MUST_COPY));
}

void vv_http_respond(vv_http_request *request, uint32_t code, const char *content_type,
                     varve_text body)
{
    if (request->answer != NULL) {
        return;
    }
    bool varies = body.size > ANSWER_PLAIN_BYTES_MAX;
    vv_encoding encoding = varies ? answer_choose_encoding(request) : VV_ENCODING_IDENTITY;
    vv_bytes bytes = vv_bytes_of_text(body);
    if (encoding != VV_ENCODING_IDENTITY) {
        vv_deflate *deflate = NULL;
        varve_status status =
            vv_deflate_create(request->http->options.alloc, encoding, &deflate, NULL);
        if (status == VARVE_OK) {
            status = vv_deflate_feed(deflate, bytes, true, &request->packed, NULL);
        }
        vv_deflate_free(deflate);
        if (status == VARVE_OK) {
            bytes = vv_buf_bytes(&request->packed);
        } else {
            encoding = VV_ENCODING_IDENTITY; /* plain is always right */
        }
    }
    answer_whole(request, code, content_type, encoding, varies, bytes);
}

void vv_http_refuse(vv_http_request *request, uint32_t code, const char *error_type,
                    const char *text)
{
    vv_buf buf;
    vv_buf_init(&buf, request->http->options.alloc, SIZE_MAX);
    vv_json json;
    vv_json_init(&json, &buf);
    vv_json_object_begin(&json);
    vv_json_key_text(&json, VV_TEXT("status"), VV_TEXT("error"));
    vv_json_key_text(&json, VV_TEXT("errorType"), vv_text_from_string(error_type));
    vv_json_key_text(&json, VV_TEXT("error"), vv_text_from_string(text));
    vv_json_object_end(&json);
    vv_http_close_after(request);
    if (vv_json_end(&json, NULL) == VARVE_OK) {
        answer_whole(request, code, "application/json", VV_ENCODING_IDENTITY, false,
                     vv_buf_bytes(&buf));
    } else {
        request->is_lost = true;
    }
    vv_buf_deinit(&buf);
}

/* ---- streaming ---- */

/** The bytes that wait to be sent. */
static vv_buf *answer_waiting(vv_http_request *request)
{
    return request->deflate != NULL ? &request->packed : &request->raw;
}

/** Pull until bytes wait or the end is there. */
static varve_status answer_fill(vv_http_request *request, varve_error *out_err)
{
    vv_buf *waiting = answer_waiting(request);
    vv_buf_reset(waiting);
    request->given = 0;
    while (waiting->size == 0 && !request->is_at_end) {
        vv_buf_reset(&request->raw);
        VV_TRY(request->pull(request->pull_state, &request->raw, &request->is_at_end, out_err));
        VV_TRY(vv_buf_check(&request->raw, out_err));
        if (request->deflate != NULL) {
            VV_TRY(vv_deflate_feed(request->deflate, vv_buf_bytes(&request->raw),
                                   request->is_at_end, &request->packed, out_err));
        }
    }
    return VARVE_OK;
}

static ssize_t answer_read(void *context, uint64_t position, char *target, size_t capacity)
{
    (void)position;
    vv_http_request *request = context;
    vv_buf *waiting = answer_waiting(request);
    if (request->given == waiting->size) {
        if (request->is_at_end) {
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
        vv_http_expect(request->connection, UINT64_MAX);
        varve_status status = answer_fill(request, NULL);
        vv_http_expect(request->connection, request->http->options.stall_timeout_ms);
        if (status != VARVE_OK) {
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
        if (waiting->size == 0) {
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
    }
    vv_http_expect(request->connection, request->http->options.stall_timeout_ms);
    size_t left = waiting->size - request->given;
    size_t size = left < capacity ? left : capacity;
    memcpy(target, waiting->data + request->given, size);
    request->given += size;
    return (ssize_t)size;
}

/** Begin to compress, with what was pulled first. */
static varve_status answer_open_deflate(vv_http_request *request, vv_encoding encoding,
                                        varve_error *out_err)
{
    VV_TRY(vv_deflate_create(request->http->options.alloc, encoding, &request->deflate, out_err));
    VV_TRY(vv_deflate_feed(request->deflate, vv_buf_bytes(&request->raw), false, &request->packed,
                           out_err));
    return VARVE_OK;
}

varve_status vv_http_respond_stream(vv_http_request *request, uint32_t code,
                                    const char *content_type, vv_http_pull pull, void *state,
                                    varve_error *out_err)
{
    request->pull = pull;
    request->pull_state = state;
    VV_TRY(answer_fill(request, out_err));
    if (request->is_at_end) {
        vv_http_respond(request, code, content_type, vv_buf_text(&request->raw));
        return VARVE_OK;
    }
    vv_encoding encoding = answer_choose_encoding(request);
    if (encoding != VV_ENCODING_IDENTITY) {
        VV_TRY(answer_open_deflate(request, encoding, out_err));
    }
    answer_keep(request, code, content_type, encoding, true,
                MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, ANSWER_BLOCK_BYTES, answer_read,
                                                  request, NULL));
    return VARVE_OK;
}

void vv_http_answer_deinit(vv_http_request *request)
{
    if (request->answer != NULL) {
        MHD_destroy_response(request->answer);
        request->answer = NULL;
    }
    vv_deflate_free(request->deflate);
    vv_buf_deinit(&request->raw);
    vv_buf_deinit(&request->packed);
}
