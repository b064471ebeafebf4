/* SPDX-License-Identifier: Apache-2.0 */

/* The checks of types that curl's macros bring are made of extensions. */
#define CURL_DISABLE_TYPECHECK

#include "net/http_fetch.h"

#include <curl/curl.h>
#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "net/http_url.h"

/* How long a server may take to accept a connection. */
#define HTTP_FETCH_CONNECT_S 10L

/* How much of a URL an error shows; the reason follows it. */
#define HTTP_FETCH_SHOWN_BYTES 160u

/** One request while it runs. */
typedef struct http_fetch_run {
    const vv_http_fetch_request *request;
    vv_http_fetch_answer *answer;
    CURL *curl;
    vv_bytes pending;    /* of the piece that the source gave */
    bool is_sent;        /* the source has ended */
    varve_status status; /* of source, sink or check */
    varve_error err;
    char curl_text[CURL_ERROR_SIZE];
} http_fetch_run;

/** The code of the answer; 0 before its head is there. */
static uint32_t http_fetch_code(const http_fetch_run *run)
{
    long code = 0;
    if (curl_easy_getinfo(run->curl, CURLINFO_RESPONSE_CODE, &code) != CURLE_OK || code < 0) {
        return 0;
    }
    return (uint32_t)code;
}

static size_t http_fetch_read(char *target, size_t size, size_t count, void *context)
{
    http_fetch_run *run = context;
    size_t capacity = size * count;
    while (run->pending.size == 0 && !run->is_sent) {
        run->status = run->request->source(run->request->source_context, &run->pending,
                                           &run->is_sent, &run->err);
        if (run->status != VARVE_OK) {
            return CURL_READFUNC_ABORT;
        }
    }
    size_t part = run->pending.size < capacity ? run->pending.size : capacity;
    if (part > 0) {
        memcpy(target, run->pending.data, part);
        run->pending = vv_bytes_make(run->pending.data + part, run->pending.size - part);
    }
    return part;
}

/** Of an answer that is no success the beginning is kept. */
static void http_fetch_keep(vv_http_fetch_answer *answer, const char *bytes, size_t size)
{
    size_t room = sizeof answer->body - 1 - answer->body_size;
    size_t part = size < room ? size : room;
    memcpy(answer->body + answer->body_size, bytes, part);
    answer->body_size += part;
    answer->body[answer->body_size] = '\0';
}

/** Whether the caller still wants it; curl itself asks about once a second. */
static bool http_fetch_goes_on(http_fetch_run *run)
{
    if (run->request->check == NULL || run->request->check(run->request->check_context)) {
        return true;
    }
    run->status = vv_fail(&run->err, VARVE_E_CANCELLED, "interrupted");
    return false;
}

static size_t http_fetch_write(char *bytes, size_t size, size_t count, void *context)
{
    http_fetch_run *run = context;
    size_t total = size * count;
    uint32_t code = http_fetch_code(run);
    if (code < 200 || code > 299) {
        http_fetch_keep(run->answer, bytes, total);
        return total;
    }
    if (run->request->sink == NULL) {
        return total;
    }
    if (!http_fetch_goes_on(run)) {
        return 0;
    }
    run->status =
        run->request->sink(run->request->sink_context, vv_bytes_make(bytes, total), &run->err);
    return run->status == VARVE_OK ? total : 0; /* another count ends the request */
}

/** A line of the answer's head. */
static size_t http_fetch_head(char *bytes, size_t size, size_t count, void *context)
{
    http_fetch_run *run = context;
    varve_text line = vv_text_make(bytes, size * count);
    size_t colon = vv_text_find_char(line, ':');
    if (run->request->header != NULL && colon < line.size &&
        vv_text_equal_nocase(vv_text_sub(line, 0, colon),
                             vv_text_from_string(run->request->header))) {
        varve_text value = vv_text_trim(vv_text_sub(line, colon + 1, line.size));
        vv_text_format(run->answer->header, sizeof run->answer->header, "%.*s",
                       VV_TEXT_ARGS(value));
    }
    return size * count;
}

static int http_fetch_progress(void *context, curl_off_t down_total, curl_off_t down,
                               curl_off_t up_total, curl_off_t up)
{
    http_fetch_run *run = context;
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return http_fetch_goes_on(run) ? 0 : 1;
}

/** Of curl's results the first that is no success. */
static CURLcode http_fetch_set_up(http_fetch_run *run, struct curl_slist *headers)
{
    CURL *curl = run->curl;
    CURLcode result = CURLE_OK;
#define HTTP_FETCH_SET(option, value) \
    result = result != CURLE_OK ? result : curl_easy_setopt(curl, (option), (value))
    HTTP_FETCH_SET(CURLOPT_URL, run->request->url);
    HTTP_FETCH_SET(CURLOPT_PROTOCOLS_STR, "http,https");
    HTTP_FETCH_SET(CURLOPT_NOSIGNAL, 1L);
    HTTP_FETCH_SET(CURLOPT_CONNECTTIMEOUT, HTTP_FETCH_CONNECT_S);
    HTTP_FETCH_SET(CURLOPT_ACCEPT_ENCODING, "");
    HTTP_FETCH_SET(CURLOPT_ERRORBUFFER, run->curl_text);
    HTTP_FETCH_SET(CURLOPT_WRITEFUNCTION, http_fetch_write);
    HTTP_FETCH_SET(CURLOPT_WRITEDATA, run);
    HTTP_FETCH_SET(CURLOPT_HEADERFUNCTION, http_fetch_head);
    HTTP_FETCH_SET(CURLOPT_HEADERDATA, run);
    HTTP_FETCH_SET(CURLOPT_XFERINFOFUNCTION, http_fetch_progress);
    HTTP_FETCH_SET(CURLOPT_XFERINFODATA, run);
    HTTP_FETCH_SET(CURLOPT_NOPROGRESS, 0L);
    HTTP_FETCH_SET(CURLOPT_HTTPHEADER, headers);
    if (vv_http_url_is_loopback(run->request->url)) {
        HTTP_FETCH_SET(CURLOPT_PROXY, ""); /* whatever http_proxy says: it would ask itself */
    }
    if (run->request->source != NULL) {
        HTTP_FETCH_SET(CURLOPT_POST, 1L);
        HTTP_FETCH_SET(CURLOPT_READFUNCTION, http_fetch_read);
        HTTP_FETCH_SET(CURLOPT_READDATA, run);
    }
#undef HTTP_FETCH_SET
    return result;
}

/** A header added; NULL when there is no memory, with the list freed. */
static struct curl_slist *http_fetch_header(struct curl_slist *list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(list, text);
    if (longer == NULL) {
        curl_slist_free_all(list);
    }
    return longer;
}

static struct curl_slist *http_fetch_headers(const vv_http_fetch_request *request)
{
    char type[128];
    struct curl_slist *list = http_fetch_header(NULL, "User-Agent: varve");
    if (list == NULL || request->source == NULL) {
        return list;
    }
    vv_text_format(type, sizeof type, "Content-Type: %s", request->content_type);
    list = http_fetch_header(list, type);
    list = list == NULL ? NULL : http_fetch_header(list, "Transfer-Encoding: chunked");
    return list == NULL ? NULL : http_fetch_header(list, "Expect:"); /* costs a round trip */
}

static varve_status http_fetch_result(http_fetch_run *run, CURLcode result, varve_error *out_err)
{
    run->answer->code = http_fetch_code(run);
    if (run->status != VARVE_OK) {
        *out_err = run->err;
        return run->status;
    }
    if (result == CURLE_OK) {
        return VARVE_OK;
    }
    const char *text = run->curl_text[0] != '\0' ? run->curl_text : curl_easy_strerror(result);
    bool is_url = result == CURLE_URL_MALFORMAT || result == CURLE_UNSUPPORTED_PROTOCOL;
    varve_status status = is_url                          ? VARVE_E_INVALID
                          : result == CURLE_OUT_OF_MEMORY ? VARVE_E_NOMEM
                                                          : VARVE_E_IO;
    char shown[HTTP_FETCH_SHOWN_BYTES];
    vv_http_url_print(shown, sizeof shown, run->request->url);
    return vv_fail(out_err, status, "%s: %s", shown, text);
}

varve_status vv_http_fetch_run(const vv_http_fetch_request *request,
                               vv_http_fetch_answer *out_answer, varve_error *out_err)
{
    memset(out_answer, 0, sizeof *out_answer);
    http_fetch_run run = {.request = request, .answer = out_answer};
    struct curl_slist *headers = http_fetch_headers(request);
    run.curl = curl_easy_init();
    CURLcode result = run.curl == NULL || headers == NULL ? CURLE_OUT_OF_MEMORY
                                                          : http_fetch_set_up(&run, headers);
    if (result == CURLE_OK) {
        result = curl_easy_perform(run.curl);
    }
    varve_status status = run.curl == NULL ? vv_fail_nomem(out_err, "a request", sizeof run)
                                           : http_fetch_result(&run, result, out_err);
    curl_easy_cleanup(run.curl);
    curl_slist_free_all(headers);
    return status;
}
