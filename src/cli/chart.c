/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Collecting points, and turning them into a grid of cells; cli/chart_axes.c has the ticks and
 * their texts.
 */

#include "cli/chart.h"

#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/status.h"
#include "base/text.h"
#include "base/utf8.h"
#include "cli/chart_axes.h"
#include "cli/text_width.h"

#define CHART_NAMES_BYTES_MAX (1024u * 1024u)

/* A name keeps this much of its line, or all of it. */
#define CHART_NAME_COLUMNS 8u

/* Marks of series where dots cannot tell them apart. */
static const char chart_marks[] = "*+ox#@%&abcdefgh";

/* ANSI colours that show on dark and light grounds. */
static const unsigned chart_colors[] = {36, 33, 35, 32, 34, 31, 96, 93, 95, 92, 94, 91};

typedef struct chart_series {
    size_t name_begin;
    size_t name_size;
    double low; /* of the finite values */
    double high;
    double last; /* of the newest point */
    int64_t last_ts;
    uint64_t count; /* of finite values */
} chart_series;

typedef struct chart_point {
    int64_t timestamp;
    double value;
    size_t series;
} chart_point;

/** The drawing under way. */
typedef struct chart_canvas {
    const vv_chart_style *style;
    bool has_dots;      /* braille; else marks */
    size_t label_width; /* columns of the numbers beside it; 0: there is no room for them */
    size_t width;       /* cells of the plot */
    size_t height;
    size_t across; /* dots */
    size_t down;
    int64_t first_ts;
    int64_t last_ts;
    vv_chart_scale scale;
    uint8_t *dots;  /* of each cell, as braille counts them; marks: not 0 where there is one */
    uint8_t *owner; /* series + 1 that drew last */
} chart_canvas;

/* ---- collecting ----------------------------------------------------------------------------- */

void vv_chart_init(vv_chart *chart, vv_alloc *alloc)
{
    *chart = (vv_chart){.alloc = alloc};
    vv_buf_init(&chart->names, alloc, CHART_NAMES_BYTES_MAX);
    vv_vec_init(&chart->series, alloc, sizeof(chart_series), VV_CHART_SERIES_MAX);
    vv_vec_init(&chart->points, alloc, sizeof(chart_point), VV_CHART_POINTS_MAX);
}

void vv_chart_deinit(vv_chart *chart)
{
    vv_vec_deinit(&chart->points);
    vv_vec_deinit(&chart->series);
    vv_buf_deinit(&chart->names);
}

static varve_text chart_name(const vv_chart *chart, size_t index)
{
    const chart_series *series = VV_VEC_AT(&chart->series, chart_series, index);
    return vv_text_sub(vv_buf_text(&chart->names), series->name_begin, series->name_size);
}

varve_status vv_chart_series(vv_chart *chart, varve_text name, varve_error *out_err)
{
    for (size_t i = chart->series.count; i > 0; i--) {
        if (vv_text_equal(chart_name(chart, i - 1), name)) {
            chart->current = i - 1;
            return VARVE_OK;
        }
    }
    chart->current = chart->series.count;
    if (chart->series.count == VV_CHART_SERIES_MAX) {
        uint64_t hash = vv_hash64(name.data, name.size, 0);
        chart->left_out += hash != chart->last_unseen || chart->left_out == 0;
        chart->last_unseen = hash;
        return VARVE_OK;
    }
    chart_series series = {.name_begin = chart->names.size,
                           .name_size = name.size,
                           .low = (double)INFINITY,
                           .high = -(double)INFINITY,
                           .last_ts = INT64_MIN};
    VV_IGNORE(vv_buf_append_text(&chart->names, name)); /* sticky */
    VV_TRY(vv_buf_check(&chart->names, out_err));
    varve_status status = vv_vec_push(&chart->series, &series);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(&chart->series, status, out_err);
}

varve_status vv_chart_point(vv_chart *chart, int64_t timestamp, double value, varve_error *out_err)
{
    if (chart->current >= chart->series.count) {
        return VARVE_OK; /* of a series that is left out */
    }
    chart_series *series = VV_VEC_AT(&chart->series, chart_series, chart->current);
    if (isfinite(value)) {
        series->low = value < series->low ? value : series->low;
        series->high = value > series->high ? value : series->high;
        series->count += 1;
    }
    if (timestamp >= series->last_ts) {
        series->last_ts = timestamp;
        series->last = value;
    }
    chart_point point = {.timestamp = timestamp, .value = value, .series = chart->current};
    varve_status status = vv_vec_push(&chart->points, &point);
    return status == VARVE_OK ? VARVE_OK : vv_vec_fail(&chart->points, status, out_err);
}

static int chart_compare(const void *a, const void *b)
{
    const chart_point *one = a;
    const chart_point *two = b;
    if (one->series != two->series) {
        return one->series < two->series ? -1 : 1;
    }
    return (one->timestamp > two->timestamp) - (one->timestamp < two->timestamp);
}

static int chart_compare_steps(const void *a, const void *b)
{
    const uint64_t *one = a;
    const uint64_t *two = b;
    return (*one > *two) - (*one < *two);
}

/* ---- cells ---------------------------------------------------------------------------------- */

static void chart_dot(chart_canvas *canvas, size_t x, size_t y, size_t series)
{
    /* Bits of a braille cell, by line and column. */
    static const uint8_t bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    size_t cell_x = canvas->has_dots ? x / 2 : x;
    size_t cell_y = canvas->has_dots ? y / 4 : y;
    size_t cell = cell_y * canvas->width + cell_x;
    canvas->dots[cell] |= canvas->has_dots ? bits[y % 4][x % 2] : 1;
    canvas->owner[cell] = (uint8_t)(series + 1);
}

static size_t chart_x(const chart_canvas *canvas, int64_t timestamp)
{
    double span = (double)canvas->last_ts - (double)canvas->first_ts;
    if (!(span > 0.0)) {
        return canvas->across / 2;
    }
    double share = ((double)timestamp - (double)canvas->first_ts) / span;
    share = share < 0.0 ? 0.0 : share > 1.0 ? 1.0 : share;
    return (size_t)(share * (double)(canvas->across - 1) + 0.5);
}

/** Counted from the top. */
static size_t chart_y(const chart_canvas *canvas, double value)
{
    double share = vv_chart_scale_share(&canvas->scale, value);
    return (size_t)((1.0 - share) * (double)(canvas->down - 1) + 0.5);
}

/** A straight line of dots, ends included: Bresenham's. */
static void chart_line(chart_canvas *canvas, size_t x0, size_t y0, size_t x1, size_t y1,
                       size_t series)
{
    long dx = (long)x1 - (long)x0;
    long dy = (long)y1 - (long)y0;
    long step_y = dy < 0 ? -1 : 1;
    long drop = dy < 0 ? dy : -dy;
    long error = dx + drop;
    long x = (long)x0;
    long y = (long)y0;
    for (;;) { /* time goes to the right: dx is not negative */
        chart_dot(canvas, (size_t)x, (size_t)y, series);
        if (x == (long)x1 && y == (long)y1) {
            return;
        }
        long twice = 2 * error;
        if (twice >= drop && x < (long)x1) {
            error += drop;
            x += 1;
        }
        if (twice <= dx && y != (long)y1) {
            error += dx;
            y += step_y;
        }
    }
}

/** A pause longer than this is a gap; UINT64_MAX: none is. */
static varve_status chart_gap(const vv_chart *chart, const chart_point *points, size_t count,
                              uint64_t *out_gap, varve_error *out_err)
{
    vv_vec steps;
    *out_gap = UINT64_MAX;
    if (count < 4) {
        return VARVE_OK;
    }
    vv_vec_init(&steps, chart->alloc, sizeof(uint64_t), VV_CHART_POINTS_MAX);
    varve_status status = VARVE_OK;
    for (size_t i = 1; i < count && status == VARVE_OK; i++) {
        uint64_t step = (uint64_t)points[i].timestamp - (uint64_t)points[i - 1].timestamp;
        status = vv_vec_push(&steps, &step);
    }
    if (status == VARVE_OK) {
        qsort(steps.items, steps.count, sizeof(uint64_t), chart_compare_steps);
        uint64_t median = *VV_VEC_AT(&steps, uint64_t, steps.count / 2);
        *out_gap = median > 0 && median < UINT64_MAX / VV_CHART_GAP_STEPS
                       ? median * VV_CHART_GAP_STEPS
                       : UINT64_MAX;
    } else {
        VV_IGNORE(vv_vec_fail(&steps, status, out_err)); /* for the sentence */
    }
    vv_vec_deinit(&steps);
    return status;
}

static varve_status chart_plot(const vv_chart *chart, chart_canvas *canvas,
                               const chart_point *points, size_t count, varve_error *out_err)
{
    uint64_t gap;
    bool is_joined = false;
    size_t last_x = 0;
    size_t last_y = 0;
    VV_TRY(chart_gap(chart, points, count, &gap, out_err));
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(points[i].value)) {
            is_joined = false;
            continue;
        }
        size_t x = chart_x(canvas, points[i].timestamp);
        size_t y = chart_y(canvas, points[i].value);
        if (is_joined && (uint64_t)points[i].timestamp - (uint64_t)points[i - 1].timestamp <= gap) {
            chart_line(canvas, last_x, last_y, x, y, points[i].series);
        } else {
            chart_dot(canvas, x, y, points[i].series);
        }
        last_x = x;
        last_y = y;
        is_joined = true;
    }
    return VARVE_OK;
}

static varve_status chart_plot_all(vv_chart *chart, chart_canvas *canvas, varve_error *out_err)
{
    const chart_point *points = VV_VEC_ITEMS(&chart->points, chart_point);
    size_t begin = 0;
    while (begin < chart->points.count) {
        size_t end = begin;
        while (end < chart->points.count && points[end].series == points[begin].series) {
            end += 1;
        }
        VV_TRY(chart_plot(chart, canvas, points + begin, end - begin, out_err));
        begin = end;
    }
    return VARVE_OK;
}

/* ---- printing ------------------------------------------------------------------------------- */

static void chart_paint(const chart_canvas *canvas, vv_buf *out, size_t series)
{
    if (canvas->style->has_color) {
        vv_buf_append_format(out, "\033[%um", chart_colors[series % VV_ARRAY_COUNT(chart_colors)]);
    }
}

static void chart_unpaint(const chart_canvas *canvas, vv_buf *out)
{
    if (canvas->style->has_color) {
        vv_buf_append_text(out, VV_TEXT("\033[0m"));
    }
}

static void chart_print_cell(const chart_canvas *canvas, vv_buf *out, size_t cell)
{
    char text[4];
    if (!canvas->has_dots) {
        vv_buf_append_char(out, chart_marks[(size_t)(canvas->owner[cell] - 1)]);
        return;
    }
    vv_buf_append(out, text, vv_utf8_write(text, 0x2800u + canvas->dots[cell]));
}

/** The cells of a line, up to the last that is not empty. */
static void chart_print_cells(const chart_canvas *canvas, vv_buf *out, size_t line)
{
    const uint8_t *owner = canvas->owner + line * canvas->width;
    size_t end = canvas->width;
    uint8_t painted = 0;
    while (end > 0 && owner[end - 1] == 0) {
        end -= 1;
    }
    for (size_t i = 0; i < end; i++) {
        if (owner[i] != painted && owner[i] != 0) {
            chart_paint(canvas, out, (size_t)owner[i] - 1);
            painted = owner[i];
        }
        if (owner[i] == 0) {
            vv_buf_append_char(out, ' ');
        } else {
            chart_print_cell(canvas, out, line * canvas->width + i);
        }
    }
    if (painted != 0) {
        chart_unpaint(canvas, out);
    }
    vv_buf_append_char(out, '\n');
}

static void chart_print_lines(const chart_canvas *canvas, vv_buf *out)
{
    for (size_t line = 0; line < canvas->height; line++) {
        char label[VV_CHART_LABEL_BYTES];
        bool has_tick =
            vv_chart_scale_label(&canvas->scale, line, canvas->height, label, sizeof label);
        varve_text text = vv_text_from_string(has_tick && canvas->label_width > 0 ? label : "");
        vv_buf_append_fill(out, ' ', canvas->label_width - text.size);
        vv_buf_append_text(out, text);
        if (canvas->style->is_utf8) {
            vv_buf_append_text(out, has_tick ? VV_TEXT(" ┤") : VV_TEXT(" │"));
        } else {
            vv_buf_append_text(out, has_tick ? VV_TEXT(" +") : VV_TEXT(" |"));
        }
        chart_print_cells(canvas, out, line);
    }
}

static void chart_print_number(vv_buf *out, const char *what, double value)
{
    char text[VV_CHART_LABEL_BYTES];
    vv_chart_number(text, sizeof text, value);
    vv_buf_append_format(out, "  %s %s", what, text);
}

/** A line for each series: its colour or mark, its name as far as it fits, its figures. */
static void chart_print_legend(const vv_chart *chart, const chart_canvas *canvas, vv_buf *out)
{
    for (size_t i = 0; i < chart->series.count; i++) {
        const chart_series *series = VV_VEC_AT(&chart->series, chart_series, i);
        vv_buf figures;
        vv_buf_init(&figures, chart->alloc, CHART_NAMES_BYTES_MAX);
        if (series->count > 0) {
            chart_print_number(&figures, "min", series->low);
            chart_print_number(&figures, "max", series->high);
            chart_print_number(&figures, "last", series->last);
        } else {
            vv_buf_append_text(&figures, VV_TEXT("  no numbers"));
        }
        size_t room = canvas->style->columns - 2;
        if (figures.size + CHART_NAME_COLUMNS > room) { /* the name comes first */
            vv_buf_reset(&figures);
        }
        room -= figures.size;
        varve_text name = chart_name(chart, i);
        bool is_cut = vv_text_width(name) > room;
        chart_paint(canvas, out, i);
        if (canvas->has_dots) {
            vv_buf_append_text(out, VV_TEXT("━ "));
        } else {
            vv_buf_append_char(out, chart_marks[i]);
            vv_buf_append_char(out, ' ');
        }
        chart_unpaint(canvas, out);
        vv_buf_append_text(out, vv_text_width_cut(name, is_cut && room > 3 ? room - 3 : room));
        vv_buf_append_text(out, is_cut && room > 3 ? VV_TEXT("...") : VV_TEXT(""));
        vv_buf_append_text(out, vv_buf_text(&figures));
        vv_buf_append_char(out, '\n');
        vv_buf_deinit(&figures);
    }
    if (chart->left_out > 0) {
        vv_buf_append_format(out, "  and %llu series more, left out\n",
                             (unsigned long long)chart->left_out);
    }
}

/* ---- the whole ------------------------------------------------------------------------------ */

static size_t chart_bound(size_t value, size_t low, size_t high)
{
    return value < low ? low : value > high ? high : value;
}

/** Ranges of both axes; false when there is no finite value. */
static bool chart_measure(const vv_chart *chart, chart_canvas *canvas)
{
    const chart_point *points = VV_VEC_ITEMS(&chart->points, chart_point);
    double low = (double)INFINITY;
    double high = -(double)INFINITY;
    canvas->first_ts = INT64_MAX;
    canvas->last_ts = INT64_MIN;
    for (size_t i = 0; i < chart->points.count; i++) {
        int64_t ts = points[i].timestamp;
        canvas->first_ts = ts < canvas->first_ts ? ts : canvas->first_ts;
        canvas->last_ts = ts > canvas->last_ts ? ts : canvas->last_ts;
        if (isfinite(points[i].value)) {
            low = points[i].value < low ? points[i].value : low;
            high = points[i].value > high ? points[i].value : high;
        }
    }
    if (low > high) {
        return false;
    }
    vv_chart_scale_init(&canvas->scale, low, high, canvas->height);
    return true;
}

static varve_status chart_draw_on(vv_chart *chart, chart_canvas *canvas, vv_buf *out,
                                  varve_error *out_err)
{
    size_t label_width = vv_chart_scale_width(&canvas->scale);
    canvas->label_width = 2 * (label_width + 2) > canvas->style->columns ? 0 : label_width;
    canvas->width = canvas->style->columns - canvas->label_width - 2;
    canvas->across = canvas->has_dots ? canvas->width * 2 : canvas->width;
    canvas->down = canvas->has_dots ? canvas->height * 4 : canvas->height;
    vv_buf cells;
    size_t count = canvas->width * canvas->height;
    vv_buf_init(&cells, chart->alloc, SIZE_MAX);
    vv_buf_append_fill(&cells, 0, 2 * count);
    varve_status status = vv_buf_check(&cells, out_err);
    if (status == VARVE_OK) {
        canvas->dots = cells.data;
        canvas->owner = cells.data + count;
        status = chart_plot_all(chart, canvas, out_err);
    }
    if (status == VARVE_OK) {
        vv_chart_times times = {.first_ts = canvas->first_ts,
                                .last_ts = canvas->last_ts,
                                .precision = canvas->style->precision,
                                .indent = canvas->label_width + 1,
                                .width = canvas->width,
                                .is_utf8 = canvas->style->is_utf8};
        chart_print_lines(canvas, out);
        vv_chart_print_times(&times, out);
        chart_print_legend(chart, canvas, out);
        status = vv_buf_check(out, out_err);
    }
    vv_buf_deinit(&cells);
    return status;
}

varve_status vv_chart_draw(vv_chart *chart, const vv_chart_style *style, vv_buf *out,
                           varve_error *out_err)
{
    vv_chart_style bounded = *style;
    bounded.columns = chart_bound(style->columns, VV_CHART_COLUMNS_MIN, VV_CHART_COLUMNS_MAX);
    bounded.lines = chart_bound(style->lines, VV_CHART_LINES_MIN, VV_CHART_LINES_MAX);
    chart_canvas canvas = {
        .style = &bounded,
        .height = bounded.lines,
        .has_dots = style->is_utf8 && (style->has_color || chart->series.count == 1),
    };
    if (chart->points.count > 0) {
        qsort(chart->points.items, chart->points.count, sizeof(chart_point), chart_compare);
    }
    if (!chart_measure(chart, &canvas)) {
        VV_IGNORE(vv_buf_append_text(out, VV_TEXT("no numbers to draw\n"))); /* sticky */
        return vv_buf_check(out, out_err);
    }
    return chart_draw_on(chart, &canvas, out, out_err);
}
