/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_CLI_SCREEN_H
#define VV_CLI_SCREEN_H

/*
 * What standard output can show: how much of it, colours, characters beyond ASCII.
 */

#include "base/compiler.h"
#include "varve.h"

typedef struct vv_screen {
    size_t columns;   /* of the terminal; $COLUMNS, else 80, where there is none */
    size_t lines;     /* likewise; 24 */
    bool is_terminal; /* standard output */
    bool is_utf8;     /* by the locale of the environment */
    bool has_color;
} vv_screen;

/**
 * @param color  --color: "auto" (a terminal, NO_COLOR not set, TERM not "dumb"), "always", "never";
 *               NULL: auto. False for another word.
 */
VV_MUST_CHECK bool vv_screen_init(vv_screen *screen, const char *color);

#endif
