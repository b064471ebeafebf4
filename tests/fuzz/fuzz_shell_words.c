/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of the shell: their words, and what they may go on with. A word is never longer than what
 * stands in the line; what is offered begins with what is typed.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "cli/shell_complete.h"
#include "cli/shell_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/** Two names, whatever is asked. */
static varve_status give_names(void *context, vv_shell_names_kind kind, varve_text metric,
                               varve_text label, vv_arena *arena, varve_text **out_names,
                               size_t *out_count, varve_error *out_err)
{
    static varve_text names[] = {VV_TEXT_INIT("cpu"), VV_TEXT_INIT("host \"a\"")};
    (void)context;
    (void)kind;
    (void)metric;
    (void)label;
    (void)arena;
    (void)out_err;
    *out_names = names;
    *out_count = VV_ARRAY_COUNT(names);
    return VARVE_OK;
}

static void check_words(varve_text line, vv_arena *arena)
{
    vv_shell_words words;
    varve_error err;
    size_t end = 0;
    varve_status status = vv_shell_scan(line, arena, &words, &err);
    require(status == VARVE_OK || status == VARVE_E_LIMIT);
    require(status != VARVE_OK || words.open == '\0' || words.open_at < line.size);
    status = vv_shell_split(line, arena, &words, &err);
    require(status == VARVE_OK || status == VARVE_E_INVALID || status == VARVE_E_LIMIT);
    for (size_t i = 0; status == VARVE_OK && i < words.count; i++) {
        const vv_shell_word *word = &words.words[i];
        require(word->begin >= end && word->end > word->begin && word->end <= line.size);
        require(word->text.size <= word->end - word->begin);
        require(word->chars[word->text.size] == '\0');
        require(!word->is_plain || word->text.size == word->end - word->begin);
        end = word->end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vv_alloc alloc;
    vv_arena arena;
    varve_error err;
    vv_completions found;
    vv_shell_names names = {.list = give_names};
    varve_text line = {.data = (const char *)data, .size = size};
    vv_alloc_init(&alloc, NULL);
    vv_arena_init(&arena, &alloc, SIZE_MAX);
    check_words(line, &arena);
    if (vv_shell_complete(line, &names, &arena, &found, &err) == VARVE_OK) {
        require(found.begin <= size);
        varve_text typed = vv_text_sub(line, found.begin, size);
        for (size_t i = 0; i < found.count; i++) {
            require(vv_text_starts_with(found.texts[i], typed));
            require(i == 0 || vv_text_compare(found.texts[i - 1], found.texts[i]) < 0);
        }
    }
    vv_arena_deinit(&arena);
    require(vv_alloc_bytes(&alloc) == 0);
    return 0;
}
