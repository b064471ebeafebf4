/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which series a request may see: what it selects, and what it is held to.
 *
 *     match[]=SELECTOR            any of them (match= is taken too)
 *     extra_label=NAME=VALUE      all of them
 *     extra_filters[]=SELECTOR    all of them
 *
 * The extra ones are put there by whoever stands between a user and the server, so they hold for
 * every selection of the request without exception: each becomes matchers of each selection, and
 * a request that selects nothing of its own is held to them alone.
 *
 * Selectors are compiled here once, only to tell what is wrong with them in the words that clients
 * of Prometheus know: "LINE:COLUMN: parse error: ...".
 */

#include <string.h>

#include "base/checked.h"
#include "base/limit.h"
#include "base/status.h"
#include "base/text.h"
#include "model/labels.h"
#include "model/selection.h"
#include "model/selector.h"
#include "server/server_priv.h"

#define SELECTIONS_MAX 256u /* of match[]; arbitrary */

static const vv_params *selections_params(vv_call *call)
{
    return &vv_http_request_view(call->request)->params;
}

static size_t selections_count(vv_call *call, varve_text name)
{
    size_t position = 0;
    size_t count = 0;
    varve_text text;
    while (vv_params_next(selections_params(call), name, &position, &text)) {
        count += 1;
    }
    return count;
}

/* ---- errors ---- */

/** Line and column, from 1 and in characters, of the nth character of a text, which counts alike.
 */
static void selections_place(varve_text text, uint64_t nth, uint64_t *out_line,
                             uint64_t *out_column)
{
    *out_line = 1;
    *out_column = 1;
    uint64_t at = 1;
    for (size_t index = 0; index < text.size && at < nth; index++) {
        bool is_inside =
            index + 1 < text.size && ((unsigned char)text.data[index + 1] & 0xC0) == 0x80;
        if (is_inside) {
            continue;
        }
        at += 1;
        *out_column += 1;
        if (text.data[index] == '\n') {
            *out_line += 1;
            *out_column = 1;
        }
    }
}

/** "at 7: reason" of a selector as Prometheus would say it, with the parameter's name. */
static varve_status selections_blame(varve_status status, const char *name, varve_text text,
                                     varve_error *out_err)
{
    varve_error reason = *out_err;
    varve_text message = vv_text_from_string(reason.message);
    varve_text at = VV_TEXT("at ");
    uint64_t nth = 0;
    size_t digits = 0;
    if (vv_text_starts_with(message, at)) {
        digits = vv_text_scan_u64(vv_text_sub(message, at.size, message.size), &nth);
    }
    varve_text rest = vv_text_sub(message, at.size + digits, message.size);
    if (status == VARVE_E_NOMEM) {
        return status;
    }
    if (digits == 0 || !vv_text_starts_with(rest, VV_TEXT(": "))) {
        return vv_fail_limit(out_err, status, vv_error_limit(&reason),
                             "invalid parameter \"%s\": %s", name, reason.message);
    }
    uint64_t line;
    uint64_t column;
    selections_place(text, nth, &line, &column);
    return vv_fail_limit(out_err, status, vv_error_limit(&reason),
                         "invalid parameter \"%s\": %llu:%llu: parse error: %.*s", name,
                         (unsigned long long)line, (unsigned long long)column,
                         VV_TEXT_ARGS(vv_text_sub(rest, 2, rest.size)));
}

static varve_status selections_check(vv_call *call, varve_text text, varve_error *out_err)
{
    varve_selection given = {.kind = VARVE_SELECT_TEXT, .text = text};
    vv_selection *compiled = NULL;
    varve_status status =
        vv_selection_compile(&given, 1, false, &call->server->alloc, &compiled, out_err);
    if (status != VARVE_OK) {
        return selections_blame(status, "match[]", text, out_err);
    }
    bool is_of_all = vv_selection_item_is_of_all(&compiled->items[0]);
    vv_selection_free(compiled);
    return is_of_all ? vv_fail(out_err, VARVE_E_INVALID,
                               "invalid parameter \"match[]\": match[] must contain at least one "
                               "non-empty matcher")
                     : VARVE_OK;
}

/* ---- what a request is held to ---- */

/** Matchers that hold for all selections of the request. */
typedef struct selections_filter {
    varve_matcher *matchers; /* in the request's arena */
    size_t count;
} selections_filter;

static varve_status selections_add(vv_call *call, selections_filter *filter,
                                   const varve_matcher *matchers, size_t count,
                                   varve_error *out_err)
{
    if (count > VV_SELECTION_MATCHES_MAX - filter->count) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_QUERY_SHAPE,
                             "extra_label and extra_filters[] have more than %u conditions",
                             VV_SELECTION_MATCHES_MAX);
    }
    if (filter->matchers == NULL) {
        size_t bytes = VV_SELECTION_MATCHES_MAX * sizeof *matchers;
        filter->matchers = vv_arena_zeroed(vv_http_request_arena(call->request), bytes);
        if (filter->matchers == NULL) {
            return vv_arena_fail(vv_http_request_arena(call->request), bytes, out_err);
        }
    }
    if (count > 0) {
        memcpy(filter->matchers + filter->count, matchers, count * sizeof *matchers);
    }
    filter->count += count;
    return VARVE_OK;
}

static varve_status selections_add_label(vv_call *call, selections_filter *filter, varve_text text,
                                         varve_error *out_err)
{
    size_t equal = vv_text_find_char(text, '=');
    if (equal == 0 || equal == text.size) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "invalid parameter \"extra_label\": \"%.*s\" is no NAME=VALUE",
                       VV_TEXT_ARGS(vv_text_sub(text, 0, 64)));
    }
    varve_matcher matcher = {.kind = VARVE_MATCH_EQUAL,
                             .name = vv_text_sub(text, 0, equal),
                             .value = vv_text_sub(text, equal + 1, text.size)};
    return selections_add(call, filter, &matcher, 1, out_err);
}

static varve_status selections_add_selector(vv_call *call, selections_filter *filter,
                                            varve_text text, varve_error *out_err)
{
    vv_selector selector;
    varve_status status =
        vv_selector_parse(text, vv_http_request_arena(call->request), &selector, out_err);
    if (status != VARVE_OK) {
        return selections_blame(status, "extra_filters[]", text, out_err);
    }
    if (selector.has_metric) {
        varve_matcher metric = {
            .kind = VARVE_MATCH_EQUAL, .name = VV_TEXT(VV_METRIC_LABEL), .value = selector.metric};
        VV_TRY(selections_add(call, filter, &metric, 1, out_err));
    }
    return selections_add(call, filter, selector.matchers, selector.matcher_count, out_err);
}

static varve_status selections_filter_of(vv_call *call, selections_filter *out_filter,
                                         varve_error *out_err)
{
    *out_filter = (selections_filter){.count = 0};
    size_t position = 0;
    varve_text text;
    while (vv_params_next(selections_params(call), VV_TEXT("extra_label"), &position, &text)) {
        VV_TRY(selections_add_label(call, out_filter, text, out_err));
    }
    position = 0;
    while (vv_params_next(selections_params(call), VV_TEXT("extra_filters"), &position, &text)) {
        VV_TRY(selections_add_selector(call, out_filter, text, out_err));
    }
    return VARVE_OK;
}

/** One selection, its own conditions and the filter's. */
static varve_status selections_narrow_one(vv_call *call, const varve_selection *given,
                                          const selections_filter *filter,
                                          varve_selection *out_selection, varve_error *out_err)
{
    vv_arena *arena = vv_http_request_arena(call->request);
    vv_selector selector = {.has_metric = false};
    if (given->kind == VARVE_SELECT_TEXT) {
        VV_TRY(vv_selector_parse(given->text, arena, &selector, out_err));
    }
    size_t count = selector.matcher_count + filter->count;
    varve_matcher *matchers = vv_arena_array(arena, count, sizeof *matchers);
    if (matchers == NULL) {
        return vv_arena_fail(arena, count * sizeof *matchers, out_err);
    }
    if (selector.matcher_count > 0) {
        memcpy(matchers, selector.matchers, selector.matcher_count * sizeof *matchers);
    }
    memcpy(matchers + selector.matcher_count, filter->matchers, filter->count * sizeof *matchers);
    *out_selection =
        (varve_selection){.kind = VARVE_SELECT_MATCH, .matchers = matchers, .matcher_count = count};
    if (selector.has_metric) {
        out_selection->text = selector.metric;
    }
    return VARVE_OK;
}

varve_status vv_call_narrow(vv_call *call, const varve_selection **selections, size_t *count,
                            varve_error *out_err)
{
    static const varve_selection all = {.kind = VARVE_SELECT_ALL};
    selections_filter filter;
    VV_TRY(selections_filter_of(call, &filter, out_err));
    if (filter.count == 0) {
        return VARVE_OK;
    }
    const varve_selection *given = *count == 0 ? &all : *selections;
    size_t narrowed_count = *count == 0 ? 1 : *count;
    vv_arena *arena = vv_http_request_arena(call->request);
    varve_selection *narrowed = vv_arena_array(arena, narrowed_count, sizeof *narrowed);
    if (narrowed == NULL) {
        return vv_arena_fail(arena, narrowed_count * sizeof *narrowed, out_err);
    }
    for (size_t index = 0; index < narrowed_count; index++) {
        VV_TRY(selections_narrow_one(call, &given[index], &filter, &narrowed[index], out_err));
    }
    *selections = narrowed;
    *count = narrowed_count;
    return VARVE_OK;
}

/* ---- what a request selects ---- */

varve_status vv_call_selections(vv_call *call, bool is_required,
                                const varve_selection **out_selections, size_t *out_count,
                                varve_error *out_err)
{
    vv_arena *arena = vv_http_request_arena(call->request);
    size_t count = selections_count(call, VV_TEXT("match"));
    *out_selections = NULL;
    *out_count = count;
    if (count == 0 && is_required) {
        return vv_fail(out_err, VARVE_E_INVALID, "no match[] parameter provided");
    }
    if (count > SELECTIONS_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID, "more than %u match[] parameters", SELECTIONS_MAX);
    }
    varve_selection *selections = vv_arena_zeroed(arena, (count + 1) * sizeof *selections);
    if (selections == NULL) {
        return vv_arena_fail(arena, count * sizeof *selections, out_err);
    }
    size_t position = 0;
    for (size_t index = 0; index < count; index++) {
        varve_text text;
        if (vv_params_next(selections_params(call), VV_TEXT("match"), &position, &text)) {
            selections[index].kind = VARVE_SELECT_TEXT;
            selections[index].text = text;
            VV_TRY(selections_check(call, text, out_err));
        }
    }
    *out_selections = selections;
    return vv_call_narrow(call, out_selections, out_count, out_err);
}
