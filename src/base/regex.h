/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions of RE2's syntax, matched over the whole value (anchored at both ends), as
 * PromQL and label matchers have them. PCRE2 does the matching, within limits; what RE2 refuses is
 * refused before it sees the pattern. Simple patterns (literals, alternations of them, prefix,
 * suffix, contained part) never reach it.
 *
 * A vv_regex is movable: one thread at a time. '.' matches line feeds too.
 */
#ifndef VV_BASE_REGEX_H
#define VV_BASE_REGEX_H

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "varve.h"

#define VV_REGEX_PATTERN_BYTES_MAX 4096u
#define VV_REGEX_NESTING_MAX       100u
#define VV_REGEX_REPEAT_MAX        1000u
#define VV_REGEX_MATCH_STEPS_MAX   1000000u
#define VV_REGEX_HEAP_KIB_MAX      8192u
#define VV_REGEX_LITERALS_MAX      1024u

typedef struct vv_regex vv_regex;

/** What a pattern was found to be. All but VV_REGEX_ENGINE are decided without PCRE2. */
typedef enum vv_regex_kind {
    VV_REGEX_LITERALS, /* exactly one of a set of texts */
    VV_REGEX_ANY,      /* .* */
    VV_REGEX_NONEMPTY, /* .+ */
    VV_REGEX_PREFIX,   /* text.* or text.+ */
    VV_REGEX_SUFFIX,   /* .*text or .+text */
    VV_REGEX_CONTAINS, /* .*text.* and with + */
    VV_REGEX_ENGINE,
} vv_regex_kind;

/**
 * Compile. On success *out_regex is to be released with vv_regex_free; else NULL.
 * Errors: E_INVALID (syntax, or what RE2 refuses, with the position), E_LIMIT (size, nesting,
 * repeats), E_NOMEM.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_regex_create(varve_text pattern, vv_alloc *alloc,
                                                        vv_regex **out_regex, varve_error *out_err);

/** NULL is fine. */
void vv_regex_free(vv_regex *regex);

/**
 * Whether the whole value matches. A value that is not UTF-8 is matched by bytes by the simple
 * kinds and by nothing else. Errors: E_LIMIT, naming pattern and limit; E_NOMEM.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_regex_match(vv_regex *regex, varve_text value,
                                                       bool *out_matches, varve_error *out_err);

vv_regex_kind vv_regex_kind_of(const vv_regex *regex);

/**
 * True when the pattern matches exactly a finite set of texts, which an index looks up instead:
 * sorted by bytes, without duplicates, borrowed as long as the regex.
 */
bool vv_regex_set_of_literals(const vv_regex *regex, const varve_text **out_literals,
                              size_t *out_count);

/** A text that every match begins with; empty when none is known. Borrowed as long as the regex. */
varve_text vv_regex_prefix(const vv_regex *regex);

/** Whether the empty value matches, as absent labels do. Same errors as vv_regex_match. */
VV_MUST_CHECK varve_status vv_regex_match_empty(vv_regex *regex, bool *out_matches,
                                                varve_error *out_err);

#endif
