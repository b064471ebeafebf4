/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of base/regex: regex_scan.c refuses and translates, regex_simple.c finds what needs no
 * engine, regex.c holds the compiled pattern and is the only file that knows PCRE2.
 */
#ifndef VV_BASE_REGEX_PRIV_H
#define VV_BASE_REGEX_PRIV_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/regex.h"

/** What the scan learned by the way. */
typedef struct vv_regex_syntax {
    bool has_flags;           /* (?i) and the like: letters are not what they seem */
    bool has_quote;           /* \Q...\E */
    bool has_top_alternation; /* a | outside of all groups */
} vv_regex_syntax;

/**
 * Check that the pattern is RE2's, within the limits, and append what PCRE2 shall compile in its
 * place. Errors: E_INVALID, E_LIMIT, those of the buffer.
 */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_regex_scan(varve_text pattern, vv_buf *out_pcre,
                                                      vv_regex_syntax *out_syntax,
                                                      varve_error *out_err);

/** The character that the escape at *position (of its backslash) stands for; *position moves behind
 * it. False when it stands for something else or is none. */
VV_UNTRUSTED bool vv_regex_escaped_char(varve_text pattern, size_t *position,
                                        uint32_t *out_code_point);

/** What a pattern is without an engine. */
typedef struct vv_regex_simple {
    vv_regex_kind kind;
    varve_text *literals; /* LITERALS: sorted, distinct */
    size_t literal_count;
    varve_text part;       /* PREFIX, SUFFIX, CONTAINS */
    size_t front_size_min; /* bytes that must stand before part (.+) */
    size_t back_size_min;  /* bytes that must stand behind it */
    varve_text prefix;     /* every match begins with it */
} vv_regex_simple;

/** Classify a pattern that passed the scan; texts are in the arena. E_NOMEM. */
VV_MUST_CHECK varve_status vv_regex_simplify(varve_text pattern, const vv_regex_syntax *syntax,
                                             vv_arena *arena, vv_regex_simple *out_simple);

/** Whether the value matches; kind is not ENGINE. */
bool vv_regex_simple_match(const vv_regex_simple *simple, varve_text value);

#endif
