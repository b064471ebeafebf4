/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Heads and bodies of requests. libmicrohttpd calls, all for one request from one thread:
 *
 *   on_target      the request line is there: the request object is made
 *   on_request     first: the head is complete; then for every piece of the body; then once more
 *   on_completed   over, answered or not
 *
 * The handler may have answered at the head already. A refusal goes out at once (H2), and so does
 * any answer where the client waits for leave to send its body; another one is kept until the last
 * call of on_request.
 */

#include <string.h>
#include <sys/socket.h>

#include "base/limit.h"
#include "base/status.h"
#include "base/text.h"
#include "net/http_priv.h"
#include "sys/clock.h"
#include "sys/process.h"

/* A body gets this long before its rate counts (security.md, T11). */
#define REQUEST_BODY_GRACE_MS    10000u
#define REQUEST_BODY_BYTES_PER_S 1024u
/* What a client that was answered early gets to notice; arbitrary. */
#define REQUEST_LINGER_MS INT64_C(1000)
/* Slack for frames without content. */
#define REQUEST_EMPTY_FRAMES_BYTES 65536u

void *vv_http_on_target(void *context, const char *target, struct MHD_Connection *mhd)
{
    vv_http *http = context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    http_connection *connection = info == NULL ? NULL : info->socket_context;
    if (connection == NULL || connection->is_refused) {
        return NULL;
    }
    if (connection->has_served) { /* the first head has its deadline since it was accepted */
        vv_http_expect(connection, http->options.header_timeout_ms);
    }
    if (connection->request != NULL) {
        vv_http_request_end(connection->request);
    }
    vv_http_request *request = vv_alloc_zeroed(http->options.alloc, sizeof *request);
    if (request == NULL) {
        return NULL;
    }
    connection->request = request;
    request->http = http;
    request->connection = connection;
    request->mhd = mhd;
    vv_arena_init(&request->arena, http->options.alloc, http->options.request_bytes_max);
    vv_buf_init(&request->body, http->options.alloc, http->options.request_bytes_max);
    vv_buf_init(&request->raw, http->options.alloc, SIZE_MAX);
    vv_buf_init(&request->packed, http->options.alloc, SIZE_MAX);
    if (vv_arena_copy(&request->arena, vv_text_from_string(target), &request->target) != VARVE_OK) {
        request->is_lost = true;
    }
    return request;
}

/* ---- the head ---- */

/** What the lines of a head add up to. */
typedef struct request_head {
    size_t bytes;
    size_t lines;
    size_t longest;
    size_t lengths;   /* Content-Length lines */
    size_t encodings; /* Transfer-Encoding lines */
    size_t contents;  /* Content-Encoding lines */
    size_t hosts;
    size_t origins;
    bool is_bad_length;
    bool is_bad_name;
    bool has_continue;
    bool is_bad_expect;
    uint64_t length;
} request_head;

/**
 * Whether the name of a header is one. libmicrohttpd takes whatever stands before the colon, so
 * "Content-Length : 5" would be a header that nobody knows, and the body another request.
 */
static bool request_is_name(varve_text name)
{
    for (size_t index = 0; index < name.size; index++) {
        unsigned char c = (unsigned char)name.data[index];
        if (c <= ' ' || c >= 0x7F || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL) {
            return false;
        }
    }
    return name.size > 0;
}

static enum MHD_Result request_count_header(void *context, enum MHD_ValueKind kind,
                                            const char *name, size_t name_size, const char *value,
                                            size_t value_size)
{
    (void)kind;
    request_head *head = context;
    varve_text key = vv_text_make(name, name_size);
    varve_text text = vv_text_make(value, value_size);
    size_t line = name_size + value_size + 4;
    head->bytes += line;
    head->lines += 1;
    head->longest = line > head->longest ? line : head->longest;
    head->is_bad_name = head->is_bad_name || !request_is_name(key);
    if (vv_text_equal_nocase(key, VV_TEXT("Content-Length"))) {
        head->lengths += 1;
        bool is_plain = text.size > 0 && text.data[0] >= '0' && text.data[0] <= '9';
        head->is_bad_length =
            head->is_bad_length || !is_plain || !vv_text_parse_u64(text, &head->length);
    } else if (vv_text_equal_nocase(key, VV_TEXT("Transfer-Encoding"))) {
        head->encodings += 1;
        head->is_bad_length =
            head->is_bad_length || !vv_text_equal_nocase(text, VV_TEXT("chunked"));
    } else if (vv_text_equal_nocase(key, VV_TEXT("Content-Encoding"))) {
        head->contents += 1;
    } else if (vv_text_equal_nocase(key, VV_TEXT("Expect"))) {
        head->has_continue = vv_text_equal_nocase(text, VV_TEXT("100-continue"));
        head->is_bad_expect = head->is_bad_expect || !head->has_continue;
    } else if (vv_text_equal_nocase(key, VV_TEXT("Host"))) {
        head->hosts += 1;
    } else if (vv_text_equal_nocase(key, VV_TEXT("Origin"))) {
        head->origins += 1;
    }
    return MHD_YES;
}

/** Refuse what is too large or ambiguous (H3); true when the head is good. */
static bool request_check_head(vv_http_request *request)
{
    request_head head = {0};
    VV_IGNORE(MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, request_count_header,
                                          &head)); /* counts what head.lines counts */
    request->has_body = head.length > 0 || head.encodings > 0;
    request->has_continue = head.has_continue;
    request->length = head.length;
    if (request->target.size > VV_HTTP_LINE_BYTES_MAX) {
        vv_http_refuse(request, 414, "bad_data",
                       "the request target is longer than 8192 bytes (limit_target)");
    } else if (head.bytes > VV_HTTP_HEAD_BYTES_MAX || head.lines > VV_HTTP_HEADERS_MAX ||
               head.longest > VV_HTTP_LINE_BYTES_MAX + 4) {
        vv_http_refuse(request, 431, "bad_data",
                       "the request head is too large: 100 fields of 8192 bytes, 32768 in all "
                       "(limit_head)");
    } else if (head.is_bad_length || head.lengths > 1 || head.encodings > 1 ||
               (head.lengths > 0 && head.encodings > 0)) {
        request->is_unframed = true;
        vv_http_refuse(request, 400, "bad_data", "the length of the body is ambiguous");
    } else if (head.is_bad_name) {
        request->is_unframed = true;
        vv_http_refuse(request, 400, "bad_data", "a header has a name that is none");
    } else if (head.hosts > 1 || head.origins > 1) {
        vv_http_refuse(request, 400, "bad_data", "more than one Host or Origin");
    } else if (head.is_bad_expect) {
        vv_http_refuse(request, 417, "bad_data", "Expect is to be 100-continue");
    } else if (head.contents > 1) {
        vv_http_refuse(request, 415, "bad_data", "more than one Content-Encoding");
    } else {
        return true;
    }
    return false;
}

/** Whether a client's id can stand in a header and a log as it is. */
static bool request_is_id(varve_text id)
{
    for (size_t index = 0; index < id.size; index++) {
        char c = id.data[index];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!is_plain && (c == '\0' || strchr("-_.:/+=@", c) == NULL)) {
            return false;
        }
    }
    return id.size > 0 && id.size <= VV_HTTP_REQUEST_ID_BYTES_MAX;
}

/** The id of the request: what the client calls it, or a number that no other request has. */
static void request_name(vv_http_request *request)
{
    vv_http *http = request->http;
    varve_text id;
    char made[32];
    if (!vv_http_request_header(request, VV_TEXT("X-Request-Id"), &id) || !request_is_id(id)) {
        uint64_t number = http->options.id_begin + atomic_fetch_add(&http->request_count, 1);
        vv_text_format(made, sizeof made, "%016llx", (unsigned long long)number);
        id = vv_text_from_string(made);
    }
    request->view.id = VV_TEXT("");
    if (vv_arena_copy(&request->arena, id, &request->view.id) == VARVE_OK) {
        vv_http_add_header(request, "X-Request-Id", request->view.id.data);
    }
    request->view.is_unix = request->connection->is_unix;
    request->view.peer = vv_text_from_string(request->connection->peer);
}

/** Path and parameters; true when they can be read. */
static bool request_parse_target(vv_http_request *request)
{
    varve_error err;
    size_t mark = vv_text_find_char(request->target, '?');
    varve_text path = vv_text_make(request->target.data, mark);
    varve_text query = vv_text_sub(request->target, mark + 1, request->target.size);
    varve_status status =
        vv_percent_decode(path, VV_PERCENT_PATH, &request->arena, &request->view.path, &err);
    if (status == VARVE_OK) {
        status = vv_params_parse(&request->view.params, query, &request->arena, &err);
    }
    if (status != VARVE_OK) {
        if (status == VARVE_E_LIMIT) {
            char text[sizeof err.message + 64];
            vv_text_format(text, sizeof text, "%s (limit_%s)", err.message,
                           vv_limit_name(vv_error_limit(&err)));
            vv_http_refuse(request, 413, "bad_data", text);
        } else {
            vv_http_refuse(request, 400, "bad_data", err.message);
        }
        return false;
    }
    return true;
}

static void request_begin(vv_http_request *request, const char *method)
{
    vv_http *http = request->http;
    request->view.begin_ns = vv_mono_now_ns();
    request->body_begin_ns = request->view.begin_ns;
    request->view.method = vv_text_from_string(method);
    request->view.path = VV_TEXT("");
    vv_mutex_lock(&http->lock);
    http->active += 1;
    vv_mutex_unlock(&http->lock);
    vv_http_expect(request->connection, UINT64_MAX);
    request_name(request);
    if (request->is_lost || !request_check_head(request) || !request_parse_target(request)) {
        return;
    }
    if (atomic_load(&http->is_stopping)) {
        vv_http_add_header(request, "Retry-After", "1");
        vv_http_refuse(request, 503, "unavailable", "the server is stopping");
    } else {
        http->options.head(http->options.context, request);
    }
}

/* ---- the body ---- */

/** The next deadline of a body under way. */
static void request_expect_body(vv_http_request *request)
{
    uint64_t idle_ms = request->http->options.idle_timeout_ms;
    uint64_t grace_ms = request->http->options.header_timeout_ms;
    grace_ms = grace_ms < REQUEST_BODY_GRACE_MS ? grace_ms : REQUEST_BODY_GRACE_MS;
    uint64_t passed_ms =
        (uint64_t)(vv_mono_now_ns() - request->body_begin_ns) / (uint64_t)VV_NS_PER_MS;
    uint64_t due_ms = grace_ms + request->view.received / REQUEST_BODY_BYTES_PER_S * 1000;
    uint64_t rate_ms = due_ms > passed_ms ? due_ms - passed_ms : 0;
    vv_http_expect(request->connection, rate_ms < idle_ms ? rate_ms : idle_ms);
}

static varve_status request_collect(void *state, vv_bytes piece, varve_error *out_err)
{
    vv_http_request *request = state;
    vv_http *http = request->http;
    request->pending += piece.size;
    if (atomic_fetch_add(&http->pending_bytes, piece.size) + piece.size >
        http->options.pending_bytes_max) {
        vv_http_add_header(request, "Retry-After", "1");
        vv_http_refuse(request, 429, "unavailable",
                       "the bodies of all requests together are too large just now "
                       "(limit_bodies, --request-memory-max)");
        return vv_fail(out_err, VARVE_E_BUSY, "too many bytes of bodies");
    }
    if (vv_buf_append(&request->body, piece.data, piece.size) != VARVE_OK) {
        return vv_buf_check(&request->body, out_err);
    }
    return VARVE_OK;
}

/** Whether a body of the declared length, as it is, can be within the limit. */
static void request_open_body(vv_http_request *request, uint64_t decoded_bytes_max,
                              vv_http_piece piece, void *piece_state)
{
    varve_text text = VV_TEXT("");
    vv_encoding encoding;
    request->wants_body = true;
    if (vv_http_request_header(request, VV_TEXT("Content-Encoding"), &text) &&
        !vv_encoding_parse(text, &encoding)) {
        request->body_status = vv_fail(&request->body_err, VARVE_E_UNSUPPORTED,
                                       "Content-Encoding is to be identity, gzip, deflate or zstd");
        return;
    }
    if (!vv_encoding_parse(text, &encoding)) {
        encoding = VV_ENCODING_IDENTITY;
    }
    if (encoding == VV_ENCODING_IDENTITY && request->length > decoded_bytes_max) {
        request->body_status = vv_fail_limit(&request->body_err, VARVE_E_LIMIT, VV_LIMIT_DOCUMENT,
                                             "the body is larger than %llu bytes",
                                             (unsigned long long)decoded_bytes_max);
        return;
    }
    request->body_status =
        vv_inflate_create(request->http->options.alloc, encoding, decoded_bytes_max, piece,
                          piece_state, &request->inflate, &request->body_err);
}

void vv_http_read_body(vv_http_request *request, uint64_t decoded_bytes_max, vv_http_piece piece,
                       vv_http_done done, void *state)
{
    request->piece = piece;
    request->done = done;
    request->state = state;
    request_open_body(request, decoded_bytes_max, piece, state);
}

/** A body with parameters is a form. */
static varve_status request_check_form(vv_http_request *request)
{
    varve_text type = VV_TEXT("");
    VV_IGNORE(vv_http_request_header(request, VV_TEXT("Content-Type"), &type)); /* absent: none */
    varve_text word = vv_text_trim(vv_text_make(type.data, vv_text_find_char(type, ';')));
    return vv_text_equal_nocase(word, VV_TEXT("application/x-www-form-urlencoded"))
               ? VARVE_OK
               : vv_fail(&request->body_err, VARVE_E_UNSUPPORTED,
                         "a body with parameters is to be application/x-www-form-urlencoded");
}

void vv_http_read_document(vv_http_request *request, uint64_t decoded_bytes_max, bool takes_form,
                           vv_http_document done, void *state)
{
    request->takes_form = takes_form;
    request->document = done;
    request->state = state;
    request_open_body(request, decoded_bytes_max, request_collect, request);
    if (takes_form && request->length > 0 && request->body_status == VARVE_OK) {
        request->body_status = request_check_form(request);
    }
}

static void request_take_piece(vv_http_request *request, vv_bytes piece)
{
    request->view.received += piece.size;
    bool is_wanted = request->answer == NULL && request->wants_body &&
                     request->body_status == VARVE_OK && request->inflate != NULL;
    if (is_wanted) {
        vv_http_expect(request->connection, UINT64_MAX);
        request->body_status = vv_inflate_feed(request->inflate, piece, &request->body_err);
    } else {
        request->drained += piece.size;
        request->is_lost = request->drained > (request->wants_body ? VV_HTTP_DRAIN_BODY_BYTES_MAX
                                                                   : VV_HTTP_DRAIN_BYTES_MAX);
    }
    request_expect_body(request);
}

/** The body of a route that takes parameters, as a form; other than nothing it cannot be. */
static varve_status request_take_form(vv_http_request *request, varve_text body)
{
    if (body.size == 0) {
        return VARVE_OK;
    }
    VV_TRY(request_check_form(request));
    return vv_params_parse(&request->view.params, body, &request->arena, &request->body_err);
}

static void request_end_body(vv_http_request *request)
{
    varve_status status = request->body_status;
    if (status == VARVE_OK && request->inflate != NULL) {
        status = vv_inflate_end(request->inflate, &request->body_err);
    }
    if (request->document == NULL) {
        request->done(request->state, request, status, &request->body_err);
        return;
    }
    varve_text body = vv_buf_text(&request->body);
    if (status == VARVE_OK && request->takes_form) {
        status = request_take_form(request, body);
    }
    request->document(request->state, request, body, status, &request->body_err);
}

/* ---- calls of libmicrohttpd ---- */

static enum MHD_Result request_queue(vv_http_request *request)
{
    if (request->answer == NULL) {
        return MHD_NO;
    }
    vv_http_expect(request->connection, request->http->options.stall_timeout_ms);
    return MHD_queue_response(request->mhd, request->view.code, request->answer);
}

/** Whether the answer is there, and need not wait for the body. */
static bool request_is_answered_early(const vv_http_request *request)
{
    if (request->answer == NULL || !request->has_body) {
        return request->is_unframed;
    }
    bool is_long = request->length > VV_HTTP_DRAIN_BYTES_MAX;
    return request->is_unframed || request->view.code >= 400 || request->has_continue || is_long;
}

/** The last answer of the connection: what follows the head is a body that nobody reads. */
static enum MHD_Result request_queue_early(vv_http_request *request)
{
    if (request->answer != NULL && !request->is_closing) {
        VV_IGNORE(MHD_add_response_header(request->answer, "Connection", "close"));
    }
    request->is_early = true;
    return request_queue(request);
}

enum MHD_Result vv_http_on_request(void *context, struct MHD_Connection *mhd, const char *url,
                                   const char *method, const char *version, const char *upload_data,
                                   size_t *upload_data_size, void **request_context)
{
    (void)context;
    (void)mhd;
    (void)url;
    (void)version;
    vv_http_request *request = *request_context;
    if (request == NULL) {
        return MHD_NO;
    }
    if (!request->is_begun) {
        request->is_begun = true;
        request_begin(request, method);
        if (request->has_body && request->wants_body && request->body_status != VARVE_OK) {
            request_end_body(request); /* the head says it all: why wait for it */
        }
        if (request_is_answered_early(request)) {
            return request_queue_early(request);
        }
        request_expect_body(request);
        return request->is_lost ? MHD_NO : MHD_YES;
    }
    if (*upload_data_size > 0) {
        request_take_piece(request, vv_bytes_make(upload_data, *upload_data_size));
        *upload_data_size = 0;
        return request->is_lost ? MHD_NO : MHD_YES;
    }
    vv_http_expect(request->connection, UINT64_MAX);
    if (request->answer == NULL && request->wants_body) {
        request_end_body(request);
    }
    if (request->answer == NULL) {
        vv_http_refuse(request, 500, "internal", "no answer was made");
    }
    return request_queue(request);
}

/**
 * The answer has gone out while the client was still sending. It is told that this is the end, and
 * what is on its way is read for a moment: an end with unread bytes would be a reset, which may
 * destroy the answer before the client has looked at it.
 */
static void request_linger(http_connection *connection)
{
    char bytes[4096];
    size_t left = VV_HTTP_DRAIN_BYTES_MAX;
    int64_t deadline = vv_deadline_after_ns(REQUEST_LINGER_MS * VV_NS_PER_MS);
    VV_IGNORE(shutdown(connection->fd, SHUT_WR)); /* gone already: as good */
    while (left >= sizeof bytes && vv_process_wait_fd(connection->fd, false, deadline)) {
        ssize_t size = recv(connection->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (size <= 0) {
            return; /* the client has closed its side, or the server ends */
        }
        left -= (size_t)size;
    }
}

void vv_http_on_completed(void *context, struct MHD_Connection *mhd, void **request_context,
                          enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)mhd;
    vv_http_request *request = *request_context;
    if (request == NULL) {
        return;
    }
    *request_context = NULL;
    http_connection *connection = request->connection;
    bool lingers = request->is_early && code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
    vv_http_request_end(request);
    if (lingers) {
        request_linger(connection);
    }
}

void vv_http_request_end(vv_http_request *request)
{
    vv_http *http = request->http;
    request->connection->request = NULL;
    request->connection->has_served = true;
    if (request->is_begun) {
        http->options.finished(http->options.context, request);
    }
    while (request->cleanups != NULL) {
        http_cleanup *cleanup = request->cleanups;
        request->cleanups = cleanup->next;
        cleanup->run(cleanup->state);
    }
    vv_inflate_free(request->inflate);
    vv_http_answer_deinit(request);
    vv_buf_deinit(&request->body);
    atomic_fetch_sub(&http->pending_bytes, request->pending);
    vv_arena_deinit(&request->arena);
    vv_http_expect(request->connection,
                   (uint64_t)http->options.idle_timeout_ms + http->options.header_timeout_ms);
    bool was_begun = request->is_begun;
    vv_alloc_free(http->options.alloc, request, sizeof *request);
    if (was_begun) {
        vv_mutex_lock(&http->lock);
        http->active -= 1;
        vv_cond_broadcast(&http->changed);
        vv_mutex_unlock(&http->lock);
    }
}

/* ---- what handlers ask ---- */

vv_http_view *vv_http_request_view(vv_http_request *request)
{
    return &request->view;
}

vv_arena *vv_http_request_arena(vv_http_request *request)
{
    return &request->arena;
}

bool vv_http_request_header(vv_http_request *request, varve_text name, varve_text *out_value)
{
    const char *value = NULL;
    size_t size = 0;
    varve_text own = VV_TEXT("X-Varve-");
    if (vv_text_equal_nocase(vv_text_sub(name, 0, own.size), own)) {
        return false;
    }
    if (MHD_lookup_connection_value_n(request->mhd, MHD_HEADER_KIND, name.data, name.size, &value,
                                      &size) != MHD_YES ||
        value == NULL) {
        return false;
    }
    *out_value = vv_text_make(value, size);
    return true;
}

bool vv_http_request_is_gone(vv_http_request *request)
{
    if (atomic_load(&request->http->is_ending)) {
        return true;
    }
    char byte;
    return request->connection->fd >= 0 &&
           recv(request->connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

varve_status vv_http_request_cleanup(vv_http_request *request, void (*cleanup)(void *state),
                                     void *state)
{
    http_cleanup *item = vv_arena_new(&request->arena, sizeof *item);
    if (item == NULL) {
        return VARVE_E_NOMEM;
    }
    *item = (http_cleanup){.run = cleanup, .state = state, .next = request->cleanups};
    request->cleanups = item;
    return VARVE_OK;
}
