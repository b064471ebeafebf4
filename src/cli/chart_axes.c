/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/chart_axes.h"

#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "base/civil.h"
#include "base/text.h"
#include "model/time_range.h"

/* Lines between two numbers, about: closer ones are hard to read. */
#define AXES_LINES_PER_TICK 3.0

/* Digits that a number shows. */
#define AXES_DIGITS 6

/* Most ticks of time. */
#define AXES_TIMES_MAX 32u

/* ---- numbers -------------------------------------------------------------------------------- */

/** 1, 2 or 5 times a power of ten, at least the value. */
static double axes_round_up(double value)
{
    double power = pow(10.0, floor(log10(value)));
    static const double factors[] = {1.0, 2.0, 5.0};
    for (size_t i = 0; i < VV_ARRAY_COUNT(factors); i++) {
        if (factors[i] * power >= value) {
            return factors[i] * power;
        }
    }
    return 10.0 * power;
}

void vv_chart_scale_init(vv_chart_scale *scale, double low, double high, size_t height)
{
    double most = fabs(low) > fabs(high) ? fabs(low) : fabs(high);
    /* Differences far below the numbers' own digits are none: the labels could not tell them. */
    if (!(high / 2 - low / 2 > most * 1e-12)) {
        double room = most > 0.0 ? most / 10.0 : 1.0;
        low -= room;
        high += room;
    }
    double ticks = (double)height / AXES_LINES_PER_TICK;
    double step = axes_round_up((high / 2 - low / 2) / (ticks > 1.0 ? ticks : 1.0) * 2);
    *scale = (vv_chart_scale){.bottom = floor(low / step) * step,
                              .top = ceil(high / step) * step,
                              .step = step,
                              .height = height};
    bool is_sound = isfinite(step) && isfinite(scale->bottom) && isfinite(scale->top) && step > 0.0;
    if (!is_sound) { /* the ends of what a double can hold: no round numbers there */
        *scale = (vv_chart_scale){
            .bottom = low, .top = high, .step = (double)INFINITY, .height = height};
    }
}

double vv_chart_scale_share(const vv_chart_scale *scale, double value)
{
    double span = scale->top / 2 - scale->bottom / 2; /* halves: the whole may not be finite */
    double share = (value / 2 - scale->bottom / 2) / span;
    return share < 0.0 ? 0.0 : share > 1.0 ? 1.0 : share;
}

/** The value that the middle of a line stands for. */
static double axes_line_value(const vv_chart_scale *scale, size_t line, size_t height)
{
    double share = height > 1 ? 1.0 - (double)line / (double)(height - 1) : 0.5;
    return scale->bottom * (1.0 - share) + scale->top * share;
}

bool vv_chart_scale_label(const vv_chart_scale *scale, size_t line, size_t height, char *target,
                          size_t capacity)
{
    double value = axes_line_value(scale, line, height);
    if (!isfinite(scale->step)) { /* both ends alone */
        vv_chart_number(target, capacity, value);
        return line == 0 || line + 1 == height;
    }
    double tick = round(value / scale->step) * scale->step;
    double share = vv_chart_scale_share(scale, tick);
    size_t nearest = (size_t)((1.0 - share) * (double)(height - 1) + 0.5);
    if (nearest != line || tick < scale->bottom - scale->step / 2 ||
        tick > scale->top + scale->step / 2) {
        return false;
    }
    vv_chart_number(target, capacity, fabs(tick) < scale->step / 2 ? 0.0 : tick);
    return true;
}

size_t vv_chart_scale_width(const vv_chart_scale *scale)
{
    size_t width = 1;
    for (size_t line = 0; line < scale->height; line++) {
        char label[VV_CHART_LABEL_BYTES];
        if (vv_chart_scale_label(scale, line, scale->height, label, sizeof label)) {
            width = strlen(label) > width ? strlen(label) : width;
        }
    }
    return width;
}

void vv_chart_number(char *target, size_t capacity, double value)
{
    char text[VV_TEXT_F64_BYTES_MAX];
    if (!isfinite(value)) {
        vv_text_format(target, capacity, "%s", isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
        return;
    }
    /* Rounded in decimal, so that 0.1 + 0.2 is 0.3. */
    double magnitude = value == 0.0 ? 0.0 : floor(log10(fabs(value)));
    double unit = pow(10.0, magnitude - AXES_DIGITS + 1);
    double rounded = value;
    if (unit > 1e-300 && isfinite(unit)) {
        rounded = unit < 1.0 ? round(value * pow(10.0, AXES_DIGITS - 1 - magnitude)) /
                                   pow(10.0, AXES_DIGITS - 1 - magnitude)
                             : round(value / unit) * unit;
    }
    rounded = isfinite(rounded) ? rounded : value;
    size_t size = vv_text_print_f64_plain(text, rounded);
    vv_text_format(target, capacity, "%.*s", (int)size, text);
}

/* ---- times ---------------------------------------------------------------------------------- */

/** Digits behind the second that tell times of such a distance apart. */
static uint32_t axes_digits(double step_ns)
{
    return step_ns >= 1e9 ? 0 : step_ns >= 1e6 ? 3 : step_ns >= 1e3 ? 6 : 9;
}

/* Steps between ticks, in seconds; below a second they are 1, 2 and 5 times a power of ten. */
static const int64_t axes_steps_s[] = {
    1,        2,        5,         10,        15,         30,         60,      120,
    300,      600,      900,       1800,      3600,       7200,       10800,   21600,
    43200,    86400,    172800,    604800,    1209600,    2419200,    7862400, 15724800,
    31536000, 63072000, 157680000, 315360000, 1576800000, 3153600000,
};

typedef enum axes_form { AXES_SECONDS, AXES_MINUTES, AXES_DAYS } axes_form;

/** How the times of ticks look. */
typedef struct axes_look {
    axes_form form;
    uint32_t digits; /* behind the second */
} axes_look;

/** How times look, by the step between them. */
static axes_form axes_form_of(double step_s)
{
    return step_s < 60.0 ? AXES_SECONDS : step_s < 86400.0 ? AXES_MINUTES : AXES_DAYS;
}

/** "03:04", "03:04:05", "03:04:05.250", "2026-01-02"; at midnight the day stands for the hour. */
static size_t axes_time(char *target, size_t capacity, int64_t ts, int64_t per_second,
                        const axes_look *look)
{
    axes_form form = look->form;
    char text[VV_TEXT_RFC3339_BYTES_MAX + 1];
    int64_t s = vv_floor_div_i64(ts, per_second);
    uint32_t ns = (uint32_t)(vv_floor_mod_i64(ts, per_second) * (1000000000 / per_second));
    text[vv_text_print_rfc3339_parts(text, s, ns, look->digits)] = '\0';
    const char *clock = strchr(text, 'T');
    int year = (int)(clock - text);
    int size = look->digits > 0 ? 9 + (int)look->digits : form == AXES_SECONDS ? 8 : 5;
    bool is_day = form == AXES_DAYS || (form == AXES_MINUTES && vv_floor_mod_i64(s, 86400) == 0);
    return is_day ? vv_text_format(target, capacity, "%.*s", form == AXES_DAYS ? year : 5,
                                   form == AXES_DAYS ? text : text + year - 5)
                  : vv_text_format(target, capacity, "%.*s", size, clock + 1);
}

/** Units between ticks such that labels of so many columns have room; 0: none. */
static int64_t axes_step(const vv_chart_times *times, int64_t per_second, axes_look *out_look)
{
    static const size_t label_columns[] = {
        [AXES_SECONDS] = 8, [AXES_MINUTES] = 5, [AXES_DAYS] = 10};
    double span = (double)times->last_ts - (double)times->first_ts;
    static const int64_t factors[] = {1, 2, 5};
    for (int64_t i = 0, power = 1; power < per_second; i++) {
        int64_t units = factors[i % 3] * power;
        power *= i % 3 == 2 ? 10 : 1;
        uint32_t digits = axes_digits((double)units * 1e9 / (double)per_second);
        if ((double)units / span * (double)times->width >= (double)digits + 12.0) {
            *out_look = (axes_look){.form = AXES_SECONDS, .digits = digits};
            return units;
        }
    }
    for (size_t i = 0; i < VV_ARRAY_COUNT(axes_steps_s); i++) {
        double step = (double)axes_steps_s[i] * (double)per_second;
        *out_look = (axes_look){.form = axes_form_of((double)axes_steps_s[i])};
        if (step / span * (double)times->width >= (double)label_columns[out_look->form] + 3.0 &&
            step < 9e18) {
            return axes_steps_s[i] * per_second;
        }
    }
    return 0;
}

/** Ticks as columns of the plot. */
static size_t axes_ticks(const vv_chart_times *times, int64_t step, int64_t ticks[AXES_TIMES_MAX],
                         size_t columns[AXES_TIMES_MAX])
{
    size_t count = 0;
    double span = (double)times->last_ts - (double)times->first_ts;
    int64_t tick = vv_sat_add_i64(times->first_ts, step - 1);
    tick = vv_sat_sub_i64(tick, vv_floor_mod_i64(tick, step));
    while (tick <= times->last_ts && count < AXES_TIMES_MAX) {
        double share = ((double)tick - (double)times->first_ts) / span;
        ticks[count] = tick;
        columns[count] = (size_t)(share * (double)(times->width - 1) + 0.5);
        count += 1;
        if (tick > INT64_MAX - step) {
            break;
        }
        tick += step;
    }
    return count;
}

static void axes_print_line(const vv_chart_times *times, const size_t *columns, size_t count,
                            vv_buf *out)
{
    size_t next = 0;
    vv_buf_append_fill(out, ' ', times->indent);
    vv_buf_append_text(out, times->is_utf8 ? VV_TEXT("└") : VV_TEXT("+"));
    for (size_t column = 0; column < times->width; column++) {
        bool has_tick = next < count && columns[next] == column;
        next += has_tick;
        if (times->is_utf8) {
            vv_buf_append_text(out, has_tick ? VV_TEXT("┬") : VV_TEXT("─"));
        } else {
            vv_buf_append_char(out, has_tick ? '+' : '-');
        }
    }
    vv_buf_append_char(out, '\n');
}

static void axes_print_labels(const vv_chart_times *times, const int64_t *ticks,
                              const size_t *columns, size_t count, const axes_look *look,
                              vv_buf *out)
{
    size_t at = 0; /* columns printed */
    int64_t per_second = vv_precision_per_second(times->precision);
    size_t end = times->indent + 1 + times->width;
    for (size_t i = 0; i < count; i++) {
        char text[VV_TEXT_RFC3339_BYTES_MAX + 1];
        size_t size = axes_time(text, sizeof text, ticks[i], per_second, look);
        size_t middle = times->indent + 1 + columns[i];
        size_t begin = middle > size / 2 ? middle - size / 2 : 0;
        begin = begin + size > end ? end - size : begin;
        if (at > 0 && begin < at + 1) {
            continue; /* no room */
        }
        vv_buf_append_fill(out, ' ', begin - at);
        vv_buf_append(out, text, size);
        at = begin + size;
    }
    vv_buf_append_char(out, '\n');
}

/** A time in full, or without its day where there is no room for that. */
static size_t axes_end(char *target, int64_t ts, int64_t per_second, uint32_t digits, size_t room)
{
    int64_t s = vv_floor_div_i64(ts, per_second);
    int64_t rest = vv_floor_mod_i64(ts, per_second);
    uint32_t ns = (uint32_t)(rest * (1000000000 / per_second));
    size_t size = vv_text_print_rfc3339_parts(target, s, ns, digits);
    size_t clock = vv_text_find_char(vv_text_make(target, size), 'T') + 1;
    if (size > room && clock < size) {
        memmove(target, target + clock, size - clock);
        size -= clock;
    }
    return size;
}

/** The first and the last time, in one line if that has room. */
static void axes_print_range(const vv_chart_times *times, vv_buf *out)
{
    char first[VV_TEXT_RFC3339_BYTES_MAX];
    char last[VV_TEXT_RFC3339_BYTES_MAX];
    int64_t per_second = vv_precision_per_second(times->precision);
    double span_ns =
        ((double)times->last_ts - (double)times->first_ts) * (1e9 / (double)per_second);
    /* A hundredth of the range is to be seen. */
    uint32_t digits = span_ns > 0.0 ? axes_digits(span_ns / 100.0) : 0;
    size_t columns = times->indent + 1 + times->width;
    size_t first_size = axes_end(first, times->first_ts, per_second, digits, columns);
    size_t last_size = axes_end(last, times->last_ts, per_second, digits, columns - 3);
    size_t wanted = first_size + 4 + last_size;
    bool has_room = wanted <= columns;
    size_t free_columns = has_room ? columns - wanted : 0;
    vv_buf_append_fill(out, ' ', free_columns > times->indent ? times->indent + 1 : free_columns);
    vv_buf_append(out, first, first_size);
    if (times->first_ts != times->last_ts) {
        vv_buf_append_text(out, has_room ? VV_TEXT(" to ") : VV_TEXT("\nto "));
        vv_buf_append(out, last, last_size);
    }
    vv_buf_append_char(out, '\n');
}

void vv_chart_print_times(const vv_chart_times *times, vv_buf *out)
{
    int64_t ticks[AXES_TIMES_MAX];
    size_t columns[AXES_TIMES_MAX];
    size_t count = 0;
    axes_look look = {.form = AXES_MINUTES};
    if (times->last_ts > times->first_ts) {
        int64_t step = axes_step(times, vv_precision_per_second(times->precision), &look);
        count = step > 0 ? axes_ticks(times, step, ticks, columns) : 0;
    }
    axes_print_line(times, columns, count, out);
    if (count > 0) {
        axes_print_labels(times, ticks, columns, count, &look, out);
    }
    axes_print_range(times, out);
}
