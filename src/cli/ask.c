/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/ask.h"

#include <string.h>

#include "base/checked.h"
#include "base/regex.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "base/utf8.h"
#include "cli/listing.h"
#include "cli/nearest.h"
#include "cli/zones.h"
#include "model/selection.h"
#include "model/selector.h"
#include "model/time_range.h"
#include "wire/span_text.h"
#include "wire/time_text.h"

/* Most fields times aggregations of one query. */
#define ASK_OUTPUTS_MAX 1024u

/* Most labels of --by, as of a query: typed words are judged here, whatever the database has. */
#define ASK_GROUP_LABELS_MAX 64u

static varve_status ask_memory(varve_error *out_err)
{
    return vv_fail(out_err, VARVE_E_NOMEM, "no memory for a query");
}

/** Say which word is wrong, and where: position counts bytes from 0. */
static varve_status ask_fault(const vv_ask_words *words, const char *text, const char *option,
                              size_t position, varve_error *out_err, const char *why)
{
    if (words->fault != NULL) {
        words->fault->text = text;
    }
    size_t character = vv_utf8_length(vv_utf8_cut(vv_text_from_string(text), position)) + 1;
    return vv_fail(out_err, VARVE_E_INVALID, "%s: at %zu: %s", option, character, why);
}

/** The same for an error that tells its place itself. */
static varve_status ask_blame(const vv_ask_words *words, const char *text, const char *option,
                              varve_error *out_err)
{
    if (words->fault != NULL) {
        words->fault->text = text;
    }
    vv_error_prefix(out_err, "%s", option);
    /* A word that is too long, or one too many, is as wrong as one that cannot be read. */
    out_err->status = out_err->status == VARVE_E_LIMIT ? VARVE_E_INVALID : out_err->status;
    return out_err->status;
}

/** "a,b,c" into an array; no part is empty, and only of --by may there be none. */
static varve_status ask_split(const vv_ask_words *words, const char *list, const char *option,
                              vv_arena *arena, varve_text **out_parts, size_t *out_count,
                              varve_error *out_err)
{
    varve_text text = vv_text_from_string(list);
    size_t count = 0;
    size_t at = 0;
    varve_text *parts = vv_arena_array(arena, text.size + 1, sizeof *parts);
    if (parts == NULL) {
        return ask_memory(out_err);
    }
    bool may_be_empty = strcmp(option, "--by") == 0; /* all series together */
    if (text.size == 0 && !may_be_empty) {
        return ask_fault(words, list, option, 0, out_err, "expected a name");
    }
    while (text.size > 0 && at <= text.size) {
        varve_text rest = vv_text_sub(text, at, SIZE_MAX);
        varve_text part = vv_text_sub(rest, 0, vv_text_find_char(rest, ','));
        if (vv_text_trim(part).size == 0) {
            return ask_fault(words, list, option, at, out_err, "expected a name");
        }
        parts[count] = vv_text_trim(part);
        count += 1;
        at += part.size + 1;
    }
    *out_parts = parts;
    *out_count = count;
    return VARVE_OK;
}

/* ---- selection and range -------------------------------------------------------------------- */

static varve_status ask_pattern(const varve_matcher *matcher, vv_arena *arena, size_t *patterns,
                                varve_error *out_err)
{
    vv_regex *regex;
    if (matcher->kind != VARVE_MATCH_REGEX && matcher->kind != VARVE_MATCH_NOT_REGEX) {
        return VARVE_OK;
    }
    *patterns += 1;
    if (*patterns > VV_SELECTION_PATTERNS_MAX) {
        return vv_fail(out_err, VARVE_E_LIMIT, "more than %u regular expressions",
                       VV_SELECTION_PATTERNS_MAX);
    }
    VV_TRY(vv_regex_create(matcher->value, arena->alloc, &regex, out_err));
    vv_regex_free(regex);
    return VARVE_OK;
}

/** Names, values and regular expressions, here rather than by the database or a server, to point at
 * them. */
static varve_status ask_matchers(const vv_ask_words *words, const char *text,
                                 const vv_selector *selector, size_t *patterns, vv_arena *arena,
                                 varve_error *out_err)
{
    for (size_t i = 0; i < selector->matcher_count; i++) {
        varve_status status = vv_matcher_check(&selector->matchers[i], out_err);
        if (status == VARVE_OK) {
            status = ask_pattern(&selector->matchers[i], arena, patterns, out_err);
        }
        if (status != VARVE_OK) {
            vv_error_prefix(out_err, "at %u", (unsigned)selector->columns[i]);
            return ask_blame(words, text, "selector", out_err);
        }
    }
    return VARVE_OK;
}

static varve_status ask_selections(const vv_ask_words *words, vv_arena *arena, vv_ask *ask,
                                   varve_error *out_err)
{
    if (words->selector_count == 0) {
        return VARVE_OK;
    }
    varve_selection *selections =
        vv_arena_zeroed(arena, words->selector_count * sizeof *selections);
    if (selections == NULL) {
        return ask_memory(out_err);
    }
    size_t patterns = 0;
    for (size_t i = 0; i < words->selector_count; i++) {
        vv_selector parsed;
        selections[i].kind = VARVE_SELECT_TEXT;
        selections[i].text = vv_text_from_string(words->selectors[i]);
        if (vv_selector_parse(selections[i].text, arena, &parsed, out_err) != VARVE_OK) {
            return ask_blame(words, words->selectors[i], "selector", out_err);
        }
        VV_TRY(ask_matchers(words, words->selectors[i], &parsed, &patterns, arena, out_err));
    }
    ask->query.selections = selections;
    ask->query.selection_count = words->selector_count;
    return VARVE_OK;
}

static varve_status ask_time(const vv_ask_words *words, const char *option, const char *word,
                             const vv_time_world *world, uint32_t precision, int64_t *out_timestamp,
                             varve_error *out_err)
{
    if (word == NULL || vv_time_text_parse_in(vv_text_from_string(word), world, precision,
                                              out_timestamp, out_err) == VARVE_OK) {
        return VARVE_OK;
    }
    return ask_blame(words, word, option, out_err);
}

/** --last: a span, or a number of seconds, before now. */
static varve_status ask_last(const vv_ask_words *words, const vv_time_world *world,
                             uint32_t precision, int64_t *out_start, varve_error *out_err)
{
    char text[128];
    double seconds;
    vv_span_text span;
    varve_text word = vv_text_from_string(words->last);
    bool is_seconds = vv_text_parse_f64(word, &seconds) && seconds >= 0.0;
    if (!is_seconds && vv_span_text_parse(word, &span, out_err) != VARVE_OK) {
        return ask_blame(words, words->last, "--last", out_err);
    }
    vv_text_format(text, sizeof text, "now-%s%s", words->last, is_seconds ? "s" : "");
    if (vv_time_text_parse_in(vv_text_from_string(text), world, precision, out_start, NULL) !=
        VARVE_OK) {
        return ask_fault(words, words->last, "--last", 0, out_err, "that is too long");
    }
    return VARVE_OK;
}

static varve_status ask_times(const vv_ask_words *words, const vv_time_world *world,
                              uint32_t precision, varve_range *range, varve_error *out_err)
{
    vv_calendar_zone zone;
    int32_t offset_s;
    bool is_empty = words->zone != NULL && words->zone[0] == '\0';
    bool has_zone = words->zone == NULL || vv_text_equal_nocase(world->zone, VV_TEXT("utc")) ||
                    vv_calendar_parse_offset(world->zone, &offset_s) ||
                    vv_zones_find(world->context, world->zone, &zone);
    if (!has_zone || is_empty) {
        return ask_fault(words, words->zone, "--zone", 0, out_err, "there is no such time zone");
    }
    if (words->last != NULL) {
        if (words->start != NULL || words->end != NULL) {
            return vv_fail(out_err, VARVE_E_INVALID, "--last excludes --start and --end");
        }
        VV_TRY(ask_last(words, world, precision, &range->start, out_err));
    }
    VV_TRY(ask_time(words, "--start", words->start, world, precision, &range->start, out_err));
    VV_TRY(ask_time(words, "--end", words->end, world, precision, &range->end, out_err));
    if (range->start >= range->end) {
        return vv_fail(out_err, VARVE_E_INVALID, "--start is not before --end");
    }
    return VARVE_OK;
}

static varve_status ask_range(const vv_ask_words *words, int64_t now_ns, uint32_t precision,
                              varve_range *range, varve_error *out_err)
{
    vv_zones zones;
    vv_zones_init(&zones);
    vv_time_world world = {.now_ns = now_ns,
                           .zone = vv_text_from_string(words->zone),
                           .find_zone = vv_zones_find,
                           .context = &zones};
    varve_status status = ask_times(words, &world, precision, range, out_err);
    vv_zones_deinit(&zones);
    return status;
}

varve_status vv_ask_print_time(int64_t timestamp, uint32_t precision, vv_arena *arena,
                               varve_text *out_text, varve_error *out_err)
{
    int64_t per_second = vv_precision_per_second(precision);
    int64_t s = vv_floor_div_i64(timestamp, per_second);
    uint32_t ns = (uint32_t)(vv_floor_mod_i64(timestamp, per_second) * (1000000000 / per_second));
    char *text = vv_arena_new(arena, VV_TEXT_RFC3339_BYTES_MAX);
    if (text == NULL) {
        return ask_memory(out_err);
    }
    *out_text = vv_text_make(text, vv_text_print_rfc3339_parts(text, s, ns, 9));
    if (text[0] == '-' || text[0] == '+') {
        out_text->size = 0; /* a year that no request can name */
    }
    return VARVE_OK;
}

varve_status vv_ask_start_text(const vv_ask_words *words, const vv_ask *ask, uint32_t precision,
                               vv_arena *arena, varve_text *out_text, varve_error *out_err)
{
    double seconds;
    varve_text word = vv_text_from_string(words->start);
    *out_text = word;
    if (words->last != NULL) {
        size_t capacity = strlen(words->last) + sizeof "now-s";
        char *text = vv_arena_new(arena, capacity);
        if (text == NULL) {
            return ask_memory(out_err);
        }
        bool is_seconds = vv_text_parse_f64(vv_text_from_string(words->last), &seconds);
        size_t size =
            vv_text_format(text, capacity, "now-%s%s", words->last, is_seconds ? "s" : "");
        *out_text = vv_text_make(text, size);
        return VARVE_OK;
    }
    bool is_relative = vv_text_starts_with(word, VV_TEXT("now")) ||
                       vv_text_starts_with(word, VV_TEXT("-")) ||
                       vv_text_ends_with(word, VV_TEXT(" ago"));
    return word.size == 0 || is_relative
               ? VARVE_OK
               : vv_ask_print_time(ask->query.range.start, precision, arena, out_text, out_err);
}

/* ---- aggregation ---------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint32_t aggregation;
    bool needs_numbers;
} ask_aggregations[] = {
    {"sum", VARVE_AGG_SUM, true},
    {"min", VARVE_AGG_MIN, false},
    {"max", VARVE_AGG_MAX, false},
    {"avg", VARVE_AGG_AVG, true},
    {"first", VARVE_AGG_FIRST, false},
    {"last", VARVE_AGG_LAST, false},
    {"count", VARVE_AGG_COUNT, false},
    {"median", VARVE_AGG_MEDIAN, true},
    {"range", VARVE_AGG_RANGE, true},
    {"variance", VARVE_AGG_VARIANCE, true},
    {"stddev", VARVE_AGG_STDDEV, true},
    {"min_time", VARVE_AGG_MIN_TIME, false},
    {"max_time", VARVE_AGG_MAX_TIME, false},
    {"first_time", VARVE_AGG_FIRST_TIME, false},
    {"last_time", VARVE_AGG_LAST_TIME, false},
};

bool vv_ask_aggregation(varve_text word, uint32_t *out_aggregation, double *out_parameter)
{
    double percent;
    *out_parameter = 0.0;
    for (size_t i = 0; i < VV_ARRAY_COUNT(ask_aggregations); i++) {
        if (vv_text_equal(word, vv_text_from_string(ask_aggregations[i].name))) {
            *out_aggregation = ask_aggregations[i].aggregation;
            return true;
        }
    }
    if (word.size > 1 && word.data[0] == 'p' &&
        vv_text_parse_f64(vv_text_sub(word, 1, word.size), &percent) && percent >= 0.0 &&
        percent <= 100.0) {
        *out_aggregation = VARVE_AGG_QUANTILE;
        *out_parameter = percent / 100.0;
        return true;
    }
    return false;
}

const char *vv_ask_aggregation_name(size_t index)
{
    return index < VV_ARRAY_COUNT(ask_aggregations) ? ask_aggregations[index].name : NULL;
}

static bool ask_needs_numbers(uint32_t aggregation)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(ask_aggregations); i++) {
        if (ask_aggregations[i].aggregation == aggregation) {
            return ask_aggregations[i].needs_numbers;
        }
    }
    return true; /* quantiles */
}

static varve_status ask_unknown_aggregation(const vv_ask_words *words, varve_text word,
                                            varve_error *out_err)
{
    char why[192];
    vv_nearest nearest = {.word = word};
    for (size_t i = 0; i < VV_ARRAY_COUNT(ask_aggregations); i++) {
        vv_nearest_offer(&nearest, ask_aggregations[i].name);
    }
    if (nearest.best != NULL) {
        vv_text_format(why, sizeof why, "there is no aggregation \"%.*s\"; did you mean %s?",
                       (int)(word.size < 32 ? word.size : 32), word.data, nearest.best);
    } else {
        vv_text_format(why, sizeof why,
                       "there is no aggregation \"%.*s\"; sum, min, max, avg, first, last, "
                       "count, median, p95, range, variance and stddev are some",
                       (int)(word.size < 32 ? word.size : 32), word.data);
    }
    return ask_fault(words, words->aggregations, "--agg", (size_t)(word.data - words->aggregations),
                     out_err, why);
}

/** One output for each field and aggregation, with "avg(value)" as its name. */
static varve_status ask_outputs(const vv_ask_words *asked, const varve_text *fields,
                                size_t field_count, const varve_text *words, size_t word_count,
                                vv_arena *arena, vv_ask *ask, varve_error *out_err)
{
    size_t count = 0;
    if (field_count > ASK_OUTPUTS_MAX / (word_count == 0 ? 1 : word_count)) {
        return vv_fail(out_err, asked->fields != NULL ? VARVE_E_INVALID : VARVE_E_LIMIT,
                       "more than %u columns are asked for", ASK_OUTPUTS_MAX);
    }
    varve_output *outputs = vv_arena_zeroed(arena, ASK_OUTPUTS_MAX * sizeof *outputs);
    varve_text *names = vv_arena_array(arena, ASK_OUTPUTS_MAX, sizeof *names);
    if (outputs == NULL || names == NULL) {
        return ask_memory(out_err);
    }
    for (size_t f = 0; f < field_count; f++) {
        for (size_t w = 0; w < word_count; w++, count++) {
            outputs[count].name = fields[f];
            if (!vv_ask_aggregation(words[w], &outputs[count].aggregation,
                                    &outputs[count].parameter)) {
                return ask_unknown_aggregation(asked, words[w], out_err);
            }
            size_t size = words[w].size + fields[f].size + 2;
            char *name = vv_arena_new(arena, size + 1);
            if (name == NULL) {
                return ask_memory(out_err);
            }
            vv_text_format(name, size + 1, "%.*s(%.*s)", VV_TEXT_ARGS(words[w]),
                           VV_TEXT_ARGS(fields[f]));
            names[count] = vv_text_make(name, size);
        }
        if (word_count == 0) {
            outputs[count].name = fields[f];
            count += 1;
        }
    }
    ask->query.outputs = outputs;
    ask->query.output_count = count;
    if (word_count > 0) {
        ask->names = names;
        ask->name_count = count;
    }
    return VARVE_OK;
}

static varve_list_options ask_list_options(const vv_ask *ask)
{
    varve_list_options options;
    varve_list_options_init(&options);
    options.selections = ask->query.selections;
    options.selection_count = ask->query.selection_count;
    options.range = ask->query.range;
    options.task = ask->query.task;
    return options;
}

bool vv_ask_is_number(varve_text type)
{
    static const uint32_t types[] = {VARVE_TYPE_F64, VARVE_TYPE_I64, VARVE_TYPE_U64,
                                     VARVE_TYPE_BOOL};
    for (size_t i = 0; i < VV_ARRAY_COUNT(types); i++) {
        if (vv_text_equal(type, vv_text_from_string(varve_type_name(types[i])))) {
            return true;
        }
    }
    return false;
}

/** A row of varve_field_names: metric, field, type. */
static bool ask_is_number(const varve_block *block, size_t row)
{
    return vv_ask_is_number(vv_listing_cell(block, 2, row));
}

/** What is aggregated when only buckets or groups are asked for. */
static const char *ask_aggregations_of(const vv_ask_words *words)
{
    bool is_implied = words->aggregations == NULL && (words->every != NULL || words->by != NULL);
    return is_implied ? "avg" : words->aggregations;
}

bool vv_ask_needs_fields(const vv_ask_words *words, bool *out_needs_numbers)
{
    varve_text rest = vv_text_from_string(ask_aggregations_of(words));
    varve_text word;
    *out_needs_numbers = false;
    if (rest.size == 0 || words->fields != NULL) {
        return false;
    }
    while (vv_text_split(&rest, ',', &word)) {
        uint32_t aggregation;
        double parameter;
        *out_needs_numbers = *out_needs_numbers ||
                             (vv_ask_aggregation(vv_text_trim(word), &aggregation, &parameter) &&
                              ask_needs_numbers(aggregation));
    }
    return true;
}

/** Every field of the selection; those that are numbers, if an aggregation needs them. */
static varve_status ask_all_fields(const vv_ask_words *words, const vv_ask *ask, varve_db *db,
                                   vv_arena *arena, const varve_text **out_fields,
                                   size_t *out_count, varve_error *out_err)
{
    varve_list_options options = ask_list_options(ask);
    varve_cursor *cursor;
    varve_text *fields;
    bool needs_numbers;
    if (db == NULL) {
        *out_fields = words->all;
        *out_count = words->all_count;
        return VARVE_OK;
    }
    VV_IGNORE(vv_ask_needs_fields(words, &needs_numbers)); /* it does: that is why we are here */
    VV_TRY(varve_field_names(db, &options, &cursor, out_err));
    VV_TRY(vv_listing_take(cursor, 1, needs_numbers ? ask_is_number : NULL, arena, &fields,
                           out_count, out_err));
    *out_fields = fields;
    return VARVE_OK;
}

/** As buckets name it: UTC in capitals. */
static varve_text ask_bucket_zone(const vv_ask_words *words)
{
    varve_text zone = vv_text_from_string(words->zone);
    return vv_text_equal_nocase(zone, VV_TEXT("utc")) ? VV_TEXT("UTC") : zone;
}

/** Spans that are units of the calendar: weeks, months and years always, hours and days in a zone.
 */
static bool ask_calendar_span(const vv_ask_words *words, const vv_span_text *span,
                              varve_bucket *bucket)
{
    static const struct {
        vv_span_unit span;
        uint32_t unit;
        bool needs_zone;
    } units[] = {
        {VV_SPAN_YEAR, VARVE_UNIT_YEAR, false},   {VV_SPAN_QUARTER, VARVE_UNIT_QUARTER, false},
        {VV_SPAN_MONTH, VARVE_UNIT_MONTH, false}, {VV_SPAN_WEEK, VARVE_UNIT_WEEK, false},
        {VV_SPAN_DAY, VARVE_UNIT_DAY, true},      {VV_SPAN_HOUR, VARVE_UNIT_HOUR, true},
    };
    for (size_t i = 0; i < VV_ARRAY_COUNT(units); i++) {
        if (span->is_one && span->unit == units[i].span && span->count > 0 &&
            (!units[i].needs_zone || words->zone != NULL)) {
            bucket->kind = VARVE_BUCKET_CALENDAR;
            bucket->unit = units[i].unit;
            bucket->width = span->count;
            bucket->zone = ask_bucket_zone(words);
            return true;
        }
    }
    return false;
}

/** --every as a number of seconds, or as a span that is no unit of the calendar. */
static varve_status ask_fixed_bucket(const vv_ask_words *words, const vv_span_text *span,
                                     uint32_t precision, varve_bucket *bucket, varve_error *out_err)
{
    bool has_lost = false;
    if (span->months > 0) {
        return ask_fault(words, words->every, "--every", 0, out_err,
                         "months stand alone, such as 3mo");
    }
    if (vv_time_convert(span->ns, VARVE_PRECISION_NS, precision, &bucket->width, &has_lost, NULL) !=
            VARVE_OK ||
        has_lost || bucket->width <= 0 ||
        !vv_duration_text_is_exact(vv_text_from_string(words->every))) {
        char why[96];
        vv_text_format(why, sizeof why, "a bucket is a whole number of %s, and at least one",
                       vv_precision_name(precision));
        return ask_fault(words, words->every, "--every", 0, out_err, why);
    }
    bucket->kind = VARVE_BUCKET_FIXED;
    return VARVE_OK;
}

const char *vv_ask_unit_name(uint32_t unit)
{
    static const char *const units[] = {
        [VARVE_UNIT_HOUR] = "hour",   [VARVE_UNIT_DAY] = "day",         [VARVE_UNIT_WEEK] = "week",
        [VARVE_UNIT_MONTH] = "month", [VARVE_UNIT_QUARTER] = "quarter", [VARVE_UNIT_YEAR] = "year"};
    return unit < VV_ARRAY_COUNT(units) ? units[unit] : NULL;
}

static varve_status ask_bucket(const vv_ask_words *words, uint32_t precision, varve_bucket *bucket,
                               varve_error *out_err)
{
    vv_span_text span = {.count = 0};
    for (uint32_t i = 0; vv_ask_unit_name(i) != NULL; i++) {
        if (strcmp(words->every, vv_ask_unit_name(i)) == 0) {
            bucket->kind = VARVE_BUCKET_CALENDAR;
            bucket->unit = i;
            bucket->width = 1;
            bucket->zone = ask_bucket_zone(words);
            return VARVE_OK;
        }
    }
    double seconds;
    varve_text word = vv_text_from_string(words->every);
    if (vv_text_parse_f64(word, &seconds)) {
        VV_TRY(vv_duration_text_parse(word, &span.ns, out_err));
    } else if (vv_span_text_parse(word, &span, out_err) != VARVE_OK) {
        return ask_blame(words, words->every, "--every", out_err);
    }
    return ask_calendar_span(words, &span, bucket)
               ? VARVE_OK
               : ask_fixed_bucket(words, &span, precision, bucket, out_err);
}

static varve_status ask_grouping(const vv_ask_words *words, vv_arena *arena,
                                 varve_query_options *query, varve_error *out_err)
{
    varve_text *labels = NULL;
    VV_TRY(ask_split(words, words->by, "--by", arena, &labels, &query->group_label_count, out_err));
    if (query->group_label_count > ASK_GROUP_LABELS_MAX) {
        return ask_fault(words, words->by, "--by", 0, out_err, "more than 64 labels");
    }
    query->group_labels = labels;
    query->grouping = query->group_label_count == 0 ? VARVE_GROUP_ALL : VARVE_GROUP_BY;
    return VARVE_OK;
}

static varve_status ask_fields(const vv_ask_words *words, varve_db *db, vv_arena *arena,
                               vv_ask *ask, varve_error *out_err)
{
    const char *aggregations = ask_aggregations_of(words);
    varve_text *parts = NULL;
    varve_text *named = NULL;
    const varve_text *fields = NULL;
    size_t part_count = 0;
    size_t field_count = 0;
    if (aggregations != NULL) {
        VV_TRY(ask_split(words, aggregations, "--agg", arena, &parts, &part_count, out_err));
    }
    if (words->fields != NULL) {
        VV_TRY(ask_split(words, words->fields, "--fields", arena, &named, &field_count, out_err));
        fields = named;
    } else if (part_count > 0) {
        VV_TRY(ask_all_fields(words, ask, db, arena, &fields, &field_count, out_err));
        if (field_count == 0) {
            ask->query.limit = 0; /* nothing to aggregate: no rows */
        }
    }
    return field_count == 0
               ? VARVE_OK
               : ask_outputs(words, fields, field_count, parts, part_count, arena, ask, out_err);
}

varve_status vv_ask_parse(const vv_ask_words *words, varve_db *db, uint32_t precision,
                          int64_t now_ns, vv_arena *arena, vv_ask *out_ask, varve_error *out_err)
{
    memset(out_ask, 0, sizeof *out_ask);
    varve_query_options_init(&out_ask->query);
    if (words->fault != NULL) {
        words->fault->text = NULL;
    }
    VV_TRY(ask_selections(words, arena, out_ask, out_err));
    VV_TRY(ask_range(words, now_ns, precision, &out_ask->query.range, out_err));
    if (words->limit > 0) {
        out_ask->query.limit = words->limit;
    }
    if (words->is_descending) {
        out_ask->query.flags |= VARVE_QUERY_DESCENDING;
    }
    if (words->limit_per_series > 0) {
        out_ask->query.limit_per_series = words->limit_per_series;
    }
    VV_TRY(ask_fields(words, db, arena, out_ask, out_err));
    if (words->every != NULL) {
        VV_TRY(ask_bucket(words, precision, &out_ask->query.bucket, out_err));
    }
    if (words->by != NULL) {
        VV_TRY(ask_grouping(words, arena, &out_ask->query, out_err));
    }
    if (out_ask->query.output_count == 0) {
        out_ask->query.grouping = VARVE_GROUP_SERIES; /* no fields: nothing that makes groups */
    }
    return VARVE_OK;
}

/* ---- columns -------------------------------------------------------------------------------- */

static varve_status ask_label_columns(const vv_ask *ask, varve_db *db, vv_arena *arena,
                                      vv_rows_style *style, varve_error *out_err)
{
    varve_list_options options = ask_list_options(ask);
    varve_cursor *cursor;
    varve_text *texts = NULL;
    size_t metrics = 0;
    if (ask->query.grouping != VARVE_GROUP_SERIES) {
        style->labels = ask->query.group_labels;
        style->label_count = ask->query.group_label_count;
        style->has_metric = false;
        return VARVE_OK;
    }
    VV_TRY(varve_label_names(db, &options, &cursor, out_err));
    VV_TRY(vv_listing_take(cursor, 0, NULL, arena, &texts, &style->label_count, out_err));
    style->labels = texts;
    if (!style->has_metric) {
        VV_TRY(varve_metrics(db, &options, &cursor, out_err));
        VV_TRY(vv_listing_take(cursor, 0, NULL, arena, &texts, &metrics, out_err));
        style->has_metric = metrics > 1;
    }
    return VARVE_OK;
}

varve_status vv_ask_output_columns(const vv_ask *ask, vv_arena *arena, vv_rows_style *style,
                                   varve_error *out_err)
{
    if (ask->names != NULL) {
        style->fields = ask->names;
        style->field_count = ask->name_count;
        return VARVE_OK;
    }
    varve_text *fields = vv_arena_array(arena, ask->query.output_count + 1, sizeof *fields);
    if (fields == NULL) {
        return ask_memory(out_err);
    }
    for (size_t i = 0; i < ask->query.output_count; i++) {
        fields[i] = ask->query.outputs[i].name;
    }
    style->fields = fields;
    style->field_count = ask->query.output_count;
    return VARVE_OK;
}

varve_status vv_ask_columns(const vv_ask *ask, varve_db *db, vv_arena *arena, vv_rows_style *style,
                            varve_error *out_err)
{
    varve_list_options options = ask_list_options(ask);
    varve_cursor *cursor;
    varve_text *fields = NULL;
    style->has_time = ask->names == NULL || ask->query.bucket.kind != VARVE_BUCKET_NONE;
    VV_TRY(ask_label_columns(ask, db, arena, style, out_err));
    if (ask->query.output_count > 0) {
        return vv_ask_output_columns(ask, arena, style, out_err);
    }
    VV_TRY(varve_field_names(db, &options, &cursor, out_err));
    VV_TRY(vv_listing_take(cursor, 1, NULL, arena, &fields, &style->field_count, out_err));
    style->fields = fields;
    return VARVE_OK;
}
