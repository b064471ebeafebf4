/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_SHELL_WORDS_H
#define VV_CLI_SHELL_WORDS_H

/*
 * A line of the shell as words. Quoting is that of other shells as far as people use it, and braces
 * hold a selector together, quotes and all:
 *
 *     query 'cpu{host="a b"}' --last 1h     query | cpu{host="a b"} | --last | 1h
 *     cpu{host="a b", dc!="x"} --last 1h    cpu{host="a b", dc!="x"} | --last | 1h
 *     a\ b "say \"hi\"" ''                  a b | say "hi" | (empty)
 *     metrics # and so on                   metrics
 *
 *     line   = { blank | word | "#" to the end, where a word could begin }
 *     word   = one or more of: plain byte, "\" and a byte, '...', "..." with \" and \\, braces
 *     braces = "{" { byte | string } "}"    as they stand; strings are those of selectors
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "varve.h"

#define VV_SHELL_LINE_BYTES_MAX (1024u * 1024u)
#define VV_SHELL_WORDS_MAX      1024u

typedef struct vv_shell_word {
    varve_text text; /* without its quotes; terminated; in the arena */
    char *chars;     /* the same, for who takes arguments as main() does */
    size_t begin;    /* where it stands in the line */
    size_t end;
    bool is_plain; /* without quotes, backslashes and braces */
} vv_shell_word;

typedef struct vv_shell_words {
    vv_shell_word *words;
    size_t count;
    char open;       /* ' " { or \ that nothing ends; 0: none. The last word then ends the line. */
    size_t open_at;  /* its offset */
    bool is_comment; /* the line ends in a comment */
} vv_shell_words;

/** For completion: what is still open is no mistake. Errors: E_LIMIT, E_NOMEM. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_shell_scan(varve_text line, vv_arena *arena,
                                                      vv_shell_words *out_words,
                                                      varve_error *out_err);

/** For running: E_INVALID "at 7: ...", counted in characters from 1, besides. A NUL is refused. */
VV_MUST_CHECK VV_UNTRUSTED varve_status vv_shell_split(varve_text line, vv_arena *arena,
                                                       vv_shell_words *out_words,
                                                       varve_error *out_err);

#endif
