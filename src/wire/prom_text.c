/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The text that Prometheus scrapes, a sample a line.
 *
 *     # TYPE http_requests_total counter
 *     http_requests_total{code="200",path="/a\"b"} 1027 1395066363000
 *     |------------------- key ------------------| value |-- time --|
 *     {"http.requests","cod\u00e9"="200"} 5           quoted names: format 1.0.0
 *
 * A key is checked where it stands and becomes metric and labels only when it is asked for
 * (vv_prom_series): a reader that knows the key asks nothing.
 *
 *   P1  A bad line costs itself. One that the end of the text cuts off is bad too: half of a
 *       number is a number.
 *
 *   P2  Of comments only HELP and TYPE are looked at, and nothing is kept of them.
 */

#include "wire/prom_text.h"

#include <string.h>

#include "base/limit.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "base/utf8.h"
#include "model/labels.h"
#include "model/time_range.h"
#include "wire/decode.h"
#include "wire/lines.h"
#include "wire/prom_priv.h"

/* Of all NaNs the one that JSON lines write as "NaN". */
#define PROM_TEXT_NAN_BITS UINT64_C(0x7ff8000000000000)

/* ---- tokens --------------------------------------------------------------------------------- */

static varve_status prom_text_bad(const vv_prom_cursor *cursor, const char *reason)
{
    return vv_fail(cursor->err, VARVE_E_INVALID, "%s at byte %zu", reason, cursor->at + 1);
}

static char prom_text_peek(const vv_prom_cursor *cursor)
{
    return cursor->at < cursor->text.size ? cursor->text.data[cursor->at] : '\0';
}

static bool prom_text_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool prom_text_is_name(char c, bool is_first, bool allows_colon)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (c >= '0' && c <= '9' && !is_first) || (c == ':' && allows_colon);
}

/** Blanks that mean nothing; OpenMetrics has none. */
static void prom_text_skip(vv_prom_cursor *cursor)
{
    while (!cursor->is_strict && prom_text_is_blank(prom_text_peek(cursor))) {
        cursor->at += 1;
    }
}

static bool prom_text_take(vv_prom_cursor *cursor, char c)
{
    if (cursor->at == cursor->text.size || cursor->text.data[cursor->at] != c) {
        return false;
    }
    cursor->at += 1;
    return true;
}

bool vv_prom_gap(vv_prom_cursor *cursor)
{
    size_t begin = cursor->at;
    if (cursor->is_strict) {
        return prom_text_take(cursor, ' ');
    }
    prom_text_skip(cursor);
    return cursor->at > begin;
}

varve_text vv_prom_word(vv_prom_cursor *cursor)
{
    size_t begin = cursor->at;
    while (cursor->at < cursor->text.size && !prom_text_is_blank(cursor->text.data[cursor->at])) {
        cursor->at += 1;
    }
    return vv_text_make(cursor->text.data + begin, cursor->at - begin);
}

/** A name without quotes; empty when none begins here. */
static varve_text prom_text_plain(vv_prom_cursor *cursor, bool allows_colon)
{
    size_t begin = cursor->at;
    while (cursor->at < cursor->text.size &&
           prom_text_is_name(cursor->text.data[cursor->at], cursor->at == begin, allows_colon)) {
        cursor->at += 1;
    }
    return vv_text_make(cursor->text.data + begin, cursor->at - begin);
}

/** What stands in quotes, escapes included. */
static varve_status prom_text_quoted(vv_prom_cursor *cursor, varve_text *out_raw)
{
    size_t begin = cursor->at;
    if (!prom_text_take(cursor, '"')) {
        return prom_text_bad(cursor, "no quoted text");
    }
    while (cursor->at < cursor->text.size && cursor->text.data[cursor->at] != '"') {
        cursor->at += cursor->text.data[cursor->at] == '\\' ? 2 : 1;
    }
    if (cursor->at >= cursor->text.size) {
        cursor->at = begin;
        return prom_text_bad(cursor, "a quote that is never closed");
    }
    *out_raw = vv_text_make(cursor->text.data + begin + 1, cursor->at - begin - 1);
    cursor->at += 1;
    return VARVE_OK;
}

/** Undo \\, \" and \n; any other backslash is itself. */
static varve_status prom_text_unescape(varve_text raw, vv_arena *arena, varve_text *out_text,
                                       varve_error *out_err)
{
    *out_text = raw;
    if (vv_text_find_char(raw, '\\') == raw.size) {
        return VARVE_OK;
    }
    char *target = vv_arena_new(arena, raw.size);
    if (target == NULL) {
        return vv_arena_fail(arena, raw.size, out_err);
    }
    size_t size = 0;
    for (size_t index = 0; index < raw.size; index++) {
        char c = raw.data[index];
        char next = index + 1 < raw.size ? raw.data[index + 1] : '\0';
        if (c == '\\' && (next == '\\' || next == '"' || next == 'n')) {
            index += 1;
            c = next == 'n' ? '\n' : next;
        }
        target[size] = c;
        size += 1;
    }
    *out_text = vv_text_make(target, size);
    return VARVE_OK;
}

bool vv_prom_number(varve_text text, double *out_value)
{
    if (vv_text_parse_f64(text, out_value)) {
        return true;
    }
    bool is_negative = text.size > 0 && text.data[0] == '-';
    bool is_signed = is_negative || (text.size > 0 && text.data[0] == '+');
    varve_text word = vv_text_sub(text, is_signed ? 1 : 0, text.size);
    if (vv_text_equal_nocase(text, VV_TEXT("NaN"))) {
        uint64_t bits = PROM_TEXT_NAN_BITS;
        memcpy(out_value, &bits, sizeof bits);
        return true;
    }
    if (vv_text_equal_nocase(word, VV_TEXT("Inf")) ||
        vv_text_equal_nocase(word, VV_TEXT("Infinity"))) {
        uint64_t bits = is_negative ? UINT64_C(0xfff0000000000000) : UINT64_C(0x7ff0000000000000);
        memcpy(out_value, &bits, sizeof bits);
        return true;
    }
    return false;
}

/* ---- series --------------------------------------------------------------------------------- */

/** One item between braces, as it stands: a label, or the name of the metric in quotes. */
typedef struct prom_text_item {
    varve_text name;
    varve_text value;
    bool is_metric; /* name is that of the metric, value is nothing */
} prom_text_item;

static varve_status prom_text_item_parse(vv_prom_cursor *cursor, prom_text_item *item)
{
    bool is_quoted = prom_text_peek(cursor) == '"';
    *item = (prom_text_item){.is_metric = false};
    if (is_quoted) {
        VV_TRY(prom_text_quoted(cursor, &item->name));
    } else {
        item->name = prom_text_plain(cursor, false);
    }
    if (item->name.size == 0) {
        return prom_text_bad(cursor, "no name of a label");
    }
    prom_text_skip(cursor);
    if (!prom_text_take(cursor, '=')) {
        item->is_metric = is_quoted;
        return is_quoted ? VARVE_OK : prom_text_bad(cursor, "no equal sign behind a label");
    }
    if (vv_text_equal(item->name, VV_TEXT(VV_METRIC_LABEL))) {
        return prom_text_bad(cursor, "the label \"__name__\" is the metric's");
    }
    prom_text_skip(cursor);
    return prom_text_quoted(cursor, &item->value);
}

/** The next item; *out_has_item is false behind the closing brace. */
static varve_status prom_text_next_item(vv_prom_cursor *cursor, bool is_first, prom_text_item *item,
                                        bool *out_has_item)
{
    prom_text_skip(cursor);
    *out_has_item = false;
    if (prom_text_take(cursor, '}')) {
        return VARVE_OK;
    }
    if (!is_first) {
        if (!prom_text_take(cursor, ',')) {
            return prom_text_bad(cursor, "no comma or brace behind a label");
        }
        prom_text_skip(cursor);
        if (!cursor->is_strict && prom_text_take(cursor, '}')) {
            return VARVE_OK;
        }
    }
    *out_has_item = true;
    return prom_text_item_parse(cursor, item);
}

/** The series at the cursor as it stands, checked but for labels that stand twice. */
static varve_status prom_text_key(vv_prom_cursor *cursor, varve_text *out_key)
{
    size_t begin = cursor->at;
    bool has_metric = prom_text_plain(cursor, true).size > 0;
    *out_key = vv_text_make(cursor->text.data + begin, cursor->at - begin);
    size_t behind_name = cursor->at;
    prom_text_skip(cursor);
    if (!prom_text_take(cursor, '{')) {
        cursor->at = behind_name;
        return has_metric ? VARVE_OK : prom_text_bad(cursor, "no metric");
    }
    bool has_item = true;
    for (size_t count = 0; has_item; count++) {
        prom_text_item item = {.is_metric = false};
        VV_TRY(prom_text_next_item(cursor, count == 0, &item, &has_item));
        if (has_item && item.is_metric && has_metric) {
            return prom_text_bad(cursor, "the name of the metric stands twice");
        }
        has_metric = has_metric || item.is_metric;
        if (count > VV_PROM_LABELS_MAX) {
            return vv_fail_limit(cursor->err, VARVE_E_LIMIT, VV_LIMIT_SERIES_NAME,
                                 "more than %u labels", VV_PROM_LABELS_MAX);
        }
    }
    *out_key = vv_text_make(cursor->text.data + begin, cursor->at - begin);
    return has_metric ? VARVE_OK : prom_text_bad(cursor, "no metric");
}

/** Sort, drop empty values, refuse names that stand twice. */
static varve_status prom_text_tidy(varve_label *labels, size_t *count, varve_error *out_err)
{
    size_t kept = 0;
    vv_labels_sort(labels, *count);
    for (size_t i = 0; i < *count; i++) {
        if (i > 0 && vv_text_equal(labels[i].name, labels[i - 1].name)) {
            return vv_fail(out_err, VARVE_E_INVALID, "the label \"%.*s\" stands twice",
                           VV_TEXT_ARGS(vv_text_sub(labels[i].name, 0, 64)));
        }
    }
    for (size_t i = 0; i < *count; i++) {
        if (labels[i].value.size > 0) {
            labels[kept] = labels[i];
            kept += 1;
        }
    }
    *count = kept;
    return VARVE_OK;
}

/** All items behind the opening brace. A metric among them goes to *out_metric; NULL: none may. */
static varve_status prom_text_items(vv_prom_cursor *cursor, vv_arena *arena, varve_text *out_metric,
                                    varve_label **out_labels, size_t *out_count)
{
    size_t capacity = 8;
    size_t count = 0;
    bool has_item = true;
    varve_label *labels = vv_arena_array(arena, capacity, sizeof *labels);
    for (bool is_first = true; labels != NULL; is_first = false) {
        prom_text_item item;
        VV_TRY(prom_text_next_item(cursor, is_first, &item, &has_item));
        if (!has_item) {
            *out_labels = labels;
            *out_count = count;
            return prom_text_tidy(labels, out_count, cursor->err);
        }
        if (item.is_metric && out_metric == NULL) {
            return prom_text_bad(cursor, "a metric among labels");
        }
        if (item.is_metric) {
            VV_TRY(prom_text_unescape(item.name, arena, out_metric, cursor->err));
            continue;
        }
        if (count == VV_PROM_LABELS_MAX) {
            return vv_fail_limit(cursor->err, VARVE_E_LIMIT, VV_LIMIT_SERIES_NAME,
                                 "more than %u labels", VV_PROM_LABELS_MAX);
        }
        if (count == capacity) {
            varve_label *more = vv_arena_array(arena, capacity * 2, sizeof *labels);
            if (more == NULL) {
                break;
            }
            memcpy(more, labels, count * sizeof *labels);
            labels = more;
            capacity *= 2;
        }
        VV_TRY(prom_text_unescape(item.name, arena, &labels[count].name, cursor->err));
        VV_TRY(prom_text_unescape(item.value, arena, &labels[count].value, cursor->err));
        count += 1;
    }
    return vv_arena_fail(arena, capacity * 2 * sizeof *labels, cursor->err);
}

varve_status vv_prom_labels(vv_prom_cursor *cursor, vv_arena *arena, varve_label **out_labels,
                            size_t *out_count)
{
    *out_labels = NULL;
    *out_count = 0;
    return prom_text_take(cursor, '{') ? prom_text_items(cursor, arena, NULL, out_labels, out_count)
                                       : prom_text_bad(cursor, "no labels");
}

varve_status vv_prom_series(varve_text key, vv_arena *arena, varve_text *out_metric,
                            varve_label **out_labels, size_t *out_count, varve_error *out_err)
{
    vv_prom_cursor cursor = {.text = key, .err = out_err};
    *out_labels = NULL;
    *out_count = 0;
    *out_metric = prom_text_plain(&cursor, true);
    prom_text_skip(&cursor);
    if (prom_text_take(&cursor, '{')) {
        VV_TRY(prom_text_items(&cursor, arena, out_metric, out_labels, out_count));
    }
    return out_metric->size > 0 && cursor.at == key.size ? VARVE_OK
                                                         : prom_text_bad(&cursor, "no series");
}

varve_status vv_prom_name(vv_prom_cursor *cursor, vv_arena *arena, varve_text *out_name)
{
    if (prom_text_peek(cursor) == '"') {
        varve_text raw;
        VV_TRY(prom_text_quoted(cursor, &raw));
        VV_TRY(prom_text_unescape(raw, arena, out_name, cursor->err));
    } else {
        *out_name = prom_text_plain(cursor, true);
    }
    return out_name->size > 0 ? VARVE_OK : prom_text_bad(cursor, "no name of a metric");
}

varve_status vv_prom_sample_parse(vv_prom_cursor *cursor, vv_prom_sample *out_sample)
{
    VV_TRY(prom_text_key(cursor, &out_sample->key));
    bool has_gap = vv_prom_gap(cursor);
    char last = out_sample->key.data[out_sample->key.size - 1];
    if (!has_gap && (cursor->is_strict || last != '}')) {
        return prom_text_bad(cursor, "no value");
    }
    size_t begin = cursor->at;
    if (!vv_prom_number(vv_prom_word(cursor), &out_sample->value)) {
        cursor->at = begin;
        return prom_text_bad(cursor, "no number");
    }
    out_sample->time = (varve_text){.data = ""};
    begin = cursor->at;
    if (vv_prom_gap(cursor)) {
        if (cursor->is_strict && prom_text_peek(cursor) == '#') {
            cursor->at = begin; /* an exemplar */
            return VARVE_OK;
        }
        out_sample->time = vv_prom_word(cursor);
        if (cursor->is_strict && out_sample->time.size == 0) {
            return prom_text_bad(cursor, "a blank that separates nothing");
        }
    }
    prom_text_skip(cursor);
    return VARVE_OK;
}

/* ---- Prometheus text ------------------------------------------------------------------------ */

typedef struct prom_text {
    vv_alloc *alloc;                   /* borrowed */
    vv_decoder *base;                  /* borrowed */
    const vv_decoder_options *options; /* borrowed */
    vv_lines lines;
    vv_arena arena; /* of one comment */
} prom_text;

/** A line that begins with '#'. */
static varve_status prom_text_comment(vv_arena *arena, vv_prom_cursor *cursor)
{
    static const varve_text types[] = {
        VV_TEXT_INIT("counter"), VV_TEXT_INIT("gauge"),   VV_TEXT_INIT("histogram"),
        VV_TEXT_INIT("summary"), VV_TEXT_INIT("untyped"),
    };
    varve_text name;
    cursor->at += 1;
    prom_text_skip(cursor);
    varve_text word = vv_prom_word(cursor);
    bool is_type = vv_text_equal(word, VV_TEXT("TYPE"));
    prom_text_skip(cursor);
    if ((!is_type && !vv_text_equal(word, VV_TEXT("HELP"))) || cursor->at == cursor->text.size) {
        return VARVE_OK;
    }
    VV_TRY(vv_prom_name(cursor, arena, &name));
    if (cursor->at < cursor->text.size && !vv_prom_gap(cursor)) {
        return prom_text_bad(cursor, "no name of a metric");
    }
    if (!is_type) {
        return VARVE_OK;
    }
    word = vv_prom_word(cursor);
    prom_text_skip(cursor);
    for (size_t i = 0; i < VV_ARRAY_COUNT(types); i++) {
        if (vv_text_equal(word, types[i]) && cursor->at == cursor->text.size) {
            return VARVE_OK;
        }
    }
    return prom_text_bad(cursor, "no type: counter, gauge, histogram, summary or untyped");
}

/** Whether a comment is good: then it says nothing to us (P2). A name in quotes takes memory: such
 * a line is looked at as any other. */
static bool prom_text_is_idle(varve_text line)
{
    vv_prom_cursor cursor = {.text = line};
    return vv_text_find_char(line, '"') == line.size && vv_utf8_is_valid(line) &&
           prom_text_comment(NULL, &cursor) == VARVE_OK;
}

static varve_status prom_text_create(vv_decoder *base, vv_alloc *alloc,
                                     const vv_decoder_options *options, void **out_state,
                                     varve_error *out_err)
{
    prom_text *state = vv_alloc_zeroed(alloc, sizeof *state);
    if (state == NULL) {
        return vv_fail_nomem(out_err, "a decoder of Prometheus text", sizeof *state);
    }
    state->alloc = alloc;
    state->base = base;
    state->options = options;
    vv_lines_init(&state->lines, alloc,
                  options->line_bytes_max == 0 ? VV_PROM_LINE_BYTES_MAX : options->line_bytes_max);
    state->lines.passes_blank = true;
    state->lines.is_comment = prom_text_is_idle;
    vv_arena_init(&state->arena, alloc, SIZE_MAX); /* a line bounds it */
    *out_state = state;
    return VARVE_OK;
}

/** Time in the precision wanted; that of `now` without. */
static varve_status prom_text_time(const prom_text *state, varve_text text, int64_t *out_timestamp,
                                   bool *out_lost, varve_error *out_err)
{
    const vv_decoder_options *options = state->options;
    int64_t given;
    *out_timestamp = options->now;
    if (text.size == 0) {
        return VARVE_OK;
    }
    if (!vv_text_parse_i64(text, &given)) {
        return vv_fail(out_err, VARVE_E_INVALID, "the time is no whole number");
    }
    uint32_t unit =
        options->unit == VARVE_PRECISION_STORED ? (uint32_t)VARVE_PRECISION_MS : options->unit;
    return vv_time_convert(given, unit, options->precision, out_timestamp, out_lost, out_err);
}

static varve_status prom_text_sample(prom_text *state, vv_prom_cursor *cursor,
                                     vv_prom_sample *out_sample, int64_t *out_timestamp)
{
    bool has_lost = false;
    VV_TRY(vv_prom_sample_parse(cursor, out_sample));
    if (cursor->at < cursor->text.size) {
        return prom_text_bad(cursor, "unexpected text behind the sample");
    }
    VV_TRY(prom_text_time(state, out_sample->time, out_timestamp, &has_lost, cursor->err));
    if (has_lost) {
        vv_decoder_note_lost_digits(state->base);
    }
    return VARVE_OK;
}

/** A whole line. Only what ends the reading is a failure. */
static varve_status prom_text_line(prom_text *state, varve_text line, varve_error *out_err)
{
    static const varve_text name = VV_TEXT_INIT("value");
    varve_error why;
    vv_prom_sample sample;
    int64_t timestamp = 0;
    if (line.size > 0 && line.data[line.size - 1] == '\r') {
        line.size -= 1;
    }
    vv_prom_cursor cursor = {.text = line, .err = &why};
    prom_text_skip(&cursor);
    if (cursor.at == line.size) {
        return VARVE_OK;
    }
    bool is_comment = line.data[cursor.at] == '#';
    varve_status status = VARVE_OK;
    if (!vv_utf8_is_valid(line)) {
        status = vv_fail(&why, VARVE_E_INVALID, "the line is not UTF-8");
    } else if (is_comment) {
        vv_arena_reset(&state->arena);
        status = prom_text_comment(&state->arena, &cursor);
    } else {
        status = prom_text_sample(state, &cursor, &sample, &timestamp);
    }
    if (status == VARVE_E_INVALID || status == VARVE_E_LIMIT) {
        vv_decoder_reject(state->base, state->lines.line, line, &why);
        return VARVE_OK;
    }
    if (status != VARVE_OK || is_comment) {
        *out_err = why;
        return status;
    }
    varve_value value = {.type = VARVE_TYPE_F64, .as.f64 = sample.value};
    vv_wire_rows rows = {
        .key = sample.key,
        .line = state->lines.line,
        .text = line,
        .row_count = 1,
        .timestamps = &timestamp,
        .field_count = 1,
        .names = &name,
        .values = &value,
    };
    return vv_decoder_rows(state->base, &rows, out_err);
}

static varve_status prom_text_feed(void *context, vv_bytes piece, varve_error *out_err)
{
    prom_text *state = context;
    vv_lines_feed(&state->lines, vv_text_of_bytes(piece));
    for (;;) {
        varve_text line;
        bool has_line;
        VV_TRY(vv_lines_next(&state->lines, false, &line, &has_line, out_err));
        if (!has_line) {
            vv_decoder_lines(state->base, state->lines.line);
            return VARVE_OK;
        }
        VV_TRY(prom_text_line(state, line, out_err));
    }
}

static varve_status prom_text_end(void *context, varve_error *out_err)
{
    prom_text *state = context;
    varve_text line;
    bool has_line;
    vv_lines_feed(&state->lines, VV_TEXT(""));
    VV_TRY(vv_lines_next(&state->lines, true, &line, &has_line, out_err));
    if (has_line && vv_text_trim(line).size > 0 && vv_text_trim(line).data[0] != '#') {
        varve_error why;
        VV_IGNORE(vv_fail(&why, VARVE_E_INVALID,
                          "the last line does not end in a line feed: it may be cut off"));
        vv_decoder_reject(state->base, state->lines.line, line, &why); /* P1 */
    }
    vv_decoder_lines(state->base, state->lines.line);
    return VARVE_OK;
}

static varve_status prom_text_series(void *context, const vv_wire_rows *rows, vv_arena *arena,
                                     varve_text *out_metric, varve_label **out_labels,
                                     size_t *out_count, varve_error *out_err)
{
    (void)context;
    return vv_prom_series(rows->key, arena, out_metric, out_labels, out_count, out_err);
}

static void prom_text_free(void *context)
{
    prom_text *state = context;
    vv_lines_deinit(&state->lines);
    vv_arena_deinit(&state->arena);
    vv_alloc_free(state->alloc, state, sizeof *state);
}

const vv_decoder_class vv_decoder_prometheus = {
    .create = prom_text_create,
    .feed = prom_text_feed,
    .end = prom_text_end,
    .series = prom_text_series,
    .free = prom_text_free,
};
