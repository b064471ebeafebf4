/* SPDX-License-Identifier: Apache-2.0 */

/* Where lines end (I1): the state machine for lines that lie in pieces, and for bad ones. */

#include "wire/influx_priv.h"

static uint32_t influx_step_fields(char c)
{
    switch (c) {
    case '\\':
        return INFLUX_AT_FIELDS_ESCAPE;
    case '=':
        return INFLUX_AT_EQUAL;
    case ' ':
        return INFLUX_AT_TIME;
    default:
        return INFLUX_AT_FIELDS;
    }
}

/** The state behind a byte that does not end the line. */
static uint32_t influx_step(uint32_t state, char c)
{
    switch (state) {
    case INFLUX_AT_START:
        if (c == ' ' || c == '\t') {
            return INFLUX_AT_START;
        }
        if (c == '#') {
            return INFLUX_AT_COMMENT;
        }
        return c == '\\' ? INFLUX_AT_KEY_ESCAPE : INFLUX_AT_KEY;
    case INFLUX_AT_KEY:
        if (c == ' ') {
            return INFLUX_AT_GAP;
        }
        return c == '\\' ? INFLUX_AT_KEY_ESCAPE : INFLUX_AT_KEY;
    case INFLUX_AT_KEY_ESCAPE:
        return INFLUX_AT_KEY;
    case INFLUX_AT_GAP:
        return c == ' ' ? INFLUX_AT_GAP : influx_step_fields(c);
    case INFLUX_AT_FIELDS:
        return influx_step_fields(c);
    case INFLUX_AT_FIELDS_ESCAPE:
        return INFLUX_AT_FIELDS;
    case INFLUX_AT_EQUAL:
        return c == '"' ? INFLUX_AT_STRING : influx_step_fields(c);
    case INFLUX_AT_STRING:
        if (c == '"') {
            return INFLUX_AT_FIELDS;
        }
        return c == '\\' ? INFLUX_AT_STRING_ESCAPE : INFLUX_AT_STRING;
    case INFLUX_AT_STRING_ESCAPE:
        return INFLUX_AT_STRING;
    default: /* comment, time: nothing but a line feed matters */
        return state;
    }
}

size_t vv_influx_scan(varve_text text, uint32_t *state)
{
    uint32_t now = *state;
    for (size_t index = 0; index < text.size; index++) {
        char c = text.data[index];
        if (c == '\n' && now != INFLUX_AT_STRING && now != INFLUX_AT_STRING_ESCAPE) {
            *state = INFLUX_AT_START;
            return index + 1;
        }
        now = influx_step(now, c);
    }
    *state = now;
    return SIZE_MAX;
}
