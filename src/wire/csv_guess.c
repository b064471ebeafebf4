/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Guessing the columns of a CSV text. Every column begins with all types and all forms of times
 * possible; each value of the sample strikes out those that do not take it. What is left is
 * decided by csv_guess_type and csv_guess_time.
 *
 * G1  An integer with a leading zero is no number (a postal code), a number of Unix seconds counts
 *     as a time only between 1990 and 2100.
 * G2  Day and month in either order are told apart by a value above 12, never by preference.
 */

#include "wire/csv_guess.h"
#include "wire/text_mark.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/text.h"

/* Forms of times that are recognised, best first; a bit each in a mask. */
static const varve_text csv_guess_forms[] = {
    VV_TEXT_INIT("rfc3339"),
    VV_TEXT_INIT("custom:%Y/%m/%d"),
    VV_TEXT_INIT("custom:%Y/%m/%d %H:%M"),
    VV_TEXT_INIT("custom:%Y/%m/%d %H:%M:%S"),
    VV_TEXT_INIT("custom:%b %d %Y"),
    VV_TEXT_INIT("custom:%b %d, %Y"),
    VV_TEXT_INIT("custom:%d %b %Y"),
    VV_TEXT_INIT("custom:%d-%b-%Y"),
    VV_TEXT_INIT("custom:%d.%m.%Y"),
    VV_TEXT_INIT("custom:%d.%m.%Y %H:%M"),
    VV_TEXT_INIT("custom:%d.%m.%Y %H:%M:%S"),
    VV_TEXT_INIT("custom:%a, %d %b %Y %H:%M:%S %Z"),
    VV_TEXT_INIT("custom:%m/%d/%Y"),
    VV_TEXT_INIT("custom:%m/%d/%Y %H:%M"),
    VV_TEXT_INIT("custom:%m/%d/%Y %H:%M:%S"),
    VV_TEXT_INIT("custom:%d/%m/%Y"),
    VV_TEXT_INIT("custom:%d/%m/%Y %H:%M"),
    VV_TEXT_INIT("custom:%d/%m/%Y %H:%M:%S"),
    VV_TEXT_INIT("unix_s"),
    VV_TEXT_INIT("unix_ms"),
    VV_TEXT_INIT("unix_us"),
    VV_TEXT_INIT("unix_ns"),
};

/* Where the two orders of G2 and the numbers stand in the table. */
enum {
    CSV_GUESS_MONTH_FIRST = 12,
    CSV_GUESS_DAY_FIRST = 15,
    CSV_GUESS_ORDERS = 3,
    CSV_GUESS_UNIX = 18
};

_Static_assert(VV_ARRAY_COUNT(csv_guess_forms) <= 32, "a bit each");

/* Seconds of 1990 and of 2100 (G1). */
#define CSV_GUESS_S_MIN INT64_C(631152000)
#define CSV_GUESS_S_MAX INT64_C(4102444800)

/* Places for rows seen, a power of two above twice VV_CSV_GUESS_ROWS. */
#define CSV_GUESS_SEEN 32768u

_Static_assert(CSV_GUESS_SEEN >= 2 * VV_CSV_GUESS_ROWS, "half of it stays empty");

/** A column while the sample is read. */
typedef struct csv_guess_state {
    bool is_bool, is_i64, is_u64, is_f64; /* every value so far is */
    bool is_wanted;                       /* --labels, --fields and kin name it */
    uint32_t times;                       /* forms that took every value */
    uint64_t count;                       /* values */
} csv_guess_state;

typedef struct csv_guess_work {
    const vv_csv_wish *wish;
    vv_arena *arena;
    vv_csv_guess *guess;
    vv_csv_column *mapping;
    vv_csv_guess_column *columns;
    csv_guess_state *states;
    size_t count;
} csv_guess_work;

static varve_status csv_guess_memory(const csv_guess_work *work, varve_error *out_err)
{
    return vv_arena_fail(work->arena, work->count * sizeof *work->mapping, out_err);
}

/* ---- the sample ----------------------------------------------------------------------------- */

static bool csv_guess_is_plausible(size_t form, varve_text text)
{
    static const int64_t units[] = {1, 1000, 1000000, 1000000000};
    double value;
    if (form < CSV_GUESS_UNIX) {
        return true;
    }
    double unit = (double)units[form - CSV_GUESS_UNIX];
    return vv_text_parse_f64(text, &value) && value >= (double)CSV_GUESS_S_MIN * unit &&
           value <= (double)CSV_GUESS_S_MAX * unit;
}

/** The forms of the mask that take a value. */
static uint32_t csv_guess_times(uint32_t mask, varve_text text)
{
    for (size_t i = 0; i < VV_ARRAY_COUNT(csv_guess_forms); i++) {
        uint32_t bit = UINT32_C(1) << i;
        vv_csv_time time;
        int64_t ignored;
        bool has_lost = false;
        if ((mask & bit) != 0 && (!csv_guess_is_plausible(i, text) ||
                                  vv_csv_time_parse(csv_guess_forms[i], &time, NULL) != VARVE_OK ||
                                  vv_csv_time_read(&time, text, VARVE_PRECISION_S, &ignored,
                                                   &has_lost, NULL) != VARVE_OK)) {
            mask &= ~bit;
        }
    }
    return mask;
}

/** 007, but neither 0 nor 0.7. */
static bool csv_guess_has_leading_zero(varve_text text)
{
    size_t at = text.size > 0 && (text.data[0] == '-' || text.data[0] == '+') ? 1 : 0;
    return text.size - at > 1 && text.data[at] == '0' && text.data[at + 1] >= '0' &&
           text.data[at + 1] <= '9';
}

/** Strike out what does not take a value. */
static void csv_guess_look(csv_guess_state *state, const vv_csv_cell *cell, vv_arena *arena)
{
    varve_text text = vv_text_trim(cell->text);
    vv_csv_cell trimmed = {.text = text};
    varve_value value;
    if (text.size == 0) {
        return;
    }
    state->count += 1;
    state->times = state->times == 0 ? 0 : csv_guess_times(state->times, text);
    bool is_number = !csv_guess_has_leading_zero(text);
    state->is_i64 = state->is_i64 && is_number &&
                    vv_csv_value_read(&trimmed, VARVE_TYPE_I64, arena, &value, NULL) == VARVE_OK;
    state->is_u64 = state->is_u64 && is_number &&
                    vv_csv_value_read(&trimmed, VARVE_TYPE_U64, arena, &value, NULL) == VARVE_OK;
    state->is_f64 = state->is_f64 && is_number &&
                    vv_csv_value_read(&trimmed, VARVE_TYPE_F64, arena, &value, NULL) == VARVE_OK;
    state->is_bool = state->is_bool && (vv_text_equal_nocase(text, VV_TEXT("true")) ||
                                        vv_text_equal_nocase(text, VV_TEXT("false")));
}

static varve_status csv_guess_row(csv_guess_work *work, const vv_csv_record *record,
                                  varve_error *out_err)
{
    work->guess->rows += 1;
    for (size_t i = 0; i < work->count && i < record->count; i++) {
        csv_guess_look(&work->states[i], &record->cells[i], work->arena);
        varve_text text = vv_text_sub(record->cells[i].text, 0, 64);
        if (work->columns[i].example.size == 0 && text.size > 0 &&
            vv_arena_copy(work->arena, text, &work->columns[i].example) != VARVE_OK) {
            return csv_guess_memory(work, out_err);
        }
    }
    return VARVE_OK;
}

/* ---- names ---------------------------------------------------------------------------------- */

/** A column by its name, or by its number. */
static bool csv_guess_find(const csv_guess_work *work, varve_text word, size_t *out_index)
{
    uint64_t number;
    for (size_t i = 0; i < work->count; i++) {
        if (vv_text_equal(work->columns[i].name, word)) {
            *out_index = i;
            return true;
        }
    }
    if (!vv_text_parse_u64(word, &number) || number == 0 || number > work->count) {
        return false;
    }
    *out_index = (size_t)number - 1;
    return true;
}

/** There is no such column: these are there. */
static varve_status csv_guess_unknown(const csv_guess_work *work, const char *option,
                                      varve_text word, varve_error *out_err)
{
    char list[120] = "";
    size_t size = 0;
    for (size_t i = 0; i < work->count && size + 1 < sizeof list; i++) {
        size += vv_text_format(list + size, sizeof list - size, "%s%.*s", i > 0 ? ", " : "",
                               VV_TEXT_ARGS(vv_text_sub(work->columns[i].name, 0, 40)));
    }
    return vv_fail(out_err, VARVE_E_INVALID, "%s: there is no column \"%.*s\"; there are %s",
                   option, VV_TEXT_ARGS(vv_text_sub(word, 0, 40)), list);
}

/** The column that an option names becomes a role, if it has none. */
static varve_status csv_guess_claim(csv_guess_work *work, const char *option, varve_text word,
                                    vv_csv_role role, size_t *out_index, varve_error *out_err)
{
    size_t index = 0;
    if (!csv_guess_find(work, word, &index)) {
        return csv_guess_unknown(work, option, word, out_err);
    }
    if (work->states[index].is_wanted) {
        return vv_fail(out_err, VARVE_E_INVALID, "%s: column \"%.*s\" is asked for twice", option,
                       VV_TEXT_ARGS(vv_text_sub(word, 0, 40)));
    }
    work->states[index].is_wanted = true;
    work->mapping[index].role = role;
    *out_index = index;
    return VARVE_OK;
}

/** COL:SUFFIX into both, where the whole is no column; the suffix is empty without one. A column's
 * name may hold colons, so the longest name wins. */
static void csv_guess_split(const csv_guess_work *work, varve_text word, varve_text *out_column,
                            varve_text *out_suffix)
{
    size_t ignored;
    *out_column = word;
    *out_suffix = (varve_text){0};
    if (csv_guess_find(work, word, &ignored)) {
        return;
    }
    for (size_t at = word.size; at > 0; at--) {
        if (word.data[at - 1] == ':' &&
            csv_guess_find(work, vv_text_sub(word, 0, at - 1), &ignored)) {
            *out_column = vv_text_sub(word, 0, at - 1);
            *out_suffix = vv_text_sub(word, at, word.size);
            return;
        }
    }
}

/* ---- roles ---------------------------------------------------------------------------------- */

/** The narrowest type that takes every value. Without one it is f64: text then is refused loudly,
 * where numbers as text would be stored in silence. */
static uint32_t csv_guess_type(const csv_guess_state *state)
{
    if (state->count == 0) {
        return VARVE_TYPE_F64;
    }
    return state->is_bool  ? (uint32_t)VARVE_TYPE_BOOL
           : state->is_i64 ? (uint32_t)VARVE_TYPE_I64
           : state->is_u64 ? (uint32_t)VARVE_TYPE_U64
           : state->is_f64 ? (uint32_t)VARVE_TYPE_F64
                           : (uint32_t)VARVE_TYPE_STRING;
}

/** Both orders of day and month took every value (G2). */
static bool csv_guess_is_ambiguous(uint32_t times)
{
    uint32_t orders = (UINT32_C(1) << CSV_GUESS_ORDERS) - 1;
    uint32_t month_first = times >> CSV_GUESS_MONTH_FIRST & orders;
    return (month_first & (times >> CSV_GUESS_DAY_FIRST & orders)) != 0;
}

/** The form of a column of times. */
static varve_status csv_guess_form(const csv_guess_work *work, size_t index, vv_csv_time *out_time,
                                   varve_error *out_err)
{
    const csv_guess_state *state = &work->states[index];
    const vv_csv_guess_column *column = &work->columns[index];
    varve_text name = vv_text_sub(column->name, 0, 40);
    varve_text example = vv_text_sub(column->example, 0, 40);
    if (state->times == 0 || state->count == 0) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "--time: how are the times of column %.*s written, such as \"%.*s\"? Give "
                       "--time '%.*s:LAYOUT', as in %%d.%%m.%%Y %%H:%%M or unix_s",
                       VV_TEXT_ARGS(name), VV_TEXT_ARGS(example), VV_TEXT_ARGS(name));
    }
    if (csv_guess_is_ambiguous(state->times)) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "--time: is \"%.*s\" of column %.*s month or day first? Give --time "
                       "'%.*s:%%m/%%d/%%Y' or '%.*s:%%d/%%m/%%Y', with its %%H:%%M if it has one",
                       VV_TEXT_ARGS(example), VV_TEXT_ARGS(name), VV_TEXT_ARGS(name),
                       VV_TEXT_ARGS(name));
    }
    size_t form = 0;
    while ((state->times >> form & 1) == 0) {
        form += 1;
    }
    return vv_csv_time_parse(csv_guess_forms[form], out_time, out_err);
}

/** unix_s and kin, or a layout with or without "custom:". */
static varve_status csv_guess_layout(const csv_guess_work *work, varve_text layout,
                                     vv_csv_time *out_time, varve_error *out_err)
{
    varve_text custom = {0};
    if (memchr(layout.data, '%', layout.size) == NULL ||
        vv_text_starts_with(layout, VV_TEXT("custom:"))) {
        return vv_csv_time_parse(layout, out_time, out_err);
    }
    char *text = vv_arena_new(work->arena, layout.size + 7);
    if (text == NULL) {
        return csv_guess_memory(work, out_err);
    }
    memcpy(text, "custom:", 7);
    memcpy(text + 7, layout.data, layout.size);
    custom = vv_text_make(text, layout.size + 7);
    return vv_csv_time_parse(custom, out_time, out_err);
}

/** How much a column looks like that of times: 0 not at all; the name counts most. */
static uint32_t csv_guess_time_score(const csv_guess_work *work, size_t index)
{
    static const char *const names[] = {"time",  "timestamp",  "date",      "datetime", "ts",
                                        "_time", "@timestamp", "date_time", "dateTime", "epoch"};
    const csv_guess_state *state = &work->states[index];
    if (state->times == 0 || state->count == 0 || state->is_wanted) {
        return 0;
    }
    uint32_t score = (state->times & ((UINT32_C(1) << CSV_GUESS_UNIX) - 1)) != 0 ? 2 : 1;
    for (size_t i = 0; i < VV_ARRAY_COUNT(names); i++) {
        if (vv_text_equal_nocase(work->columns[index].name, vv_text_from_string(names[i]))) {
            score += 10;
        }
    }
    return score;
}

/** The column of times that nobody named. */
static varve_status csv_guess_time_column(csv_guess_work *work, varve_error *out_err)
{
    uint32_t best = 0;
    size_t index = 0;
    for (size_t i = 0; i < work->count; i++) {
        uint32_t score = csv_guess_time_score(work, i);
        if (score > best) {
            best = score;
            index = i;
        }
    }
    if (best == 0) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "no column looks like times: give --time COLUMN:LAYOUT");
    }
    work->states[index].is_wanted = true;
    work->mapping[index].role = VV_CSV_TIME;
    work->mapping[index].is_guessed = true;
    return csv_guess_form(work, index, &work->mapping[index].time, out_err);
}

static varve_status csv_guess_time(csv_guess_work *work, varve_error *out_err)
{
    varve_text column;
    varve_text layout;
    size_t index = 0;
    if (work->wish->time == NULL) {
        return VARVE_OK; /* when all that is asked for is known */
    }
    csv_guess_split(work, vv_text_from_string(work->wish->time), &column, &layout);
    VV_TRY(csv_guess_claim(work, "--time", column, VV_CSV_TIME, &index, out_err));
    if (layout.size == 0) {
        work->mapping[index].is_guessed = true;
        return csv_guess_form(work, index, &work->mapping[index].time, out_err);
    }
    varve_status status = csv_guess_layout(work, layout, &work->mapping[index].time, out_err);
    if (status != VARVE_OK) {
        vv_error_prefix(out_err, "--time");
    }
    return status;
}

static varve_status csv_guess_labels(csv_guess_work *work, varve_error *out_err)
{
    varve_text rest = vv_text_from_string(work->wish->labels);
    varve_text word;
    size_t index = 0;
    while (rest.size > 0 && vv_text_split(&rest, ',', &word)) {
        VV_TRY(csv_guess_claim(work, "--labels", word, VV_CSV_LABEL, &index, out_err));
    }
    return VARVE_OK;
}

static varve_status csv_guess_fields(csv_guess_work *work, varve_error *out_err)
{
    varve_text rest = vv_text_from_string(work->wish->fields);
    varve_text word;
    while (rest.size > 0 && vv_text_split(&rest, ',', &word)) {
        varve_text column;
        varve_text type;
        size_t index = 0;
        csv_guess_split(work, word, &column, &type);
        VV_TRY(csv_guess_claim(work, "--fields", column, VV_CSV_FIELD, &index, out_err));
        work->mapping[index].type = csv_guess_type(&work->states[index]);
        work->mapping[index].is_guessed = type.size == 0;
        if (type.size > 0 && !vv_csv_type_parse(type, &work->mapping[index].type)) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "--fields: \"%.*s\" is no type: f64, i64, u64, bool, string, bytes, "
                           "histogram, text or mixed",
                           VV_TEXT_ARGS(vv_text_sub(type, 0, 40)));
        }
    }
    return VARVE_OK;
}

/** Columns that nobody named are fields, unless fields were named. */
static void csv_guess_rest(csv_guess_work *work)
{
    for (size_t i = 0; i < work->count; i++) {
        vv_csv_column *column = &work->mapping[i];
        if (!work->states[i].is_wanted && work->wish->fields == NULL) {
            column->role = VV_CSV_FIELD;
            column->type = csv_guess_type(&work->states[i]);
            column->is_guessed = true;
        }
    }
}

static varve_status csv_guess_metric(csv_guess_work *work, varve_error *out_err)
{
    const vv_csv_wish *wish = work->wish;
    size_t index = 0;
    if (wish->metric != NULL && wish->metric_column != NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "--metric and --metric-column exclude each other");
    }
    if (wish->metric_column != NULL) {
        return csv_guess_claim(work, "--metric-column", vv_text_from_string(wish->metric_column),
                               VV_CSV_NAME, &index, out_err);
    }
    work->guess->mapping.metric =
        wish->metric != NULL ? vv_text_from_string(wish->metric) : wish->fallback;
    return work->guess->mapping.metric.size > 0
               ? VARVE_OK
               : vv_fail(out_err, VARVE_E_INVALID, "give --metric or --metric-column");
}

static varve_status csv_guess_roles(csv_guess_work *work, varve_error *out_err)
{
    VV_TRY(csv_guess_metric(work, out_err));
    VV_TRY(csv_guess_time(work, out_err));
    VV_TRY(csv_guess_labels(work, out_err));
    VV_TRY(csv_guess_fields(work, out_err));
    if (work->wish->time == NULL) {
        VV_TRY(csv_guess_time_column(work, out_err));
    }
    csv_guess_rest(work);
    work->guess->mapping.columns = work->mapping;
    work->guess->mapping.count = work->count;
    work->guess->options.mapping = &work->guess->mapping;
    return vv_csv_mapping_check(&work->guess->mapping, out_err);
}

/* ---- the beginning of the text -------------------------------------------------------------- */

/** Two columns of one name cannot be told apart, by nobody. */
static varve_status csv_guess_distinct(csv_guess_work *work, varve_error *out_err)
{
    bool is_header = work->wish->columns == NULL && !work->wish->has_no_header;
    for (size_t i = 0; i < work->count; i++) {
        for (size_t k = 0; k < i; k++) {
            varve_text name = work->columns[i].name;
            if (vv_text_equal(name, work->columns[k].name)) {
                work->guess->is_text_bad = is_header;
                return vv_fail(out_err, VARVE_E_INVALID,
                               "%scolumns %zu and %zu are both called \"%.*s\"%s",
                               is_header ? "" : "--columns: ", k + 1, i + 1,
                               VV_TEXT_ARGS(vv_text_sub(name, 0, 64)),
                               is_header ? ": give names of your own with --columns" : "");
            }
        }
    }
    return VARVE_OK;
}

/** Names of the columns: from --columns, the header, or numbers. */
static varve_status csv_guess_names(csv_guess_work *work, const vv_csv_record *record,
                                    varve_error *out_err)
{
    const char *columns = work->wish->columns;
    varve_text rest = vv_text_from_string(columns);
    for (size_t i = 0; i < work->count; i++) {
        varve_text name = record->cells[i].text;
        char number[24];
        if (columns != NULL && !vv_text_split(&rest, ',', &name)) {
            return vv_fail(out_err, VARVE_E_INVALID,
                           "--columns: fewer names than the %zu columns of the text", work->count);
        }
        if ((columns == NULL && work->wish->has_no_header) || name.size == 0) {
            name = vv_text_make(number, vv_text_format(number, sizeof number, "%zu", i + 1));
        }
        if (vv_arena_copy(work->arena, name, &work->columns[i].name) != VARVE_OK) {
            return csv_guess_memory(work, out_err);
        }
        work->mapping[i] = (vv_csv_column){.index = i, .name = work->columns[i].name};
    }
    return rest.size == 0
               ? csv_guess_distinct(work, out_err)
               : vv_fail(out_err, VARVE_E_INVALID,
                         "--columns: more names than the %zu columns of the text", work->count);
}

static varve_status csv_guess_begin(csv_guess_work *work, const vv_csv_record *record,
                                    varve_error *out_err)
{
    work->count = record->count;
    work->mapping = vv_arena_array(work->arena, work->count, sizeof *work->mapping);
    work->columns = vv_arena_zeroed(work->arena, work->count * sizeof *work->columns);
    work->states = vv_arena_zeroed(work->arena, work->count * sizeof *work->states);
    if (work->mapping == NULL || work->columns == NULL || work->states == NULL) {
        return csv_guess_memory(work, out_err);
    }
    for (size_t i = 0; i < work->count; i++) {
        work->states[i] =
            (csv_guess_state){.is_bool = true,
                              .is_i64 = true,
                              .is_u64 = true,
                              .is_f64 = true,
                              .times = (UINT32_C(1) << VV_ARRAY_COUNT(csv_guess_forms)) - 1};
    }
    work->guess->columns = work->columns;
    return csv_guess_names(work, record, out_err);
}

/** Whether the header tells all, and nobody says otherwise. */
static bool csv_guess_is_told(const vv_csv_wish *wish, const vv_csv_record *header)
{
    return !wish->has_no_header && wish->time == NULL && wish->labels == NULL &&
           wish->fields == NULL && wish->columns == NULL && wish->metric_column == NULL &&
           vv_csv_header_is_typed(header);
}

static varve_status csv_guess_told(csv_guess_work *work, const vv_csv_record *header,
                                   varve_error *out_err)
{
    vv_csv_guess *guess = work->guess;
    varve_text metric =
        work->wish->metric != NULL ? vv_text_from_string(work->wish->metric) : work->wish->fallback;
    guess->is_typed = true;
    varve_status status =
        vv_csv_header_parse(header, metric, work->arena, &guess->mapping, out_err);
    guess->is_text_bad = status == VARVE_E_INVALID;
    VV_TRY(status);
    guess->options.mapping = &guess->mapping;
    guess->rows = 1; /* it need not be looked at */
    return VARVE_OK;
}

/** The separator that makes the most columns of the first record; in doubt a comma. */
static char csv_guess_separator(vv_bytes sample, bool is_whole, uint64_t skip_lines,
                                vv_alloc *alloc)
{
    static const char separators[] = {',', ';', '\t', '|'};
    char best = ',';
    size_t best_count = 1;
    for (size_t i = 0; i < sizeof separators; i++) {
        vv_csv_reader reader;
        vv_csv_record record;
        vv_csv_reader_init(&reader, alloc, separators[i], skip_lines, 0);
        vv_csv_reader_feed(&reader, vv_text_of_bytes(sample), is_whole);
        if (vv_csv_reader_next(&reader, &record, NULL) == VV_CSV_RECORD &&
            record.count > best_count) {
            best = separators[i];
            best_count = record.count;
        }
        vv_csv_reader_deinit(&reader);
    }
    return best;
}

/* ---- rows that replace each other ----------------------------------------------------------- */

/** What tells rows apart: time, metric and labels. */
static uint64_t csv_guess_row_hash(const csv_guess_work *work, const vv_csv_record *record)
{
    uint64_t hash = 1;
    for (size_t i = 0; i < work->count && i < record->count; i++) {
        vv_csv_role role = work->mapping[i].role;
        if (role == VV_CSV_TIME || role == VV_CSV_LABEL || role == VV_CSV_NAME) {
            varve_text text = record->cells[i].text;
            hash = vv_hash64(text.size == 0 ? "" : text.data, text.size, hash);
        }
    }
    return hash | 1; /* 0 is an empty place */
}

/** Note the first two rows of the sample that have the same. */
static void csv_guess_note_same(csv_guess_work *work, uint64_t (*seen)[2],
                                const vv_csv_record *record)
{
    uint64_t hash = csv_guess_row_hash(work, record);
    size_t at = (size_t)(hash >> 32) % CSV_GUESS_SEEN;
    while (seen[at][0] != 0 && seen[at][0] != hash) {
        at = (at + 1) % CSV_GUESS_SEEN;
    }
    if (seen[at][0] == hash && work->guess->same_lines[0] == 0) {
        work->guess->same_lines[0] = seen[at][1];
        work->guess->same_lines[1] = record->line;
    }
    seen[at][0] = hash;
    seen[at][1] = record->line;
}

/* ---- the two readings ----------------------------------------------------------------------- */

/** Call for each record of the sample behind the header; the first is given to csv_guess_begin. */
static varve_status csv_guess_read(csv_guess_work *work, vv_csv_reader *reader, uint64_t (*seen)[2],
                                   varve_error *out_err)
{
    uint64_t rows = 0;
    uint64_t bad_line = 0; /* of the first bad record; 0: none is */
    varve_error bad;
    bool is_first = true;
    for (;;) {
        vv_csv_record record;
        varve_error err;
        vv_csv_event event = vv_csv_reader_next(reader, &record, &err);
        if (event == VV_CSV_MORE || rows == VV_CSV_GUESS_ROWS) {
            work->guess->is_text_bad = rows == 0 && bad_line > 0;
            return work->guess->is_text_bad
                       ? vv_fail(out_err, VARVE_E_INVALID, "no row can be read: line %llu: %s",
                                 (unsigned long long)bad_line, bad.message)
                       : VARVE_OK;
        }
        if (event == VV_CSV_STOP || (event == VV_CSV_ERROR && is_first)) {
            work->guess->is_text_bad = true;
            return vv_fail(out_err, err.status, "%s", err.message);
        }
        bool is_header = is_first && !work->wish->has_no_header;
        if (is_first && seen == NULL) {
            if (csv_guess_is_told(work->wish, &record)) {
                return csv_guess_told(work, &record, out_err);
            }
            VV_TRY(csv_guess_begin(work, &record, out_err));
        }
        is_first = false;
        if (event == VV_CSV_ERROR && bad_line == 0) {
            bad_line = record.line;
            bad = err;
        }
        if (is_header || event == VV_CSV_ERROR) {
            continue;
        }
        rows += 1;
        if (seen != NULL) {
            csv_guess_note_same(work, seen, &record);
        } else {
            VV_TRY(csv_guess_row(work, &record, out_err));
        }
    }
}

/** A text whose lines end in CR alone is one record, and would pass for a header without rows. */
static varve_status csv_guess_no_rows(const csv_guess_work *work, varve_error *out_err)
{
    for (size_t i = 0; i < work->count; i++) {
        if (vv_text_find_char(work->columns[i].name, '\r') < work->columns[i].name.size) {
            work->guess->is_text_bad = true;
            return vv_fail(out_err, VARVE_E_INVALID,
                           "the lines end in CR alone: make that LF or CR LF");
        }
    }
    return VARVE_OK;
}

varve_status vv_csv_guess_make(const vv_csv_wish *wish, vv_bytes sample, bool is_whole,
                               vv_alloc *alloc, vv_arena *arena, vv_csv_guess *out_guess,
                               varve_error *out_err)
{
    memset(out_guess, 0, sizeof *out_guess);
    sample = vv_bytes_of_text(vv_text_without_mark(vv_text_of_bytes(sample)));
    csv_guess_work work = {.wish = wish, .arena = arena, .guess = out_guess};
    char separator = wish->separator != '\0'
                         ? wish->separator
                         : csv_guess_separator(sample, is_whole, wish->skip_lines, alloc);
    out_guess->options = (vv_csv_options){
        .separator = separator, .has_header = !wish->has_no_header, .skip_lines = wish->skip_lines};
    vv_csv_reader reader;
    vv_csv_reader_init(&reader, alloc, separator, wish->skip_lines, 0);
    vv_csv_reader_feed(&reader, vv_text_of_bytes(sample), is_whole);
    varve_status status = csv_guess_read(&work, &reader, NULL, out_err);
    vv_csv_reader_deinit(&reader);
    if (status != VARVE_OK || out_guess->is_typed) {
        return status;
    }
    if (out_guess->rows == 0) {
        return csv_guess_no_rows(&work, out_err);
    }
    VV_ASSERT(work.states != NULL); /* made with the first record, before any row */
    VV_TRY(csv_guess_roles(&work, out_err));
    /* Again, now that it is known what tells rows apart. */
    uint64_t(*seen)[2] = vv_arena_zeroed(arena, CSV_GUESS_SEEN * sizeof *seen);
    if (seen == NULL) {
        return csv_guess_memory(&work, out_err);
    }
    vv_csv_reader_init(&reader, alloc, separator, wish->skip_lines, 0);
    vv_csv_reader_feed(&reader, vv_text_of_bytes(sample), is_whole);
    status = csv_guess_read(&work, &reader, seen, out_err);
    vv_csv_reader_deinit(&reader);
    return status;
}
