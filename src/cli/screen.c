/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/screen.h"

#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "base/text.h"
#include "sys/signals.h"
#include "sys/terminal.h"

#define SCREEN_COLUMNS_DEFAULT 80u
#define SCREEN_LINES_DEFAULT   24u

static varve_text screen_variable(const char *name)
{
    return vv_text_from_string(getenv(name));
}

/** LC_ALL, LC_CTYPE and LANG, of which the first that is set and not empty holds. */
static bool screen_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < VV_ARRAY_COUNT(names); i++) {
        varve_text locale = screen_variable(names[i]);
        if (locale.size > 0) {
            varve_text encoding = vv_text_sub(locale, vv_text_find_char(locale, '.'), locale.size);
            encoding = vv_text_sub(encoding, 0, vv_text_find_char(encoding, '@'));
            return vv_text_equal_nocase(encoding, VV_TEXT(".utf-8")) ||
                   vv_text_equal_nocase(encoding, VV_TEXT(".utf8"));
        }
    }
    return false;
}

static void screen_size(vv_screen *screen)
{
    uint32_t columns = SCREEN_COLUMNS_DEFAULT;
    uint32_t lines = SCREEN_LINES_DEFAULT;
    uint64_t wanted;
    bool is_known = vv_terminal_size(1, &columns, &lines);
    screen->columns = columns;
    screen->lines = lines;
    if (!is_known && vv_text_parse_u64(screen_variable("COLUMNS"), &wanted) && wanted > 0 &&
        wanted < UINT16_MAX) {
        screen->columns = (size_t)wanted;
    }
}

bool vv_screen_init(vv_screen *screen, const char *color)
{
    bool is_auto = color == NULL || strcmp(color, "auto") == 0;
    bool is_always = !is_auto && strcmp(color, "always") == 0;
    *screen = (vv_screen){.is_terminal = vv_is_terminal(1), .is_utf8 = screen_is_utf8()};
    screen_size(screen);
    screen->has_color = is_always;
    if (is_auto) {
        screen->has_color = screen->is_terminal && screen_variable("NO_COLOR").size == 0 &&
                            !vv_text_equal(screen_variable("TERM"), VV_TEXT("dumb"));
    }
    return is_auto || is_always || strcmp(color, "never") == 0;
}
