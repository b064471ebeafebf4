/* SPDX-License-Identifier: Apache-2.0 */

/*
 * OpenMetrics 1.0: a text that is good as a whole or not at all.
 *
 *     # TYPE requests counter            descriptors of the family `requests`
 *     # UNIT ...
 *     requests_total{code="200"} 17 1395066363.000 # {trace="a"} 1 1395066362.9
 *     requests_created{code="200"} 1395066000
 *     # EOF
 *
 *     text:    families, each once and in one piece; at its end # EOF
 *     family:  TYPE, UNIT, HELP in any order, each once; then groups
 *     group:   samples whose labels differ in le, quantile or the state only; each once and in one
 *              piece, its times not falling
 *     point:   the samples of a group with one time; of a histogram its buckets
 *
 * M1  The first violation ends the reading with E_INVALID and the number of its line; whether rows
 *     given to the sink before are kept is the sink's business.
 * M2  What is kept beyond a line are the names of all families and the labels of all groups of one
 *     family: less than the text.
 * M3  Names in quotes, which Prometheus writes into this format as well, are taken.
 *
 *   open_metrics.c         this file: families and lines
 *   open_metrics_point.c   groups and points
 *
 * Of the samples NAME_created, which say when a counter began, no rows are made unless asked for.
 */

#include "base/checked.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/utf8.h"
#include "model/time_range.h"
#include "wire/open_metrics_priv.h"
#include "wire/prom_text.h"

#define OPEN_METRICS_NS_PER_S INT64_C(1000000000)

/* ---- types ---------------------------------------------------------------------------------- */

static const varve_text open_metrics_suffixes[OPEN_METRICS_SUFFIX_COUNT] = {
    [OPEN_METRICS_NONE] = VV_TEXT_INIT(""),
    [OPEN_METRICS_TOTAL] = VV_TEXT_INIT("_total"),
    [OPEN_METRICS_CREATED] = VV_TEXT_INIT("_created"),
    [OPEN_METRICS_BUCKET] = VV_TEXT_INIT("_bucket"),
    [OPEN_METRICS_SUM] = VV_TEXT_INIT("_sum"),
    [OPEN_METRICS_COUNT] = VV_TEXT_INIT("_count"),
    [OPEN_METRICS_GSUM] = VV_TEXT_INIT("_gsum"),
    [OPEN_METRICS_GCOUNT] = VV_TEXT_INIT("_gcount"),
    [OPEN_METRICS_SUFFIX_INFO] = VV_TEXT_INIT("_info"),
};

static const struct {
    varve_text word;
    uint32_t suffixes;
} open_metrics_types[OPEN_METRICS_TYPE_COUNT] = {
    [OPEN_METRICS_UNKNOWN] = {VV_TEXT_INIT("unknown"), OPEN_METRICS_BIT(NONE)},
    [OPEN_METRICS_GAUGE] = {VV_TEXT_INIT("gauge"), OPEN_METRICS_BIT(NONE)},
    [OPEN_METRICS_COUNTER] = {VV_TEXT_INIT("counter"),
                              OPEN_METRICS_BIT(TOTAL) | OPEN_METRICS_BIT(CREATED)},
    [OPEN_METRICS_STATESET] = {VV_TEXT_INIT("stateset"), OPEN_METRICS_BIT(NONE)},
    [OPEN_METRICS_INFO] = {VV_TEXT_INIT("info"), OPEN_METRICS_BIT(SUFFIX_INFO)},
    [OPEN_METRICS_HISTOGRAM] = {VV_TEXT_INIT("histogram"),
                                OPEN_METRICS_BIT(BUCKET) | OPEN_METRICS_BIT(SUM) |
                                    OPEN_METRICS_BIT(COUNT) | OPEN_METRICS_BIT(CREATED)},
    [OPEN_METRICS_GAUGEHISTOGRAM] = {VV_TEXT_INIT("gaugehistogram"), OPEN_METRICS_BIT(BUCKET) |
                                                                         OPEN_METRICS_BIT(GSUM) |
                                                                         OPEN_METRICS_BIT(GCOUNT)},
    [OPEN_METRICS_SUMMARY] = {VV_TEXT_INIT("summary"),
                              OPEN_METRICS_BIT(NONE) | OPEN_METRICS_BIT(SUM) |
                                  OPEN_METRICS_BIT(COUNT) | OPEN_METRICS_BIT(CREATED)},
};

/* ---- state ---------------------------------------------------------------------------------- */

static varve_status open_metrics_create(vv_decoder *base, vv_alloc *alloc,
                                        const vv_decoder_options *options, void **out_state,
                                        varve_error *out_err)
{
    const vv_prom_text_options *own = options->format_options;
    vv_open_metrics *state = vv_alloc_zeroed(alloc, sizeof *state);
    if (state == NULL) {
        return vv_fail_nomem(out_err, "a decoder of OpenMetrics", sizeof *state);
    }
    state->alloc = alloc;
    state->base = base;
    state->options = options;
    state->keeps_created = own != NULL && own->keeps_created;
    vv_lines_init(&state->lines, alloc,
                  options->line_bytes_max == 0 ? VV_PROM_LINE_BYTES_MAX : options->line_bytes_max);
    vv_arena_init(&state->arena, alloc, SIZE_MAX); /* a line bounds it */
    size_t names_max = own != NULL && own->names_max > 0 ? own->names_max : SIZE_MAX;
    size_t groups_max = own != NULL && own->groups_max > 0 ? own->groups_max : SIZE_MAX;
    vv_text_set_init(&state->names, alloc, options->seed, names_max);
    vv_text_set_init(&state->groups, alloc, options->seed, groups_max);
    vv_buf_init(&state->family, alloc, SIZE_MAX); /* and these */
    vv_buf_init(&state->units, alloc, SIZE_MAX);
    vv_buf_init(&state->group, alloc, SIZE_MAX);
    *out_state = state;
    return VARVE_OK;
}

static void open_metrics_free(void *context)
{
    vv_open_metrics *state = context;
    vv_lines_deinit(&state->lines);
    vv_arena_deinit(&state->arena);
    vv_text_set_deinit(&state->names);
    vv_text_set_deinit(&state->groups);
    vv_buf_deinit(&state->family);
    vv_buf_deinit(&state->units);
    vv_buf_deinit(&state->group);
    vv_alloc_free(state->alloc, state, sizeof *state);
}

/* ---- times ---------------------------------------------------------------------------------- */

/** In the precision wanted; that of `now` without. */
static varve_status open_metrics_timestamp(const vv_open_metrics *state,
                                           const vv_open_metrics_sample *sample,
                                           int64_t *out_timestamp, varve_error *out_err)
{
    int64_t per_second = vv_precision_per_second(state->options->precision);
    const vv_seconds *time = &sample->time;
    *out_timestamp = state->options->now;
    if (sample->text.time.size == 0) {
        return VARVE_OK;
    }
    int64_t unit = OPEN_METRICS_NS_PER_S / per_second;
    /* From the end of the second where that is nearer to zero: what fits, then fits on the way. */
    bool from_end = time->s < 0;
    int64_t ns = (int64_t)time->ns / unit - (from_end ? per_second : 0);
    if (!vv_mul_i64(time->s + (from_end ? 1 : 0), per_second, out_timestamp) ||
        !vv_add_i64(*out_timestamp, ns, out_timestamp)) {
        return vv_open_metrics_bad("the time is outside of what the database can hold", out_err);
    }
    if (time->has_more || (int64_t)time->ns % unit != 0) {
        vv_decoder_note_lost_digits(state->base);
    }
    return VARVE_OK;
}

/* ---- families ------------------------------------------------------------------------------- */

/** All names of the family are known now: nobody else may have one of them. */
static varve_status open_metrics_claim(vv_open_metrics *state, varve_error *out_err)
{
    size_t size = state->family.size;
    uint32_t suffixes = open_metrics_types[state->type].suffixes | OPEN_METRICS_BIT(NONE);
    for (uint32_t i = 0; i < OPEN_METRICS_SUFFIX_COUNT; i++) {
        bool is_new = true;
        if ((suffixes & (1u << i)) == 0) {
            continue;
        }
        VV_TRY(vv_buf_append_text(&state->family, open_metrics_suffixes[i]) == VARVE_OK
                   ? VARVE_OK
                   : vv_buf_check(&state->family, out_err));
        varve_status status =
            vv_text_set_add(&state->names, vv_buf_text(&state->family), &is_new, out_err);
        if (status == VARVE_OK && !is_new) {
            status = vv_fail(out_err, VARVE_E_INVALID,
                             "the name \"%.*s\" is that of an earlier metric too",
                             VV_TEXT_ARGS(vv_text_sub(vv_buf_text(&state->family), 0, 128)));
        }
        if (status == VARVE_E_LIMIT) {
            status = vv_fail(out_err, status, "more than %zu names of metrics",
                             state->names.texts.count);
        }
        vv_buf_truncate(&state->family, size);
        VV_TRY(status);
    }
    return VARVE_OK;
}

/** The unit ends the name, and some types have none. */
static varve_status open_metrics_check_unit(const vv_open_metrics *state, varve_error *out_err)
{
    varve_text unit = vv_buf_text(&state->units);
    varve_text name = vv_buf_text(&state->family);
    if (unit.size == 0) {
        return VARVE_OK;
    }
    if (state->type == OPEN_METRICS_INFO || state->type == OPEN_METRICS_STATESET) {
        return vv_open_metrics_bad("infos and statesets have no unit", out_err);
    }
    bool is_end = vv_text_ends_with(name, unit) && name.size > unit.size &&
                  name.data[name.size - unit.size - 1] == '_';
    return is_end ? VARVE_OK : vv_open_metrics_bad("the unit does not end the name", out_err);
}

/** The descriptors are over, since a sample comes, or another family. */
static varve_status open_metrics_end_descriptors(vv_open_metrics *state, varve_error *out_err)
{
    if (state->family.size == 0 || state->has_samples) {
        return VARVE_OK;
    }
    VV_TRY(open_metrics_check_unit(state, out_err));
    return open_metrics_claim(state, out_err);
}

static varve_status open_metrics_end_family(vv_open_metrics *state, varve_error *out_err)
{
    VV_TRY(open_metrics_end_descriptors(state, out_err));
    return vv_open_metrics_end_point(state, out_err);
}

static varve_status open_metrics_begin_family(vv_open_metrics *state, varve_text name,
                                              varve_error *out_err)
{
    VV_TRY(open_metrics_end_family(state, out_err));
    vv_buf_reset(&state->family);
    vv_buf_reset(&state->units);
    vv_buf_reset(&state->group);
    vv_text_set_clear(&state->groups);
    state->type = OPEN_METRICS_UNKNOWN;
    state->has_type = false;
    state->has_help = false;
    state->has_unit = false;
    state->has_samples = false;
    state->has_group = false;
    VV_IGNORE(vv_buf_append_text(&state->family, name)); /* sticky */
    return vv_buf_check(&state->family, out_err);
}

/** The suffix with which a name is one of the family's; false when it is not. */
static bool open_metrics_find_suffix(const vv_open_metrics *state, varve_text name,
                                     vv_open_metrics_suffix *out_suffix)
{
    varve_text family = vv_buf_text(&state->family);
    if (family.size == 0 || !vv_text_starts_with(name, family)) {
        return false;
    }
    varve_text rest = vv_text_sub(name, family.size, name.size);
    for (uint32_t i = 0; i < OPEN_METRICS_SUFFIX_COUNT; i++) {
        if ((open_metrics_types[state->type].suffixes & (1u << i)) != 0 &&
            vv_text_equal(rest, open_metrics_suffixes[i])) {
            *out_suffix = (vv_open_metrics_suffix)i;
            return true;
        }
    }
    return false;
}

/* ---- lines ---------------------------------------------------------------------------------- */

static varve_status open_metrics_type_line(vv_open_metrics *state, varve_text word,
                                           varve_error *out_err)
{
    for (uint32_t i = 0; i < OPEN_METRICS_TYPE_COUNT; i++) {
        if (vv_text_equal(word, open_metrics_types[i].word)) {
            state->type = (vv_open_metrics_type)i;
            return VARVE_OK;
        }
    }
    return vv_open_metrics_bad("an unknown type", out_err);
}

/** "# TYPE NAME ..." and kin. */
static varve_status open_metrics_descriptor(vv_open_metrics *state, vv_prom_cursor *cursor)
{
    varve_error *out_err = cursor->err;
    varve_text name;
    varve_text keyword = vv_prom_word(cursor);
    bool is_type = vv_text_equal(keyword, VV_TEXT("TYPE"));
    bool is_help = vv_text_equal(keyword, VV_TEXT("HELP"));
    bool is_unit = vv_text_equal(keyword, VV_TEXT("UNIT"));
    if (!(is_type || is_help || is_unit) || !vv_prom_gap(cursor)) {
        return vv_open_metrics_bad("a comment that is none of TYPE, HELP, UNIT and EOF", out_err);
    }
    VV_TRY(vv_prom_name(cursor, &state->arena, &name));
    if (cursor->at < cursor->text.size && !vv_prom_gap(cursor)) {
        return vv_open_metrics_bad("no name of a metric", out_err);
    }
    if (!vv_text_equal(name, vv_buf_text(&state->family))) {
        VV_TRY(open_metrics_begin_family(state, name, out_err));
    } else if (state->has_samples) {
        return vv_open_metrics_bad("a description behind samples of its metric", out_err);
    }
    bool *has = is_type ? &state->has_type : is_help ? &state->has_help : &state->has_unit;
    if (*has) {
        return vv_open_metrics_bad("a description that stands twice", out_err);
    }
    *has = true;
    varve_text rest = vv_text_sub(cursor->text, cursor->at, SIZE_MAX);
    if (is_unit) {
        VV_IGNORE(vv_buf_append_text(&state->units, rest)); /* sticky */
        return vv_buf_check(&state->units, out_err);
    }
    return is_type ? open_metrics_type_line(state, rest, out_err) : VARVE_OK;
}

/** " # {labels} value [time]" */
static varve_status open_metrics_exemplar(vv_open_metrics *state, vv_prom_cursor *cursor)
{
    varve_label *labels;
    size_t count;
    double value;
    vv_seconds time;
    size_t length = 0;
    varve_text begin = VV_TEXT(" # ");
    if (!vv_text_starts_with(vv_text_sub(cursor->text, cursor->at, SIZE_MAX), begin)) {
        return vv_open_metrics_bad("unexpected text behind the sample", cursor->err);
    }
    cursor->at += begin.size;
    VV_TRY(vv_prom_labels(cursor, &state->arena, &labels, &count));
    for (size_t i = 0; i < count; i++) {
        length += vv_utf8_length(labels[i].name) + vv_utf8_length(labels[i].value);
    }
    if (length > VV_PROM_EXEMPLAR_LENGTH_MAX) {
        return vv_fail(cursor->err, VARVE_E_INVALID, "the labels of an exemplar are longer than %u",
                       VV_PROM_EXEMPLAR_LENGTH_MAX);
    }
    if (!vv_prom_gap(cursor) || !vv_prom_number(vv_prom_word(cursor), &value)) {
        return vv_open_metrics_bad("an exemplar without a value", cursor->err);
    }
    if (vv_prom_gap(cursor) && !vv_seconds_text_parse(vv_prom_word(cursor), &time)) {
        return vv_open_metrics_bad("the time of an exemplar is no number of seconds", cursor->err);
    }
    return cursor->at == cursor->text.size
               ? VARVE_OK
               : vv_open_metrics_bad("unexpected text behind the exemplar", cursor->err);
}

static varve_status open_metrics_sample_parse(vv_open_metrics *state, vv_prom_cursor *cursor,
                                              vv_open_metrics_sample *sample)
{
    VV_TRY(vv_prom_sample_parse(cursor, &sample->text));
    sample->has_exemplar = cursor->at < cursor->text.size;
    if (sample->has_exemplar) {
        VV_TRY(open_metrics_exemplar(state, cursor));
    }
    if (sample->text.time.size > 0 && !vv_seconds_text_parse(sample->text.time, &sample->time)) {
        return vv_open_metrics_bad("the time is no number of seconds", cursor->err);
    }
    return vv_prom_series(sample->text.key, &state->arena, &sample->name, &sample->labels,
                          &sample->label_count, cursor->err);
}

static varve_status open_metrics_row(vv_open_metrics *state, const vv_open_metrics_sample *sample,
                                     varve_error *out_err)
{
    static const varve_text name = VV_TEXT_INIT("value");
    int64_t timestamp;
    varve_value value = {.type = VARVE_TYPE_F64, .as.f64 = sample->text.value};
    VV_TRY(open_metrics_timestamp(state, sample, &timestamp, out_err));
    if (sample->suffix == OPEN_METRICS_CREATED && !state->keeps_created) {
        return VARVE_OK;
    }
    vv_wire_rows rows = {
        .key = sample->text.key,
        .line = state->lines.line,
        .text = sample->line,
        .row_count = 1,
        .timestamps = &timestamp,
        .field_count = 1,
        .names = &name,
        .values = &value,
    };
    return vv_decoder_rows(state->base, &rows, out_err);
}

static varve_status open_metrics_sample_line(vv_open_metrics *state, vv_prom_cursor *cursor,
                                             vv_open_metrics_sample *sample)
{
    VV_TRY(open_metrics_sample_parse(state, cursor, sample));
    if (!open_metrics_find_suffix(state, sample->name, &sample->suffix)) {
        if (vv_text_equal(sample->name, vv_buf_text(&state->family))) {
            return vv_open_metrics_bad("a sample without the suffix that its type has",
                                       cursor->err);
        }
        /* A family without descriptors, whose name may be taken already. */
        VV_TRY(open_metrics_begin_family(state, sample->name, cursor->err));
        sample->suffix = OPEN_METRICS_NONE;
    }
    if (!state->has_samples) {
        VV_TRY(open_metrics_end_descriptors(state, cursor->err));
        state->has_samples = true;
    }
    VV_TRY(vv_open_metrics_place(state, sample, cursor->err));
    return vv_open_metrics_check(state, sample, cursor->err);
}

/** A whole line, of which `why` tells what is wrong; *out_sample is filled for a row. */
static varve_status open_metrics_line(vv_open_metrics *state, varve_text line, bool *out_has_sample,
                                      vv_open_metrics_sample *sample, varve_error *why)
{
    vv_prom_cursor cursor = {.text = line, .is_strict = true, .err = why};
    *out_has_sample = false;
    vv_arena_reset(&state->arena);
    if (state->is_ended) {
        return vv_open_metrics_bad("text behind # EOF", why);
    }
    if (!vv_utf8_is_valid(line)) {
        return vv_open_metrics_bad("the line is not UTF-8", why);
    }
    if (vv_text_equal(line, VV_TEXT("# EOF"))) {
        state->is_ended = true;
        return open_metrics_end_family(state, why);
    }
    if (vv_text_starts_with(line, VV_TEXT("# "))) {
        cursor.at = 2;
        return open_metrics_descriptor(state, &cursor);
    }
    if (line.size == 0 || line.data[0] == '#') {
        return vv_open_metrics_bad("an empty line, or a comment without a space", why);
    }
    *out_has_sample = true;
    *sample = (vv_open_metrics_sample){.line = line, .suffix = OPEN_METRICS_NONE};
    return open_metrics_sample_line(state, &cursor, sample);
}

static varve_status open_metrics_take(vv_open_metrics *state, varve_text text, bool is_end,
                                      varve_error *out_err)
{
    vv_lines_feed(&state->lines, text);
    for (;;) {
        varve_text line;
        bool has_line;
        bool has_sample;
        vv_open_metrics_sample sample;
        varve_error why;
        VV_TRY(vv_lines_next(&state->lines, is_end, &line, &has_line, out_err));
        if (!has_line) {
            vv_decoder_lines(state->base, state->lines.line);
            return VARVE_OK;
        }
        varve_status status = open_metrics_line(state, line, &has_sample, &sample, &why);
        if (status == VARVE_OK && has_sample) {
            VV_TRY(open_metrics_row(state, &sample, out_err));
        }
        if (status == VARVE_E_LIMIT || status == VARVE_E_INVALID) {
            return vv_fail(out_err, VARVE_E_INVALID, "line %llu: %s",
                           (unsigned long long)state->lines.line, why.message);
        }
        if (status != VARVE_OK) {
            *out_err = why;
            return status;
        }
    }
}

static varve_status open_metrics_feed(void *context, vv_bytes piece, varve_error *out_err)
{
    return open_metrics_take(context, vv_text_of_bytes(piece), false, out_err);
}

static varve_status open_metrics_end(void *context, varve_error *out_err)
{
    vv_open_metrics *state = context;
    VV_TRY(open_metrics_take(state, VV_TEXT(""), true, out_err));
    return state->is_ended
               ? VARVE_OK
               : vv_fail(out_err, VARVE_E_INVALID, "line %llu: the text does not end with # EOF",
                         (unsigned long long)state->lines.line + 1);
}

static varve_status open_metrics_series(void *context, const vv_wire_rows *rows, vv_arena *arena,
                                        varve_text *out_metric, varve_label **out_labels,
                                        size_t *out_count, varve_error *out_err)
{
    (void)context;
    return vv_prom_series(rows->key, arena, out_metric, out_labels, out_count, out_err);
}

const vv_decoder_class vv_decoder_openmetrics = {
    .create = open_metrics_create,
    .feed = open_metrics_feed,
    .end = open_metrics_end,
    .series = open_metrics_series,
    .free = open_metrics_free,
};
