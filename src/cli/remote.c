/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/remote.h"

#include <jansson.h>
#include <string.h>

#include "base/buf.h"
#include "base/checked.h"
#include "base/status.h"
#include "base/text.h"
#include "cli/field_hint.h"
#include "cli/listing.h"
#include "cli/remote_rows.h"
#include "model/selection.h"
#include "model/time_range.h"
#include "net/http_fetch.h"
#include "sys/clock.h"
#include "sys/signals.h"
#include "wire/time_text.h"

/* An answer that is kept whole, and what is made of it. */
#define REMOTE_DOCUMENT_BYTES_MAX ((size_t)512 * 1024 * 1024)

/* A URL with its parameters: several words of a command line, three bytes for one. */
#define REMOTE_URL_BYTES_MAX (4u * 1024u * 1024u)
/* A longer one is sent as a form; servers take 8 KiB. */
#define REMOTE_GET_BYTES_MAX 4096u

/* ---- requests ------------------------------------------------------------------------------- */

static bool remote_goes_on(void *context)
{
    (void)context;
    return !vv_signals_is_stop_asked();
}

/** The server's address and a path; parameters may follow. */
static void remote_url(vv_buf *url, const char *server, const char *path)
{
    varve_text base = vv_text_from_string(server);
    while (base.size > 0 && base.data[base.size - 1] == '/') {
        base.size -= 1;
    }
    vv_buf_append_text(url, base);
    vv_buf_append_text(url, vv_text_from_string(path));
}

static void remote_escape(vv_buf *url, varve_text value)
{
    for (size_t i = 0; i < value.size; i++) {
        char c = value.data[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.' || c == '~';
        if (is_plain) {
            vv_buf_append_char(url, c);
        } else {
            vv_buf_append_format(url, "%%%02X", (unsigned)(unsigned char)c);
        }
    }
}

/** "?name=value" or "&name=value". */
static void remote_param(vv_buf *url, const char *name, varve_text value)
{
    varve_text so_far = vv_buf_text(url);
    bool is_first = vv_text_find_char(so_far, '?') == so_far.size;
    vv_buf_append_char(url, is_first ? '?' : '&');
    vv_buf_append_text(url, vv_text_from_string(name));
    vv_buf_append_char(url, '=');
    remote_escape(url, value);
}

/** Whether a selector holds for a series without any of its labels. One that cannot be read does
 *  not: the server says what is wrong with it. */
static bool remote_is_of_all(varve_text text, vv_alloc *alloc)
{
    varve_selection given = {.kind = VARVE_SELECT_TEXT, .text = text};
    vv_selection *compiled = NULL;
    bool is_of_all = vv_selection_compile(&given, 1, /* with_internal */ false, alloc, &compiled,
                                          NULL) == VARVE_OK &&
                     vv_selection_item_is_of_all(&compiled->items[0]);
    vv_selection_free(compiled);
    return is_of_all;
}

/** The selectors, none being all. As those of Prometheus a server refuses what holds for whatever
 *  there is unless that is said, and on a directory `{host!="x"}` is as good as any: so it is said,
 *  by a condition that every series meets. */
static void remote_match(vv_buf *url, const vv_ask_words *words, vv_alloc *alloc)
{
    for (size_t i = 0; i < words->selector_count; i++) {
        varve_text text = vv_text_from_string(words->selectors[i]);
        if (remote_is_of_all(text, alloc)) { /* it has no metric, so it begins with its brace */
            size_t brace = vv_text_find_char(text, '{');
            remote_param(url, "match[]", VV_TEXT("{__name__!=\"\","));
            remote_escape(url, vv_text_sub(text, brace + 1, text.size));
        } else {
            remote_param(url, "match[]", text);
        }
    }
    if (words->selector_count == 0) {
        remote_param(url, "match[]", VV_TEXT("{__name__!=\"\"}"));
    }
}

/** start and end; the server's end is included, the command line's is not. */
static varve_status remote_range(vv_buf *url, const vv_ask_words *words, const vv_ask *ask,
                                 uint32_t precision, vv_arena *arena, varve_error *out_err)
{
    varve_text start;
    varve_text end = {0};
    VV_TRY(vv_ask_start_text(words, ask, precision, arena, &start, out_err));
    if (words->end != NULL) {
        VV_TRY(vv_ask_print_time(vv_sat_sub_i64(ask->query.range.end, 1), precision, arena, &end,
                                 out_err));
    }
    if (start.size > 0) {
        remote_param(url, "start", start);
    }
    if (end.size > 0) {
        remote_param(url, "end", end);
    }
    return VARVE_OK;
}

/** The sentence of an answer that is no success: member "error" or "message". */
static void remote_sentence(const vv_http_fetch_answer *answer, varve_error *out_err,
                            varve_status status)
{
    json_t *root = json_loadb(answer->body, answer->body_size, 0, NULL);
    const char *text = json_string_value(json_object_get(root, "error"));
    if (text == NULL) {
        text = json_string_value(json_object_get(root, "message"));
    }
    VV_IGNORE(text != NULL ? vv_fail(out_err, status, "%s", text)
                           : vv_fail(out_err, status, "the server answered %u", answer->code));
    json_decref(root);
}

static varve_status remote_status(uint32_t code)
{
    static const struct {
        uint32_t code;
        varve_status status;
    } map[] = {
        {400, VARVE_E_INVALID}, {413, VARVE_E_LIMIT},     {415, VARVE_E_UNSUPPORTED},
        {422, VARVE_E_LIMIT},   {429, VARVE_E_BUSY},      {503, VARVE_E_BUSY},
        {507, VARVE_E_NOSPACE}, {404, VARVE_E_NOT_FOUND},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(map); i++) {
        if (map[i].code == code) {
            return map[i].status;
        }
    }
    return VARVE_E_INTERNAL;
}

/** The body of a request; its source gives it once. */
typedef struct remote_document {
    varve_text text;
    bool is_given;
} remote_document;

static varve_status remote_give(void *context, vv_bytes *out_piece, bool *out_is_end,
                                varve_error *out_err)
{
    remote_document *document = context;
    (void)out_err;
    *out_is_end = document->is_given;
    *out_piece = document->is_given ? (vv_bytes){0} : vv_bytes_of_text(document->text);
    document->is_given = true;
    return VARVE_OK;
}

/** Parameters that are too long for a URL become a form: every route that takes selectors takes it.
 * Both lie in the buffer of the URL, which is terminated. */
static void remote_shorten(vv_http_fetch_request *request, vv_buf *url, remote_document *form)
{
    varve_text text = vv_text_make((const char *)url->data, url->size - 1);
    size_t mark = vv_text_find_char(text, '?');
    if (request->source != NULL || text.size <= REMOTE_GET_BYTES_MAX || mark == text.size) {
        return;
    }
    *form = (remote_document){.text = vv_text_sub(text, mark + 1, text.size)};
    url->data[mark] = '\0';
    request->content_type = "application/x-www-form-urlencoded";
    request->source = remote_give;
    request->source_context = form;
}

/** Run, and make another code than 2xx an error. */
static varve_status remote_run(vv_http_fetch_request *request, vv_buf *url,
                               vv_http_fetch_answer *answer, bool *out_is_reached,
                               varve_error *out_err)
{
    remote_document form;
    answer->code = 0;
    answer->body_size = 0;
    vv_buf_append_char(url, '\0');
    VV_TRY(vv_buf_check(url, out_err));
    remote_shorten(request, url, &form);
    request->url = (const char *)url->data;
    request->check = remote_goes_on;
    varve_status status = vv_http_fetch_run(request, answer, out_err);
    *out_is_reached = answer->code != 0 || status != VARVE_E_IO;
    if (status == VARVE_OK && (answer->code < 200 || answer->code > 299)) {
        status = remote_status(answer->code);
        remote_sentence(answer, out_err, status);
    }
    return status;
}

/** A vv_http_fetch_sink whose context is a vv_buf. */
static varve_status remote_collect(void *context, vv_bytes piece, varve_error *out_err)
{
    vv_buf *buf = context;
    VV_IGNORE(vv_buf_append(buf, piece.data, piece.size)); /* sticky */
    return vv_buf_check(buf, out_err);
}

/** A request whose answer is a JSON document; the caller ends it with json_decref. */
static varve_status remote_run_json(vv_http_fetch_request *request, vv_alloc *alloc, vv_buf *url,
                                    json_t **out_root, bool *out_is_reached, varve_error *out_err)
{
    vv_buf body;
    vv_http_fetch_answer answer;
    json_error_t why;
    *out_root = NULL;
    vv_buf_init(&body, alloc, REMOTE_DOCUMENT_BYTES_MAX);
    request->sink = remote_collect;
    request->sink_context = &body;
    varve_status status = remote_run(request, url, &answer, out_is_reached, out_err);
    if (status == VARVE_OK) {
        *out_root = json_loadb((const char *)body.data, body.size, JSON_ALLOW_NUL, &why);
        status = *out_root != NULL ? VARVE_OK
                                   : vv_fail(out_err, VARVE_E_INTERNAL,
                                             "the server's answer is no JSON: %s", why.text);
    }
    vv_buf_deinit(&body);
    request->sink = NULL; /* body ends here */
    request->sink_context = NULL;
    return status;
}

static varve_status remote_get_json(vv_alloc *alloc, vv_buf *url, json_t **out_root,
                                    bool *out_is_reached, varve_error *out_err)
{
    vv_http_fetch_request request = {.url = NULL};
    return remote_run_json(&request, alloc, url, out_root, out_is_reached, out_err);
}

/** The precision of the server's database. */
static varve_status remote_precision(const char *server, vv_alloc *alloc, uint32_t *out_precision,
                                     bool *out_is_reached, varve_error *out_err)
{
    json_t *root;
    vv_buf url;
    vv_buf_init(&url, alloc, REMOTE_URL_BYTES_MAX);
    remote_url(&url, server, "/version");
    varve_status status = remote_get_json(alloc, &url, &root, out_is_reached, out_err);
    vv_buf_deinit(&url);
    if (status == VARVE_OK) {
        const char *word = json_string_value(json_object_get(root, "precision"));
        if (word == NULL || !vv_precision_text_parse(vv_text_from_string(word), VARVE_PRECISION_NS,
                                                     out_precision)) {
            status =
                vv_fail(out_err, VARVE_E_UNSUPPORTED,
                        "%s does not tell its precision: no varve, or another version", server);
        }
        json_decref(root);
    }
    return status;
}

varve_status vv_remote_precision(const char *url, uint32_t *out_precision, bool *out_is_reached,
                                 varve_error *out_err)
{
    vv_alloc alloc;
    vv_alloc_init(&alloc, NULL);
    return remote_precision(url, &alloc, out_precision, out_is_reached, out_err);
}

varve_status vv_remote_text(const char *url, const char *path, vv_buf *out, bool *out_is_reached,
                            varve_error *out_err)
{
    vv_alloc alloc;
    vv_buf address;
    vv_http_fetch_answer answer;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&address, &alloc, REMOTE_URL_BYTES_MAX);
    remote_url(&address, url, path);
    vv_http_fetch_request request = {.sink = remote_collect, .sink_context = out};
    varve_status status = remote_run(&request, &address, &answer, out_is_reached, out_err);
    vv_buf_deinit(&address);
    return status;
}

/* ---- query and export ----------------------------------------------------------------------- */

/** The answer of /api/v1/rows as it comes. */
typedef struct remote_answer {
    vv_buf body;
    vv_remote_printer *printer;
} remote_answer;

static varve_status remote_take(void *context, vv_bytes piece, varve_error *out_err)
{
    remote_answer *answer = context;
    vv_remote_printer_watch(answer->printer, piece);
    return remote_collect(&answer->body, piece, out_err);
}

static varve_status remote_query_rows(const vv_remote_rows *rows, vv_remote_printer *printer,
                                      vv_alloc *alloc, bool *out_is_reached, varve_error *out_err)
{
    vv_buf url;
    remote_answer rows_answer = {.printer = printer};
    vv_http_fetch_answer answer;
    vv_buf text;
    vv_buf_init(&text, alloc, REMOTE_DOCUMENT_BYTES_MAX);
    varve_status status = vv_remote_rows_request(rows, printer, &text, out_err);
    remote_document document = {.text = vv_buf_text(&text)};
    vv_buf_init(&url, alloc, REMOTE_URL_BYTES_MAX);
    vv_buf_init(&rows_answer.body, alloc, REMOTE_DOCUMENT_BYTES_MAX);
    remote_url(&url, rows->url, "/api/v1/rows");
    vv_http_fetch_request request = {.content_type = "application/json",
                                     .source = remote_give,
                                     .source_context = &document,
                                     .sink = remote_take,
                                     .sink_context = &rows_answer};
    if (status == VARVE_OK) {
        status = remote_run(&request, &url, &answer, out_is_reached, out_err);
    }
    if (status == VARVE_OK) {
        status = vv_remote_printer_document(printer, vv_buf_text(&rows_answer.body), out_err);
    }
    vv_buf_deinit(&rows_answer.body);
    vv_buf_deinit(&url);
    vv_buf_deinit(&text);
    return status;
}

static varve_status remote_export_rows(const vv_remote_rows *rows, vv_remote_printer *printer,
                                       uint32_t precision, vv_alloc *alloc, bool *out_is_reached,
                                       varve_error *out_err)
{
    vv_buf url;
    vv_arena arena;
    vv_http_fetch_answer answer;
    vv_arena_init(&arena, alloc, REMOTE_URL_BYTES_MAX);
    vv_buf_init(&url, alloc, REMOTE_URL_BYTES_MAX);
    bool is_native = rows->format == VV_ROWS_NATIVE;
    bool is_csv = rows->format == VV_ROWS_CSV;
    remote_url(&url, rows->url,
               is_native ? "/api/v1/export/native"
               : is_csv  ? "/api/v1/export/csv"
                         : "/api/v1/export");
    remote_match(&url, rows->words, alloc);
    varve_status status =
        remote_range(&url, rows->words, vv_remote_printer_ask(printer), precision, &arena, out_err);
    if (!is_native) {
        remote_param(&url, "precision", vv_text_from_string(vv_remote_printer_unit(printer)));
    }
    vv_http_fetch_request request = {.sink = vv_remote_printer_feed, .sink_context = printer};
    if (status == VARVE_OK) {
        status = remote_run(&request, &url, &answer, out_is_reached, out_err);
    }
    vv_buf_deinit(&url);
    vv_arena_deinit(&arena);
    return status;
}

/** The numeric fields (or all) of what is asked for, where aggregations need them. */
static varve_status remote_ask_fields(const vv_remote_rows *rows, vv_ask_words *words,
                                      vv_arena *arena, bool *out_is_reached, varve_error *out_err)
{
    vv_remote_list_request wanted = {.url = rows->url, .what = VV_REMOTE_FIELDS, .words = words};
    varve_text *cells;
    size_t count;
    bool needs_numbers;
    if (!vv_ask_needs_fields(words, &needs_numbers)) {
        return VARVE_OK;
    }
    VV_TRY(vv_remote_list(&wanted, arena, &cells, &count, out_is_reached, out_err));
    varve_text *fields = vv_arena_array(arena, count + 1, sizeof *fields);
    size_t kept = 0;
    for (size_t i = 0; fields != NULL && i < count; i++) {
        if (!needs_numbers || vv_ask_is_number(cells[3 * i + 2])) {
            fields[kept] = cells[3 * i + 1];
            kept += 1;
        }
    }
    if (fields == NULL) {
        return vv_fail_nomem(out_err, "names of fields", count);
    }
    words->all = fields;
    words->all_count = vv_text_sort_unique(fields, kept);
    return VARVE_OK;
}

/** One column of a listing of fields, each text once. */
static varve_status remote_cells(const varve_text *cells, size_t count, size_t column,
                                 vv_arena *arena, const varve_text **out_texts, size_t *out_count,
                                 varve_error *out_err)
{
    varve_text *texts = vv_arena_array(arena, count + 1, sizeof *texts);
    if (texts == NULL) {
        return vv_fail_nomem(out_err, "names", count);
    }
    for (size_t i = 0; i < count; i++) {
        texts[i] = cells[3 * i + column];
    }
    *out_texts = texts;
    *out_count = vv_text_sort_unique(texts, count);
    return VARVE_OK;
}

/** The columns of an answer, as a directory has them: of all selected series, with rows or not. */
static varve_status remote_ask_columns(const vv_remote_rows *rows, vv_arena *arena,
                                       vv_remote_columns *columns, bool *out_is_reached,
                                       varve_error *out_err)
{
    vv_remote_list_request wanted = {
        .url = rows->url, .what = VV_REMOTE_LABELS, .words = rows->words};
    varve_text *labels;
    varve_text *cells;
    const varve_text *metrics;
    size_t count;
    size_t kept = 0;
    VV_TRY(vv_remote_list(&wanted, arena, &labels, &count, out_is_reached, out_err));
    for (size_t i = 0; i < count; i++) {
        if (!vv_text_equal(labels[i], VV_TEXT("__name__"))) {
            labels[kept] = labels[i];
            kept += 1;
        }
    }
    *columns = (vv_remote_columns){.labels = labels, .label_count = kept};
    wanted.what = VV_REMOTE_FIELDS;
    VV_TRY(vv_remote_list(&wanted, arena, &cells, &count, out_is_reached, out_err));
    VV_TRY(remote_cells(cells, count, 0, arena, &metrics, &columns->metric_count, out_err));
    return remote_cells(cells, count, 1, arena, &columns->fields, &columns->field_count, out_err);
}

/** Tell of fields that no selected series has, at any time. */
static varve_status remote_hint(const vv_remote_rows *rows, vv_arena *arena, bool *out_is_reached,
                                varve_error *out_err)
{
    vv_ask_words words = {.selectors = rows->words->selectors,
                          .selector_count = rows->words->selector_count};
    vv_remote_list_request wanted = {.url = rows->url, .what = VV_REMOTE_FIELDS, .words = &words};
    varve_text *cells;
    const varve_text *known;
    size_t count;
    vv_ask ask;
    VV_TRY(vv_remote_list(&wanted, arena, &cells, &count, out_is_reached, out_err));
    VV_TRY(remote_cells(cells, count, 1, arena, &known, &count, out_err));
    VV_TRY(vv_ask_parse(rows->words, NULL, VARVE_PRECISION_NS, vv_wall_now_ns(), arena, &ask,
                        out_err));
    vv_field_hint("query", &ask, known, count);
    return VARVE_OK;
}

static varve_status remote_print_rows(const vv_remote_rows *rows, uint32_t precision,
                                      vv_alloc *alloc, bool *out_is_reached, varve_error *out_err)
{
    vv_remote_printer *printer;
    VV_TRY(vv_remote_printer_create(rows, precision, &printer, out_err));
    varve_status status =
        rows->is_export
            ? remote_export_rows(rows, printer, precision, alloc, out_is_reached, out_err)
            : remote_query_rows(rows, printer, alloc, out_is_reached, out_err);
    return vv_remote_printer_end(printer, status, out_err);
}

varve_status vv_remote_rows_print(const vv_remote_rows *rows, bool *out_is_reached,
                                  varve_error *out_err)
{
    vv_alloc alloc;
    vv_arena arena;
    uint32_t precision;
    vv_ask_words words = *rows->words;
    vv_remote_rows complete = *rows;
    complete.words = &words;
    vv_alloc_init(&alloc, NULL);
    VV_TRY(remote_precision(rows->url, &alloc, &precision, out_is_reached, out_err));
    vv_arena_init(&arena, &alloc, REMOTE_DOCUMENT_BYTES_MAX);
    vv_remote_columns columns;
    varve_status status = remote_ask_fields(rows, &words, &arena, out_is_reached, out_err);
    bool is_csv_export = rows->is_export && rows->format == VV_ROWS_CSV; /* the server's own */
    if (status == VARVE_OK && rows->sink == NULL && !is_csv_export &&
        vv_rows_format_has_columns(rows->format)) {
        status = remote_ask_columns(&complete, &arena, &columns, out_is_reached, out_err);
        complete.columns = &columns;
    }
    if (status == VARVE_OK) {
        status = remote_print_rows(&complete, precision, &alloc, out_is_reached, out_err);
    }
    if (status == VARVE_OK && rows->sink == NULL && rows->words->fields != NULL) {
        status = remote_hint(rows, &arena, out_is_reached, out_err);
    }
    vv_arena_deinit(&arena);
    return status;
}

/* ---- write and import ----------------------------------------------------------------------- */

/** What is wrong with the line, out of "partial write: line 2: no field dropped=1". */
static void remote_trim(varve_error *why)
{
    varve_text text = vv_text_from_string(why->message);
    size_t line = vv_text_find(text, VV_TEXT("line "));
    size_t begin = line < text.size ? line : vv_text_find(text, VV_TEXT("block "));
    text = vv_text_sub(text, begin, text.size);
    begin = vv_text_find(text, VV_TEXT(": "));
    text = begin == SIZE_MAX ? text : vv_text_sub(text, begin + 2, text.size);
    text = vv_text_sub(text, 0, vv_text_find(text, VV_TEXT(" dropped=")));
    if (text.size > 0) {
        char trimmed[sizeof why->message];
        vv_text_format(trimmed, sizeof trimmed, "%.*s", VV_TEXT_ARGS(text));
        memcpy(why->message, trimmed, sizeof trimmed);
    }
}

/** "line", "written" and "rejected" of a refusal in part; false when it says nothing of the kind.
 */
static bool remote_counts(const vv_http_fetch_answer *answer, vv_load_counts *counts)
{
    json_t *root = json_loadb(answer->body, answer->body_size, 0, NULL);
    const json_t *facts = json_object_get(root, "data");
    facts = facts != NULL ? facts : root;
    const json_t *line = json_object_get(facts, "line");
    const json_t *written = json_object_get(facts, "written");
    const json_t *rejected = json_object_get(facts, "rejected");
    bool has_counts =
        json_is_integer(line) && json_is_integer(written) && json_is_integer(rejected);
    if (has_counts) {
        counts->first_bad_line = (uint64_t)json_integer_value(line);
        counts->rows = (uint64_t)json_integer_value(written);
        counts->rejected = (uint64_t)json_integer_value(rejected);
        remote_sentence(answer, &counts->first_bad, VARVE_E_INVALID);
        remote_trim(&counts->first_bad);
    }
    json_decref(root);
    return has_counts;
}

static void remote_load_params(vv_buf *url, const vv_load_options *options, uint32_t precision)
{
    if (options->format->has_unit) {
        remote_param(url, "precision", vv_text_from_string(vv_precision_name(precision)));
    }
    for (size_t i = 0; i < options->extra_count; i++) {
        char text[8192];
        size_t size =
            vv_text_format(text, sizeof text, "%.*s=%.*s", VV_TEXT_ARGS(options->extra[i].name),
                           VV_TEXT_ARGS(options->extra[i].value));
        remote_param(url, "extra_label", vv_text_make(text, size));
    }
    for (size_t i = 0; i < options->param_count; i++) {
        remote_param(url, options->params[i].name, options->params[i].value);
    }
}

varve_status vv_remote_load(const char *url, const vv_load_options *options,
                            vv_remote_source source, void *context, vv_load_counts *out_counts,
                            bool *out_is_reached, varve_error *out_err)
{
    vv_alloc alloc;
    vv_buf address;
    vv_http_fetch_answer answer;
    uint32_t precision = options->precision;
    vv_alloc_init(&alloc, NULL);
    if (options->format->has_unit && precision == VARVE_PRECISION_STORED) {
        VV_TRY(remote_precision(url, &alloc, &precision, out_is_reached, out_err));
    }
    vv_buf_init(&address, &alloc, REMOTE_URL_BYTES_MAX);
    remote_url(&address, url, options->format->path);
    remote_load_params(&address, options, precision);
    vv_http_fetch_request request = {.content_type = options->format->content_type,
                                     .source = source,
                                     .source_context = context,
                                     .header = "X-Varve-Rows"};
    varve_status status = remote_run(&request, &address, &answer, out_is_reached, out_err);
    if (status == VARVE_E_INVALID && remote_counts(&answer, out_counts)) {
        status = VARVE_OK;
    } else if (answer.code != 0) {
        out_counts->is_unknown =
            !vv_text_parse_u64(vv_text_from_string(answer.header), &out_counts->rows);
    }
    vv_buf_deinit(&address);
    return status;
}

/* ---- series and metrics --------------------------------------------------------------------- */

/** {"__name__":"cpu","host":"a"} as cpu{host="a"}. */
static varve_status remote_series_line(json_t *object, vv_alloc *alloc, vv_arena *arena,
                                       varve_text *out_line, varve_error *out_err)
{
    vv_buf line;
    varve_text metric = {0};
    size_t count = 0;
    varve_label *labels = vv_arena_array(arena, json_object_size(object) + 1, sizeof *labels);
    if (labels == NULL) {
        return vv_fail_nomem(out_err, "a listing", json_object_size(object));
    }
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        json_t *value = json_object_iter_value(at);
        varve_text name = vv_text_from_string(json_object_iter_key(at));
        varve_text text = {json_string_value(value), json_string_length(value)};
        if (vv_text_equal(name, VV_TEXT("__name__"))) {
            metric = text;
        } else {
            labels[count] = (varve_label){name, text};
            count += 1;
        }
    }
    vv_buf_init(&line, alloc, SIZE_MAX);
    vv_listing_print_series(&line, metric, labels, count);
    varve_status status = vv_buf_check(&line, out_err);
    if (status == VARVE_OK && vv_arena_copy(arena, vv_buf_text(&line), out_line) != VARVE_OK) {
        status = vv_fail_nomem(out_err, "a listing", line.size);
    }
    vv_buf_deinit(&line);
    return status;
}

/** A json_dump_callback into a vv_buf. */
static int remote_dump(const char *bytes, size_t size, void *context)
{
    return vv_buf_append(context, bytes, size) == VARVE_OK ? 0 : -1;
}

/** A series as JSON, in one line. */
static varve_status remote_json_line(const json_t *item, vv_alloc *alloc, vv_arena *arena,
                                     varve_text *out_line, varve_error *out_err)
{
    vv_buf dumped;
    vv_buf_init(&dumped, alloc, SIZE_MAX);
    VV_IGNORE(json_dump_callback(item, remote_dump, &dumped,
                                 JSON_COMPACT | JSON_ENCODE_ANY)); /* failures stay in dumped */
    varve_status status = vv_buf_check(&dumped, out_err);
    if (status == VARVE_OK && vv_arena_copy(arena, vv_buf_text(&dumped), out_line) != VARVE_OK) {
        status = vv_fail_nomem(out_err, "a listing", dumped.size);
    }
    vv_buf_deinit(&dumped);
    return status;
}

static varve_status remote_copy_text(const json_t *text, vv_arena *arena, varve_text *out_copy,
                                     varve_error *out_err)
{
    varve_text given = {json_string_value(text), json_string_length(text)};
    return vv_arena_copy(arena, given, out_copy) == VARVE_OK
               ? VARVE_OK
               : vv_fail_nomem(out_err, "a listing", given.size);
}

/** The texts of one item. */
static varve_status remote_item(const vv_remote_list_request *wanted, json_t *item, vv_alloc *alloc,
                                vv_arena *arena, varve_text *out_texts, varve_error *out_err)
{
    switch (wanted->what) {
    case VV_REMOTE_SERIES:
        return wanted->is_json ? remote_json_line(item, alloc, arena, out_texts, out_err)
                               : remote_series_line(item, alloc, arena, out_texts, out_err);
    case VV_REMOTE_FIELDS:
        VV_TRY(remote_copy_text(json_object_get(item, "metric"), arena, &out_texts[0], out_err));
        VV_TRY(remote_copy_text(json_object_get(item, "field"), arena, &out_texts[1], out_err));
        return remote_copy_text(json_object_get(item, "type"), arena, &out_texts[2], out_err);
    case VV_REMOTE_LABELS:
    case VV_REMOTE_LABEL_VALUES:
        return remote_copy_text(item, arena, out_texts, out_err);
    }
    return VARVE_OK;
}

static varve_status remote_items(const vv_remote_list_request *wanted, json_t *data,
                                 vv_alloc *alloc, vv_arena *arena, varve_text **out_texts,
                                 varve_error *out_err)
{
    size_t count = json_array_size(data);
    size_t width = wanted->what == VV_REMOTE_FIELDS ? 3 : 1;
    varve_text *texts = vv_arena_zeroed(arena, (count + 1) * width * sizeof *texts);
    if (texts == NULL) {
        return vv_fail_nomem(out_err, "a listing", count);
    }
    for (size_t i = 0; i < count; i++) {
        VV_TRY(
            remote_item(wanted, json_array_get(data, i), alloc, arena, &texts[i * width], out_err));
    }
    *out_texts = texts;
    return VARVE_OK;
}

/** The address of a listing with all its parameters. */
static varve_status remote_list_url(const vv_remote_list_request *wanted, vv_alloc *alloc,
                                    vv_arena *arena, vv_buf *url, bool *out_is_reached,
                                    varve_error *out_err)
{
    static const char *const paths[] = {
        [VV_REMOTE_SERIES] = "/api/v1/series",
        [VV_REMOTE_FIELDS] = "/api/v1/fields",
        [VV_REMOTE_LABELS] = "/api/v1/labels",
        [VV_REMOTE_LABEL_VALUES] = "/api/v1/label/",
    };
    const vv_ask_words *words = wanted->words;
    char limit[VV_TEXT_I64_BYTES_MAX];
    vv_ask ask;
    remote_url(url, wanted->url, paths[wanted->what]);
    if (wanted->what == VV_REMOTE_LABEL_VALUES) {
        remote_escape(url, wanted->label);
        vv_buf_append_text(url, VV_TEXT("/values"));
    }
    remote_match(url, words, alloc);
    if (wanted->limit > 0) {
        remote_param(url, "limit", vv_text_make(limit, vv_text_print_u64(limit, wanted->limit)));
    }
    uint32_t precision = VARVE_PRECISION_NS;
    bool has_range = words->last != NULL || words->start != NULL || words->end != NULL;
    if (has_range) {
        VV_TRY(remote_precision(wanted->url, alloc, &precision, out_is_reached, out_err));
    }
    vv_ask_words range = {.selectors = words->selectors,
                          .selector_count = words->selector_count,
                          .last = words->last,
                          .start = words->start,
                          .end = words->end,
                          .zone = words->zone,
                          .fault = words->fault};
    VV_TRY(vv_ask_parse(&range, NULL, precision, vv_wall_now_ns(), arena, &ask, out_err));
    return has_range ? remote_range(url, words, &ask, precision, arena, out_err) : VARVE_OK;
}

varve_status vv_remote_list(const vv_remote_list_request *wanted, vv_arena *arena,
                            varve_text **out_texts, size_t *out_count, bool *out_is_reached,
                            varve_error *out_err)
{
    vv_alloc alloc;
    vv_buf url;
    json_t *root = NULL;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&url, &alloc, REMOTE_URL_BYTES_MAX);
    varve_status status = remote_list_url(wanted, &alloc, arena, &url, out_is_reached, out_err);
    if (status == VARVE_OK) {
        status = remote_get_json(&alloc, &url, &root, out_is_reached, out_err);
    }
    json_t *data = json_object_get(root, "data");
    if (status == VARVE_OK) {
        *out_count = json_array_size(data);
        status = remote_items(wanted, data, &alloc, arena, out_texts, out_err);
    }
    json_decref(root);
    vv_buf_deinit(&url);
    return status;
}

/* ---- names for completion ------------------------------------------------------------------- */

/** /api/v1/labels, or /api/v1/label/NAME/values, of the series of a metric. */
static void remote_names_url(const vv_remote_names_request *wanted, vv_alloc *alloc, vv_buf *url)
{
    char limit[VV_TEXT_I64_BYTES_MAX];
    remote_url(url, wanted->url, wanted->is_names ? "/api/v1/labels" : "/api/v1/label/");
    if (!wanted->is_names) {
        remote_escape(url, wanted->label);
        vv_buf_append_text(url, VV_TEXT("/values"));
    }
    remote_param(url, "limit", vv_text_make(limit, vv_text_print_u64(limit, wanted->limit)));
    if (wanted->metric.size > 0) {
        vv_buf selector;
        vv_buf_init(&selector, alloc, REMOTE_URL_BYTES_MAX);
        vv_listing_print_series(&selector, wanted->metric, NULL, 0);
        remote_param(url, "match[]", vv_buf_text(&selector));
        vv_buf_deinit(&selector);
    }
}

varve_status vv_remote_names(const vv_remote_names_request *wanted, vv_arena *arena,
                             varve_text **out_names, size_t *out_count, varve_error *out_err)
{
    vv_alloc alloc;
    vv_buf url;
    json_t *root = NULL;
    bool is_reached = true;
    vv_alloc_init(&alloc, NULL);
    vv_buf_init(&url, &alloc, REMOTE_URL_BYTES_MAX);
    remote_names_url(wanted, &alloc, &url);
    vv_http_fetch_request request = {.check = wanted->goes_on,
                                     .check_context = wanted->goes_on_context};
    varve_status status = remote_run_json(&request, &alloc, &url, &root, &is_reached, out_err);
    const json_t *data = json_object_get(root, "data");
    size_t count = json_array_size(data);
    varve_text *names =
        status == VARVE_OK ? vv_arena_zeroed(arena, (count + 1) * sizeof *names) : NULL;
    if (status == VARVE_OK && names == NULL) {
        status = vv_fail_nomem(out_err, "names", count);
    }
    for (size_t i = 0; i < count && status == VARVE_OK; i++) {
        const json_t *item = json_array_get(data, i);
        varve_text name = {json_string_value(item), json_string_length(item)};
        if (vv_arena_copy(arena, name, &names[i]) != VARVE_OK) {
            status = vv_fail_nomem(out_err, "names", count);
        }
    }
    json_decref(root);
    vv_buf_deinit(&url);
    if (status == VARVE_OK) {
        *out_names = names;
        *out_count = count;
    }
    return status;
}
