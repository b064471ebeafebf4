/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From the words before the cursor to a kind of name, and from that to the names that fit.
 *
 *     query cpu{host="a",d| --agg      verb "query", a selector, behind a comma: labels of cpu
 *     query cpu --by ho|               option --by takes a list: labels of cpu
 *     cp|                              first word: verbs, metrics
 *
 * What takes a selector, a label or a verb is read off the table of commands; options and their
 * words come from the commands themselves (cli/shell_options.h), so that nothing here lists them.
 *
 * K1  Every text offered begins with what stands in the line, so that taking it never removes
 *     anything typed.
 * K2  Names that would need quotes or escapes in their place are not offered.
 */

#include "cli/shell_complete.h"

#include <string.h>

#include "base/slice.h"
#include "base/status.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/shell_dot.h"
#include "cli/shell_options.h"
#include "cli/shell_words.h"
#include "model/selector.h"

/* More would not be read. */
#define COMPLETE_TEXTS_MAX 10000u

typedef struct complete_job {
    varve_text line;
    const vv_shell_names *names;
    vv_arena *arena;
    vv_shell_words words;
    const vv_command *command; /* of the first word; NULL: a selector stands there */
    vv_shell_options described;
    varve_text typed; /* what stands in the line from begin on */
    vv_vec texts;
    vv_completions *out;
} complete_job;

/* ---- offering ------------------------------------------------------------------------------- */

static void complete_begin(complete_job *job, size_t begin, const char *ending)
{
    job->out->begin = begin;
    job->out->ending = vv_text_from_string(ending);
    job->typed = vv_text_sub(job->line, begin, job->line.size);
}

/** Whether a name can stand in the line as it is. */
static bool complete_is_plain(varve_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (!vv_selector_is_bare((uint8_t)text.data[i]) || text.data[i] == '#') {
            return false;
        }
    }
    return text.size > 0;
}

static varve_status complete_offer(complete_job *job, varve_text text, varve_error *out_err)
{
    if (!vv_text_starts_with(text, job->typed)) {
        return VARVE_OK;
    }
    varve_status status = vv_vec_push(&job->texts, &text);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(&job->texts, status, out_err);
}

static varve_status complete_names(complete_job *job, vv_shell_names_kind kind, varve_text metric,
                                   varve_text label, varve_error *out_err)
{
    varve_error ignored;
    varve_text *names = NULL;
    size_t count = 0;
    if (job->names->list(job->names->context, kind, metric, label, job->arena, &names, &count,
                         &ignored) != VARVE_OK) {
        return VARVE_OK; /* no names, no completion: nobody asked for a sentence */
    }
    for (size_t i = 0; i < count && job->texts.count < COMPLETE_TEXTS_MAX; i++) {
        if (complete_is_plain(names[i])) {
            VV_TRY(complete_offer(job, names[i], out_err));
        }
    }
    return VARVE_OK;
}

static varve_status complete_verbs(complete_job *job, varve_error *out_err)
{
    for (size_t i = 0; i < vv_command_count; i++) {
        VV_TRY(complete_offer(job, vv_text_from_string(vv_commands[i].name), out_err));
    }
    return VARVE_OK;
}

static varve_status complete_strings(complete_job *job, const char *const *texts, size_t count,
                                     varve_error *out_err)
{
    for (size_t i = 0; i < count; i++) {
        VV_TRY(complete_offer(job, vv_text_from_string(texts[i]), out_err));
    }
    return VARVE_OK;
}

static varve_status complete_aggregations(complete_job *job, varve_error *out_err)
{
    static const char *const percentiles[] = {"p50", "p90", "p95", "p99"};
    for (size_t i = 0; vv_ask_aggregation_name(i) != NULL; i++) {
        VV_TRY(complete_offer(job, vv_text_from_string(vv_ask_aggregation_name(i)), out_err));
    }
    return complete_strings(job, percentiles, VV_ARRAY_COUNT(percentiles), out_err);
}

/* ---- selectors ------------------------------------------------------------------------------ */

/** How far a selector has come where it ends. */
typedef struct complete_selector {
    varve_text metric;
    varve_text label;
    bool is_in_metric;
    bool is_in_name;
    bool is_behind_operator;
    bool is_in_value; /* behind its quote */
    size_t begin;     /* of what is being typed, in the selector */
} complete_selector;

static size_t complete_skip_blanks(varve_text text, size_t position)
{
    while (position < text.size && text.data[position] == ' ') {
        position += 1;
    }
    return position;
}

static size_t complete_skip_bare(varve_text text, size_t position)
{
    while (position < text.size && vv_selector_is_bare((uint8_t)text.data[position])) {
        position += 1;
    }
    return position;
}

/** Behind the string whose quote is at position, or the end of the text when it is open. */
static size_t complete_skip_string(varve_text text, size_t position, bool *out_is_open)
{
    char quote = text.data[position];
    for (position += 1; position < text.size; position++) {
        if (text.data[position] == quote) {
            *out_is_open = false;
            return position + 1;
        }
        position += text.data[position] == '\\';
    }
    *out_is_open = true;
    return text.size;
}

/** One condition from position on; false when the selector ends in it. */
static bool complete_condition(varve_text text, size_t *position, complete_selector *found)
{
    bool is_open = false;
    size_t begin = complete_skip_blanks(text, *position);
    size_t end = complete_skip_bare(text, begin);
    found->begin = begin;
    if (end == text.size) {
        found->is_in_name = true;
        return false;
    }
    found->label = vv_text_sub(text, begin, end - begin);
    begin = complete_skip_blanks(text, end);
    end = begin;
    while (end < text.size && strchr("=!~", text.data[end]) != NULL) {
        end += 1;
    }
    found->begin = end;
    if (end == text.size) {
        found->is_behind_operator = end > begin;
        return false;
    }
    begin = complete_skip_blanks(text, end);
    if (begin == text.size || text.data[begin] != '"') {
        return false; /* another quote, or no condition: nothing is offered */
    }
    found->begin = begin + 1;
    end = complete_skip_string(text, begin, &is_open);
    found->is_in_value = is_open;
    end = complete_skip_blanks(text, end);
    *position = end + 1;
    return !is_open && end < text.size && text.data[end] == ',';
}

static complete_selector complete_read_selector(varve_text text)
{
    complete_selector found = {.is_in_metric = false};
    size_t position = vv_text_find_char(text, '{');
    found.metric = vv_text_trim(vv_text_sub(text, 0, position));
    if (position == text.size) {
        found.is_in_metric = true;
        return found;
    }
    position += 1;
    while (complete_condition(text, &position, &found)) {
        found.is_in_value = false;
    }
    return found;
}

/** Whether a value can stand between double quotes, themselves perhaps between single ones. */
static bool complete_is_quotable(varve_text value)
{
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c < ' ' || c == 0x7F || c == '"' || c == '\\' || c == '\'') {
            return false;
        }
    }
    return true;
}

/** Values with the quote that ends them, and the one that begins them where it is not there. */
static varve_status complete_values(complete_job *job, const complete_selector *found,
                                    varve_error *out_err)
{
    varve_error ignored;
    varve_text *values = NULL;
    size_t count = 0;
    if (job->names->list(job->names->context, VV_SHELL_VALUES, found->metric, found->label,
                         job->arena, &values, &count, &ignored) != VARVE_OK) {
        return VARVE_OK;
    }
    for (size_t i = 0; i < count && job->texts.count < COMPLETE_TEXTS_MAX; i++) {
        varve_text value = values[i];
        char *quoted = vv_arena_new(job->arena, value.size + 2);
        if (quoted == NULL) {
            return vv_arena_fail(job->arena, value.size, out_err);
        }
        size_t size = 0;
        if (found->is_behind_operator) {
            quoted[size++] = '"';
        }
        memcpy(quoted + size, value.data, value.size);
        size += value.size;
        quoted[size++] = '"';
        if (complete_is_quotable(value)) {
            VV_TRY(complete_offer(job, vv_text_make(quoted, size), out_err));
        }
    }
    return VARVE_OK;
}

/** The selector that begins at `at` and ends at the cursor. */
static varve_status complete_selector_at(complete_job *job, size_t at, const char *ending,
                                         varve_error *out_err)
{
    if (at < job->line.size && job->line.data[at] == '"') {
        return VARVE_OK; /* its own quotes would need backslashes (K2) */
    }
    if (at < job->line.size && job->line.data[at] == '\'') {
        at += 1;
        ending = "";
    }
    complete_selector found = complete_read_selector(vv_text_sub(job->line, at, job->line.size));
    if (found.is_in_metric) {
        complete_begin(job, at, ending);
        return complete_names(job, VV_SHELL_METRICS, VV_TEXT(""), VV_TEXT(""), out_err);
    }
    if (found.is_in_name) {
        complete_begin(job, at + found.begin, "=");
        return complete_names(job, VV_SHELL_LABELS, found.metric, VV_TEXT(""), out_err);
    }
    if (found.is_behind_operator || found.is_in_value) {
        complete_begin(job, at + found.begin, "");
        return complete_values(job, &found, out_err);
    }
    return VARVE_OK;
}

/* ---- options -------------------------------------------------------------------------------- */

static varve_status complete_options(complete_job *job, size_t begin, varve_error *out_err)
{
    complete_begin(job, begin + 2, " ");
    for (size_t i = 0; i < job->described.count; i++) {
        const char *name = job->described.options[i].name;
        if (!vv_shell_option_is_target(name)) {
            VV_TRY(complete_offer(job, vv_text_from_string(name), out_err));
        }
    }
    return complete_offer(job, VV_TEXT("help"), out_err);
}

/** "table, csv or json (table)": the words of a help text that is a list. */
static varve_status complete_listed(complete_job *job, const char *help, varve_error *out_err)
{
    varve_text rest = vv_text_from_string(help);
    varve_text item;
    rest = vv_text_sub(rest, 0, vv_text_find_char(rest, '('));
    while (vv_text_split(&rest, ',', &item)) {
        varve_text word = vv_text_trim(item);
        size_t or_at = vv_text_find(word, VV_TEXT(" or "));
        if (or_at != SIZE_MAX) {
            varve_text last = vv_text_sub(word, or_at + 4, word.size);
            VV_TRY(complete_is_plain(last) ? complete_offer(job, last, out_err) : VARVE_OK);
            word = vv_text_sub(word, 0, or_at);
        }
        VV_TRY(complete_is_plain(word) ? complete_offer(job, word, out_err) : VARVE_OK);
    }
    return VARVE_OK;
}

/** The metric that the words of the line select, as far as one can see; empty: unknown. */
static varve_text complete_metric(const complete_job *job)
{
    size_t first = job->command == NULL ? 0 : 1;
    for (size_t i = first; i < job->words.count; i++) {
        varve_text word = job->words.words[i].text;
        varve_text name = vv_text_sub(word, 2, word.size);
        if (!vv_text_starts_with(word, VV_TEXT("--"))) {
            return vv_text_trim(vv_text_sub(word, 0, vv_text_find_char(word, '{')));
        }
        const vv_option *option = vv_shell_option_find(&job->described, name);
        i += vv_shell_option_takes_next(option);
    }
    return VV_TEXT("");
}

/** The value of an option, which begins at `begin`. Lists are completed in their last item. */
static varve_status complete_value(complete_job *job, const vv_option *option, size_t begin,
                                   varve_error *out_err)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    static const char *const spans[] = {"1m",  "5m",   "1h",    "6h",      "1d",  "hour",
                                        "day", "week", "month", "quarter", "year"};
    varve_text name = vv_text_from_string(option->name);
    varve_text value = vv_text_sub(job->line, begin, job->line.size);
    size_t comma = vv_text_find_last_char(value, ',');
    size_t item = comma == value.size ? begin : begin + comma + 1;
    complete_begin(job, item, "");
    if (vv_text_equal(name, VV_TEXT("agg"))) {
        return complete_aggregations(job, out_err);
    }
    if (vv_text_equal(name, VV_TEXT("by"))) {
        return complete_names(job, VV_SHELL_LABELS, complete_metric(job), VV_TEXT(""), out_err);
    }
    if (vv_text_equal(name, VV_TEXT("fields"))) {
        return complete_names(job, VV_SHELL_FIELDS, complete_metric(job), VV_TEXT(""), out_err);
    }
    complete_begin(job, begin, " ");
    if (vv_text_equal(name, VV_TEXT("precision"))) {
        return complete_strings(job, units, VV_ARRAY_COUNT(units), out_err);
    }
    if (vv_text_equal(name, VV_TEXT("every"))) {
        return complete_strings(job, spans, VV_ARRAY_COUNT(spans), out_err);
    }
    bool is_listed = option->argument != NULL && (strcmp(option->argument, "FORMAT") == 0 ||
                                                  strcmp(option->argument, "MODE") == 0);
    return is_listed ? complete_listed(job, option->help, out_err) : VARVE_OK;
}

/* ---- the place in the line ------------------------------------------------------------------ */

/** ".mode js", ".timer o": the argument, from the same tables. */
static varve_status complete_dot(complete_job *job, varve_text dot, size_t begin,
                                 varve_error *out_err)
{
    static const char *const switches[] = {"on", "off"};
    complete_begin(job, begin, " ");
    if (vv_text_equal(dot, VV_TEXT(".timer"))) {
        return complete_strings(job, switches, VV_ARRAY_COUNT(switches), out_err);
    }
    if (vv_text_equal(dot, VV_TEXT(".mode"))) {
        vv_shell_options_of(vv_command_known("query"), &job->described);
        const vv_option *format = vv_shell_option_find(&job->described, VV_TEXT("format"));
        return format == NULL ? VARVE_OK : complete_listed(job, format->help, out_err);
    }
    return VARVE_OK;
}

static varve_status complete_first(complete_job *job, size_t begin, varve_error *out_err)
{
    varve_text word = vv_text_sub(job->line, begin, job->line.size);
    if (vv_text_starts_with(word, VV_TEXT("."))) {
        complete_begin(job, begin, " ");
        for (size_t i = 0; i < vv_shell_dot_count; i++) {
            VV_TRY(complete_offer(job, vv_text_from_string(vv_shell_dots[i].name), out_err));
        }
        return VARVE_OK;
    }
    VV_TRY(complete_selector_at(job, begin, " ", out_err));
    return begin == job->line.size || complete_is_plain(word) ? complete_verbs(job, out_err)
                                                              : VARVE_OK;
}

static varve_status complete_operand(complete_job *job, size_t begin, varve_error *out_err)
{
    const char *arguments = job->command == NULL ? "" : job->command->arguments;
    if (strstr(arguments, "SELECTOR") != NULL) {
        return complete_selector_at(job, begin, " ", out_err);
    }
    complete_begin(job, begin, " ");
    if (strstr(arguments, "[NAME]") != NULL) {
        return complete_names(job, VV_SHELL_LABELS, VV_TEXT(""), VV_TEXT(""), out_err);
    }
    return strstr(arguments, "COMMAND") != NULL ? complete_verbs(job, out_err) : VARVE_OK;
}

/** What the word before takes, if it is an option that takes the next word. */
static const vv_option *complete_option_before(const complete_job *job, size_t before)
{
    varve_text word = before == 0 ? VV_TEXT("") : job->words.words[before - 1].text;
    if (!vv_text_starts_with(word, VV_TEXT("--"))) {
        return NULL;
    }
    const vv_option *option =
        vv_shell_option_find(&job->described, vv_text_sub(word, 2, word.size));
    return vv_shell_option_takes_next(option) ? option : NULL;
}

static varve_status complete_place(complete_job *job, varve_error *out_err)
{
    size_t count = job->words.count;
    bool is_in_word = count > 0 && job->words.words[count - 1].end == job->line.size;
    size_t before = is_in_word ? count - 1 : count; /* words that are finished */
    size_t begin = is_in_word ? job->words.words[count - 1].begin : job->line.size;
    if (job->words.is_comment) {
        return VARVE_OK;
    }
    if (before == 0) {
        return complete_first(job, begin, out_err);
    }
    varve_text first = job->words.words[0].text;
    if (vv_text_starts_with(first, VV_TEXT("."))) {
        return before == 1 ? complete_dot(job, first, begin, out_err) : VARVE_OK;
    }
    job->command = vv_command_known(first.data);
    vv_shell_options_of(job->command != NULL ? job->command : vv_command_known("query"),
                        &job->described);
    const vv_option *option = complete_option_before(job, before);
    if (option != NULL) {
        return complete_value(job, option, begin, out_err);
    }
    varve_text word = vv_text_sub(job->line, begin, job->line.size);
    size_t equals = vv_text_find_char(word, '=');
    if (vv_text_starts_with(word, VV_TEXT("--")) && equals < word.size) {
        option = vv_shell_option_find(&job->described, vv_text_sub(word, 2, equals - 2));
        return option == NULL ? VARVE_OK : complete_value(job, option, begin + equals + 1, out_err);
    }
    return vv_text_starts_with(word, VV_TEXT("--")) ? complete_options(job, begin, out_err)
                                                    : complete_operand(job, begin, out_err);
}

/** Each of the sorted texts once; how many are left. A metric may be called like a verb. */
static size_t complete_unique(varve_text *texts, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !vv_text_equal(texts[kept - 1], texts[i])) {
            texts[kept] = texts[i];
            kept += 1;
        }
    }
    return kept;
}

varve_status vv_shell_complete(varve_text line, const vv_shell_names *names, vv_arena *arena,
                               vv_completions *out_completions, varve_error *out_err)
{
    complete_job job = {.line = line, .names = names, .arena = arena, .out = out_completions};
    *out_completions = (vv_completions){.begin = line.size};
    VV_TRY(vv_shell_scan(line, arena, &job.words, out_err));
    vv_vec_init(&job.texts, arena->alloc, sizeof(varve_text), SIZE_MAX);
    varve_status status = complete_place(&job, out_err);
    size_t count = job.texts.count;
    varve_text *kept = status == VARVE_OK ? vv_arena_array(arena, count + 1, sizeof *kept) : NULL;
    if (status == VARVE_OK && kept == NULL) {
        status = vv_arena_fail(arena, count * sizeof *kept, out_err);
    }
    for (size_t i = 0; kept != NULL && i < count; i++) {
        kept[i] = *VV_VEC_AT(&job.texts, varve_text, i);
    }
    vv_vec_deinit(&job.texts);
    if (kept != NULL) {
        vv_text_sort(kept, count);
        out_completions->texts = kept;
        out_completions->count = complete_unique(kept, count);
    }
    return status;
}

varve_text vv_completions_common(const vv_completions *completions)
{
    if (completions->count == 0) {
        return VV_TEXT("");
    }
    /* Sorted: what the first and the last have in common, all between them have too. */
    varve_text first = completions->texts[0];
    varve_text last = completions->texts[completions->count - 1];
    size_t size = 0;
    while (size < first.size && size < last.size && first.data[size] == last.data[size]) {
        size += 1;
    }
    return vv_utf8_cut(first, size);
}
