/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Groups and points of OpenMetrics: the samples of one metric stand together, those of one time
 * are a point, and what a point says depends on the type of its family.
 */

#include "base/assert.h"
#include "base/slice.h"
#include "base/status.h"
#include "wire/open_metrics_priv.h"

varve_status vv_open_metrics_bad(const char *reason, varve_error *out_err)
{
    return vv_fail(out_err, VARVE_E_INVALID, "%s", reason);
}

/* ---- points and groups ---------------------------------------------------------------------- */

static bool open_metrics_is_histogram(const vv_open_metrics *state)
{
    return state->type == OPEN_METRICS_HISTOGRAM || state->type == OPEN_METRICS_GAUGEHISTOGRAM;
}

varve_status vv_open_metrics_end_point(vv_open_metrics *state, varve_error *out_err)
{
    const vv_open_metrics_point point = state->point;
    state->point = (vv_open_metrics_point){.suffixes = 0};
    if (!state->has_group || !open_metrics_is_histogram(state)) {
        return VARVE_OK;
    }
    bool has_count = (point.suffixes & (OPEN_METRICS_BIT(COUNT) | OPEN_METRICS_BIT(GCOUNT))) != 0;
    bool has_sum = (point.suffixes & (OPEN_METRICS_BIT(SUM) | OPEN_METRICS_BIT(GSUM))) != 0;
    if (!point.has_bucket || point.bound <= 1.7976931348623157e308) {
        return vv_open_metrics_bad("a histogram before this line has no bucket le=\"+Inf\"",
                                   out_err);
    }
    if (has_count && !(point.total >= point.count && point.total <= point.count)) {
        return vv_open_metrics_bad("the count of a histogram before this line is not that of its "
                                   "bucket le=\"+Inf\"",
                                   out_err);
    }
    if (has_count != has_sum) {
        return vv_open_metrics_bad("a histogram before this line has only one of sum and count",
                                   out_err);
    }
    if (has_sum && point.has_negative_bucket && state->type == OPEN_METRICS_HISTOGRAM) {
        return vv_open_metrics_bad("a histogram before this line has a sum and negative buckets",
                                   out_err);
    }
    return VARVE_OK;
}

/** Labels that tell samples of a group apart, not groups. */
static bool open_metrics_is_inner(const vv_open_metrics *state, varve_text name)
{
    switch (state->type) {
    case OPEN_METRICS_HISTOGRAM:
    case OPEN_METRICS_GAUGEHISTOGRAM:
        return vv_text_equal(name, VV_TEXT("le"));
    case OPEN_METRICS_SUMMARY:
        return vv_text_equal(name, VV_TEXT("quantile"));
    case OPEN_METRICS_STATESET:
        return vv_text_equal(name, vv_buf_text(&state->family));
    case OPEN_METRICS_UNKNOWN:
    case OPEN_METRICS_GAUGE:
    case OPEN_METRICS_COUNTER:
    case OPEN_METRICS_INFO:
    case OPEN_METRICS_TYPE_COUNT:
        break;
    }
    return false;
}

/** The labels of the group as one text, behind what `group` holds. */
static varve_status open_metrics_group_text(vv_open_metrics *state,
                                            const vv_open_metrics_sample *sample,
                                            varve_error *out_err)
{
    vv_buf *group = &state->group;
    for (size_t i = 0; i < sample->label_count; i++) {
        const varve_label *label = &sample->labels[i];
        if (!open_metrics_is_inner(state, label->name)) {
            vv_buf_append_varint(group, label->name.size);
            vv_buf_append_text(group, label->name);
            vv_buf_append_varint(group, label->value.size);
            vv_buf_append_text(group, label->value);
        }
    }
    return vv_buf_check(group, out_err);
}

/** Whether the sample is of the group at hand; else the next group begins. */
static varve_status open_metrics_enter_group(vv_open_metrics *state,
                                             const vv_open_metrics_sample *sample,
                                             bool *out_is_same, varve_error *out_err)
{
    size_t old = state->group.size;
    VV_TRY(open_metrics_group_text(state, sample, out_err));
    varve_text known = vv_text_make((const char *)state->group.data, old);
    varve_text found = vv_text_sub(vv_buf_text(&state->group), old, SIZE_MAX);
    *out_is_same = state->has_group && vv_text_equal(known, found);
    if (*out_is_same) {
        vv_buf_truncate(&state->group, old);
        return VARVE_OK;
    }
    bool is_new;
    VV_TRY(vv_open_metrics_end_point(state, out_err));
    varve_status status = vv_text_set_add(&state->groups, found, &is_new, out_err);
    if (status == VARVE_E_LIMIT) {
        return vv_fail(out_err, status, "more than %zu series of one metric",
                       state->groups.texts.count);
    }
    VV_TRY(status);
    vv_buf_drop_front(&state->group, old);
    state->has_group = true;
    return is_new ? VARVE_OK
                  : vv_open_metrics_bad("samples of one metric do not stand together", out_err);
}

static int open_metrics_time_compare(const vv_seconds *a, const vv_seconds *b)
{
    if (a->s != b->s) {
        return a->s < b->s ? -1 : 1;
    }
    return a->ns < b->ns ? -1 : a->ns > b->ns;
}

varve_status vv_open_metrics_place(vv_open_metrics *state, const vv_open_metrics_sample *sample,
                                   varve_error *out_err)
{
    bool is_same;
    bool has_time = sample->text.time.size > 0;
    VV_TRY(open_metrics_enter_group(state, sample, &is_same, out_err));
    if (is_same && has_time != state->has_time) {
        return vv_open_metrics_bad("some samples of a metric have a time and some have none",
                                   out_err);
    }
    int order = is_same ? open_metrics_time_compare(&sample->time, &state->time) : 0;
    if (order < 0) {
        return vv_open_metrics_bad("the time of a metric goes back", out_err);
    }
    if (order > 0) {
        VV_TRY(vv_open_metrics_end_point(state, out_err));
    }
    state->has_time = has_time;
    state->time = sample->time;
    bool may_repeat =
        sample->suffix == OPEN_METRICS_BUCKET ||
        (sample->suffix == OPEN_METRICS_NONE &&
         (state->type == OPEN_METRICS_SUMMARY || state->type == OPEN_METRICS_STATESET));
    uint32_t bit = 1u << sample->suffix;
    if ((state->point.suffixes & bit) != 0 && !may_repeat) {
        return vv_open_metrics_bad("a sample stands twice", out_err);
    }
    state->point.suffixes |= bit;
    return VARVE_OK;
}

/* ---- what a sample has to say --------------------------------------------------------------- */

static const varve_text *open_metrics_label(const vv_open_metrics_sample *sample, varve_text name)
{
    for (size_t i = 0; i < sample->label_count; i++) {
        if (vv_text_equal(sample->labels[i].name, name)) {
            return &sample->labels[i].value;
        }
    }
    return NULL;
}

static varve_status open_metrics_bucket(vv_open_metrics *state,
                                        const vv_open_metrics_sample *sample, varve_error *out_err)
{
    vv_open_metrics_point *point = &state->point;
    const varve_text *le = open_metrics_label(sample, VV_TEXT("le"));
    double bound;
    if (le == NULL || !vv_prom_number(*le, &bound) || !(bound >= bound)) {
        return vv_open_metrics_bad("a bucket without a number as its label le", out_err);
    }
    if (point->has_bucket && !(bound > point->bound)) {
        return vv_open_metrics_bad("the buckets of a histogram are not in order", out_err);
    }
    if (point->has_bucket && sample->text.value < point->count) {
        return vv_open_metrics_bad("a bucket counts less than the one before", out_err);
    }
    point->has_bucket = true;
    point->has_negative_bucket = point->has_negative_bucket || bound < 0;
    point->bound = bound;
    point->count = sample->text.value;
    return VARVE_OK;
}

static varve_status open_metrics_plain(const vv_open_metrics *state,
                                       const vv_open_metrics_sample *sample, varve_error *out_err)
{
    double value = sample->text.value;
    double quantile;
    const varve_text *label;
    if (state->type == OPEN_METRICS_STATESET) {
        label = open_metrics_label(sample, vv_buf_text(&state->family));
        if (label == NULL || !((value >= 0 && value <= 0) || (value >= 1 && value <= 1))) {
            return vv_open_metrics_bad("a stateset has a label of its name, and the value 0 or 1",
                                       out_err);
        }
    }
    if (state->type == OPEN_METRICS_SUMMARY) {
        label = open_metrics_label(sample, VV_TEXT("quantile"));
        if (label == NULL || !vv_prom_number(*label, &quantile) ||
            !(quantile >= 0 && quantile <= 1) || value < 0) {
            return vv_open_metrics_bad(
                "a summary has a label quantile from 0 to 1, and no negative "
                "values",
                out_err);
        }
    }
    return VARVE_OK;
}

varve_status vv_open_metrics_check(vv_open_metrics *state, const vv_open_metrics_sample *sample,
                                   varve_error *out_err)
{
    double value = sample->text.value;
    bool takes_exemplar =
        sample->suffix == OPEN_METRICS_TOTAL || sample->suffix == OPEN_METRICS_BUCKET;
    if (sample->has_exemplar && !takes_exemplar) {
        return vv_open_metrics_bad("only counters and buckets have exemplars", out_err);
    }
    switch (sample->suffix) {
    case OPEN_METRICS_NONE:
        return open_metrics_plain(state, sample, out_err);
    case OPEN_METRICS_CREATED:
        return VARVE_OK;
    case OPEN_METRICS_SUFFIX_INFO:
        return value >= 1 && value <= 1 ? VARVE_OK
                                        : vv_open_metrics_bad("the value of an info is 1", out_err);
    case OPEN_METRICS_GSUM:
        return value >= value ? VARVE_OK : vv_open_metrics_bad("a sum that is no number", out_err);
    case OPEN_METRICS_TOTAL:
    case OPEN_METRICS_BUCKET:
    case OPEN_METRICS_SUM:
    case OPEN_METRICS_COUNT:
    case OPEN_METRICS_GCOUNT:
    case OPEN_METRICS_SUFFIX_COUNT:
        break;
    }
    if (!(value >= 0)) {
        return vv_open_metrics_bad("a total, count or sum is negative, or no number", out_err);
    }
    if (sample->suffix == OPEN_METRICS_COUNT || sample->suffix == OPEN_METRICS_GCOUNT) {
        state->point.total = value;
    }
    return sample->suffix == OPEN_METRICS_BUCKET ? open_metrics_bucket(state, sample, out_err)
                                                 : VARVE_OK;
}
