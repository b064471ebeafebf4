/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiled pattern. A pattern goes through three stages:
 *
 *     regex_scan.c    refuses what RE2 refuses, bounds nesting and repeats, writes it for PCRE2
 *     regex_simple.c  takes out what needs no engine; most patterns end here
 *     this file       PCRE2: compiled once, with JIT where the system allows it, matched within
 * limits
 *
 * PCRE2 backtracks, so a hostile pattern can cost time without end; the match limit ends it, and
 * the caller gets E_LIMIT instead of an answer. A pattern of the first two stages never does.
 *
 * All memory of PCRE2 but JIT code and its stack (which it maps itself) comes from the vv_alloc.
 * Its free has no size, so each block begins with one.
 */
#include "base/regex.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/checked.h"
#include "base/limit.h"
#include "base/regex_priv.h"
#include "base/status.h"
#include "base/utf8.h"

/* Computed: \x{10FFFF} is at most what one byte of pattern turns into, two in a class range's ends.
 */
#define REGEX_PCRE_BYTES_MAX (VV_REGEX_PATTERN_BYTES_MAX * 16)

/* Texts and set of the simple kinds: the bound of regex_simple.c and a copy of the pattern. */
#define REGEX_ARENA_BYTES_MAX (2u * 1024 * 1024)

/* Arbitrary start; the maximum is that of the documentation's example, and bounds what a match may
 * use. */
#define REGEX_JIT_STACK_BYTES_MIN (32u * 1024)
#define REGEX_JIT_STACK_BYTES_MAX (1024u * 1024)

#define REGEX_BLOCK_HEADER_BYTES 16u

struct vv_regex {
    vv_alloc *alloc;
    vv_arena arena;         /* pattern, literals */
    varve_text pattern;     /* for messages */
    vv_regex_simple simple; /* kind ENGINE: the members below */
    pcre2_general_context *general;
    pcre2_code *code;
    pcre2_match_context *match;
    pcre2_match_data *match_data;
    pcre2_jit_stack *jit_stack; /* NULL: no JIT */
};

/* ---- memory for PCRE2 ---- */

static void *regex_allocate(PCRE2_SIZE size, void *context)
{
    size_t whole;
    if (!vv_add_size(size, REGEX_BLOCK_HEADER_BYTES, &whole)) {
        return NULL;
    }
    uint8_t *block = (uint8_t *)vv_alloc_new((vv_alloc *)context, whole);
    if (block == NULL) {
        return NULL;
    }
    memcpy(block, &whole, sizeof whole);
    return block + REGEX_BLOCK_HEADER_BYTES;
}

static void regex_release(void *memory, void *context)
{
    if (memory == NULL) {
        return;
    }
    uint8_t *block = (uint8_t *)memory - REGEX_BLOCK_HEADER_BYTES;
    size_t whole;
    memcpy(&whole, block, sizeof whole);
    vv_alloc_free((vv_alloc *)context, block, whole);
}

/* ---- compiling ---- */

static varve_status regex_compile_error(const vv_regex *regex, int code, varve_error *out_err)
{
    /* Numbers of PCRE2's compile errors: no memory; the compiled form exceeds 64 KiB units. */
    if (code == PCRE2_ERROR_HEAP_FAILED) {
        return vv_fail_nomem(out_err, "regular expression", regex->pattern.size);
    }
    varve_text shown = vv_utf8_cut(regex->pattern, 100);
    if (code == PCRE2_ERROR_PATTERN_TOO_LARGE) {
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_REGEX,
                             "regular expression \"%.*s\" is too large", VV_TEXT_ARGS(shown));
    }
    PCRE2_UCHAR text[120];
    if (pcre2_get_error_message(code, text, sizeof text) < 0) {
        text[0] = '\0';
    }
    return vv_fail(out_err, VARVE_E_INVALID, "regular expression \"%.*s\": %s", VV_TEXT_ARGS(shown),
                   (const char *)text);
}

static varve_status regex_compile_code(vv_regex *regex, varve_text pcre, varve_error *out_err)
{
    pcre2_compile_context *compile = pcre2_compile_context_create(regex->general);
    if (compile == NULL) {
        return vv_fail_nomem(out_err, "regular expression", pcre.size);
    }
    /* These fail for values out of range only. */
    VV_IGNORE(pcre2_set_newline(compile, PCRE2_NEWLINE_LF));
    VV_IGNORE(pcre2_set_parens_nest_limit(compile, 2 * VV_REGEX_NESTING_MAX));
    uint32_t options = PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_ANCHORED | PCRE2_ENDANCHORED |
                       PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
                       PCRE2_NEVER_UCP | PCRE2_NO_AUTO_CAPTURE;
    int code = 0;
    PCRE2_SIZE offset = 0;
    regex->code = pcre2_compile((PCRE2_SPTR)pcre.data, pcre.size, options, &code, &offset, compile);
    pcre2_compile_context_free(compile);
    return regex->code == NULL ? regex_compile_error(regex, code, out_err) : VARVE_OK;
}

/* JIT is a matter of speed: where it cannot be had (no executable memory), matching goes on
 * without. */
static void regex_compile_jit(vv_regex *regex)
{
    if (pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) != 0) {
        return;
    }
    regex->jit_stack = pcre2_jit_stack_create(REGEX_JIT_STACK_BYTES_MIN, REGEX_JIT_STACK_BYTES_MAX,
                                              regex->general);
    if (regex->jit_stack != NULL) {
        pcre2_jit_stack_assign(regex->match, NULL, regex->jit_stack);
    }
}

static varve_status regex_compile(vv_regex *regex, varve_text pcre, varve_error *out_err)
{
    regex->general = pcre2_general_context_create(regex_allocate, regex_release, regex->alloc);
    if (regex->general == NULL) {
        return vv_fail_nomem(out_err, "regular expression", pcre.size);
    }
    VV_TRY(regex_compile_code(regex, pcre, out_err));
    regex->match = pcre2_match_context_create(regex->general);
    /* One pair of offsets: whether it matches is all that is asked. */
    regex->match_data = pcre2_match_data_create(1, regex->general);
    if (regex->match == NULL || regex->match_data == NULL) {
        return vv_fail_nomem(out_err, "regular expression", pcre.size);
    }
    VV_IGNORE(pcre2_set_match_limit(regex->match, VV_REGEX_MATCH_STEPS_MAX)); /* always 0 */
    VV_IGNORE(pcre2_set_heap_limit(regex->match, VV_REGEX_HEAP_KIB_MAX));     /* always 0 */
    regex_compile_jit(regex);
    return VARVE_OK;
}

/* Scan, simplify, and compile where that is needed; regex is initialised and released by the
 * caller. */
static varve_status regex_build(vv_regex *regex, varve_text pattern, vv_buf *pcre,
                                varve_error *out_err)
{
    vv_regex_syntax syntax;
    VV_TRY(vv_regex_scan(pattern, pcre, &syntax, out_err));
    if (vv_arena_copy(&regex->arena, pattern, &regex->pattern) != VARVE_OK ||
        vv_regex_simplify(regex->pattern, &syntax, &regex->arena, &regex->simple) != VARVE_OK) {
        return vv_fail_nomem(out_err, "regular expression", pattern.size);
    }
    if (regex->simple.kind != VV_REGEX_ENGINE) {
        return VARVE_OK;
    }
    return regex_compile(regex, vv_buf_text(pcre), out_err);
}

varve_status vv_regex_create(varve_text pattern, vv_alloc *alloc, vv_regex **out_regex,
                             varve_error *out_err)
{
    *out_regex = NULL;
    vv_regex *regex = (vv_regex *)vv_alloc_zeroed(alloc, sizeof *regex);
    if (regex == NULL) {
        return vv_fail_nomem(out_err, "regular expression", sizeof *regex);
    }
    regex->alloc = alloc;
    vv_arena_init(&regex->arena, alloc, REGEX_ARENA_BYTES_MAX);
    vv_buf pcre;
    vv_buf_init(&pcre, alloc, REGEX_PCRE_BYTES_MAX);
    varve_status status = regex_build(regex, pattern, &pcre, out_err);
    vv_buf_deinit(&pcre);
    if (status != VARVE_OK) {
        vv_regex_free(regex);
        return status;
    }
    *out_regex = regex;
    return VARVE_OK;
}

void vv_regex_free(vv_regex *regex)
{
    if (regex == NULL) {
        return;
    }
    pcre2_jit_stack_free(regex->jit_stack);
    pcre2_match_data_free(regex->match_data);
    pcre2_match_context_free(regex->match);
    pcre2_code_free(regex->code);
    pcre2_general_context_free(regex->general);
    vv_arena_deinit(&regex->arena);
    vv_alloc_free(regex->alloc, regex, sizeof *regex);
}

/* ---- matching ---- */

static varve_status regex_match_error(const vv_regex *regex, int code, varve_error *out_err)
{
    varve_text shown = vv_utf8_cut(regex->pattern, 100);
    switch (code) {
    case PCRE2_ERROR_MATCHLIMIT:
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_REGEX,
                             "regular expression \"%.*s\" took more than the limit of %u steps",
                             VV_TEXT_ARGS(shown), VV_REGEX_MATCH_STEPS_MAX);
    case PCRE2_ERROR_HEAPLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
        return vv_fail_limit(out_err, VARVE_E_LIMIT, VV_LIMIT_REGEX,
                             "regular expression \"%.*s\" needs more than the limit of %u KiB",
                             VV_TEXT_ARGS(shown), VV_REGEX_HEAP_KIB_MAX);
    case PCRE2_ERROR_JIT_STACKLIMIT:
        return vv_fail_limit(
            out_err, VARVE_E_LIMIT, VV_LIMIT_REGEX,
            "regular expression \"%.*s\" needs more than the limit of %u bytes of stack",
            VV_TEXT_ARGS(shown), REGEX_JIT_STACK_BYTES_MAX);
    case PCRE2_ERROR_NOMEMORY:
        return vv_fail_nomem(out_err, "matching a regular expression", regex->pattern.size);
    default:
        return vv_fail(out_err, VARVE_E_INTERNAL, "regular expression \"%.*s\": PCRE2 error %d",
                       VV_TEXT_ARGS(shown), code);
    }
}

varve_status vv_regex_match(vv_regex *regex, varve_text value, bool *out_matches,
                            varve_error *out_err)
{
    if (regex->simple.kind != VV_REGEX_ENGINE) {
        *out_matches = vv_regex_simple_match(&regex->simple, value);
        return VARVE_OK;
    }
    if (!vv_text_starts_with(value, regex->simple.prefix) || !vv_utf8_is_valid(value)) {
        *out_matches = false;
        return VARVE_OK;
    }
    PCRE2_SPTR subject = (PCRE2_SPTR)(value.size == 0 ? "" : value.data);
    int code = pcre2_match(regex->code, subject, value.size, 0, PCRE2_NO_UTF_CHECK,
                           regex->match_data, regex->match);
    if (code < 0 && code != PCRE2_ERROR_NOMATCH) {
        return regex_match_error(regex, code, out_err);
    }
    *out_matches = code >= 0;
    return VARVE_OK;
}

varve_status vv_regex_match_empty(vv_regex *regex, bool *out_matches, varve_error *out_err)
{
    return vv_regex_match(regex, VV_TEXT(""), out_matches, out_err);
}

/* ---- asking ---- */

vv_regex_kind vv_regex_kind_of(const vv_regex *regex)
{
    return regex->simple.kind;
}

bool vv_regex_set_of_literals(const vv_regex *regex, const varve_text **out_literals,
                              size_t *out_count)
{
    if (regex->simple.kind != VV_REGEX_LITERALS) {
        return false;
    }
    *out_literals = regex->simple.literals;
    *out_count = regex->simple.literal_count;
    return true;
}

varve_text vv_regex_prefix(const vv_regex *regex)
{
    return regex->simple.prefix;
}
