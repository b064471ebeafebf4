/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/field_hint.h"

#include "base/slice.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/listing.h"
#include "cli/nearest.h"

/* Of the fields there are, so many are named where none is near. */
#define FIELD_HINT_NAMES_MAX 8u
#define FIELD_HINT_BYTES     200u
/* Of a name. */
#define FIELD_HINT_NAME_BYTES 64u

/** "; did you mean usage?", or "; there are idle, usage". */
static void field_hint_rest(varve_text field, const varve_text *known, size_t count, char *target,
                            size_t capacity)
{
    char names[FIELD_HINT_NAMES_MAX * 4][FIELD_HINT_NAME_BYTES];
    vv_nearest nearest = {.word = field};
    for (size_t i = 0; i < count && i < VV_ARRAY_COUNT(names); i++) {
        vv_text_format(names[i], sizeof names[i], "%.*s", VV_TEXT_ARGS(known[i]));
        vv_nearest_offer(&nearest, names[i]);
    }
    if (nearest.best != NULL) {
        vv_text_format(target, capacity, "; did you mean %s?", nearest.best);
        return;
    }
    size_t size = vv_text_format(target, capacity, "; there are");
    for (size_t i = 0; i < count && i < FIELD_HINT_NAMES_MAX; i++) {
        size += vv_text_format(target + size, capacity - size, "%s %.*s", i > 0 ? "," : "",
                               VV_TEXT_ARGS(vv_text_sub(known[i], 0, FIELD_HINT_NAME_BYTES)));
    }
    if (count > FIELD_HINT_NAMES_MAX) {
        vv_text_format(target + size, capacity - size, " and %zu more",
                       count - FIELD_HINT_NAMES_MAX);
    }
}

static bool field_hint_has(const varve_text *texts, size_t count, varve_text text)
{
    size_t at = 0;
    while (at < count && !vv_text_equal(texts[at], text)) {
        at += 1;
    }
    return at < count;
}

void vv_field_hint(const char *verb, const vv_ask *ask, const varve_text *known, size_t count)
{
    varve_text told = {0};
    for (size_t i = 0; count > 0 && i < ask->query.output_count; i++) {
        varve_text field = ask->query.outputs[i].name;
        bool is_told = told.data != NULL && vv_text_equal(field, told); /* outputs stand by field */
        if (!is_told && !field_hint_has(known, count, field)) {
            char rest[FIELD_HINT_BYTES];
            field_hint_rest(field, known, count, rest, sizeof rest);
            vv_cli_fail(verb, "no selected series has the field \"%.*s\"%s",
                        VV_TEXT_ARGS(vv_text_sub(field, 0, FIELD_HINT_NAME_BYTES)), rest);
            told = field;
        }
    }
}

varve_status vv_field_hint_database(const char *verb, const vv_ask *ask, varve_db *db,
                                    vv_arena *arena, varve_error *out_err)
{
    varve_list_options options;
    varve_cursor *cursor;
    varve_text *known;
    size_t count;
    varve_list_options_init(&options);
    options.selections = ask->query.selections;
    options.selection_count = ask->query.selection_count;
    options.task = ask->query.task;
    VV_TRY(varve_field_names(db, &options, &cursor, out_err));
    VV_TRY(vv_listing_take(cursor, 1, NULL, arena, &known, &count, out_err));
    vv_field_hint(verb, ask, known, count);
    return VARVE_OK;
}
