/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Arrow arrays of a caller ("The Arrow C data interface"), from the two capsules that
 * __arrow_c_array__ gives. The array is moved out of its capsule and released with the column.
 *
 *     g l L                 borrowed            f, smaller integers   converted
 *     u z                   borrowed (offsets)  U Z vu vz             texts made of them
 *     b                     a byte a value      null bitmap           copied, shifted by the offset
 *     ts?:  tD*             I64 with its unit   dictionary            codes checked by the engine
 *
 *   A1  The producer runs in this process and is trusted to give what its format says, as every
 *       consumer of this interface trusts it; lengths and offsets are checked for their sign.
 */

#include "py_varve.h"

typedef struct arrow_in {
    struct ArrowArray array;
    uint32_t *codes;  /* of our own */
    void *dictionary; /* values of it, of our own */
    uint64_t *dictionary_present;
} arrow_in;

void vpy_arrow_release(void *arrow)
{
    arrow_in *in = arrow;
    if (in == NULL) {
        return;
    }
    if (in->array.release != NULL) {
        in->array.release(&in->array);
    }
    free(in->codes);
    free(in->dictionary);
    free(in->dictionary_present);
    free(in);
}

static void *arrow_in_new(size_t count, size_t size)
{
    void *memory = calloc(count == 0 ? 1 : count, size);
    if (memory == NULL) {
        PyErr_NoMemory();
    }
    return memory;
}

static bool arrow_in_bit(const uint8_t *bits, int64_t index)
{
    return ((bits[index / 8] >> (index % 8)) & 1) != 0;
}

static int arrow_in_present(const struct ArrowArray *array, uint64_t **out_present)
{
    *out_present = NULL;
    const uint8_t *bits = array->n_buffers > 0 ? array->buffers[0] : NULL;
    if (bits == NULL || array->null_count == 0) {
        return 0;
    }
    uint64_t *present = arrow_in_new(vpy_bit_words((size_t)array->length), sizeof *present);
    if (present == NULL) {
        return -1;
    }
    for (int64_t i = 0; i < array->length; i++) {
        if (arrow_in_bit(bits, array->offset + i)) {
            present[i / 64] |= UINT64_C(1) << (i % 64);
        }
    }
    *out_present = present;
    return 0;
}

/** Integers and floats that are not 8 bytes wide; `format` is Arrow's. */
static int arrow_in_widen(const struct ArrowArray *array, char format, void **out_values)
{
    int64_t *integers = arrow_in_new((size_t)array->length, sizeof *integers);
    if (integers == NULL) {
        return -1;
    }
    double *doubles = (double *)(void *)integers;
    const void *values = array->buffers[1];
    for (int64_t i = 0; i < array->length; i++) {
        int64_t at = array->offset + i;
        switch (format) {
        case 'c':
            integers[i] = ((const int8_t *)values)[at];
            break;
        case 'C':
            integers[i] = ((const uint8_t *)values)[at];
            break;
        case 's':
            integers[i] = ((const int16_t *)values)[at];
            break;
        case 'S':
            integers[i] = ((const uint16_t *)values)[at];
            break;
        case 'i':
            integers[i] = ((const int32_t *)values)[at];
            break;
        case 'I':
            integers[i] = ((const uint32_t *)values)[at];
            break;
        default:
            doubles[i] = (double)((const float *)values)[at];
            break;
        }
    }
    *out_values = integers;
    return 0;
}

static int arrow_in_bools(const struct ArrowArray *array, void **out_values)
{
    uint8_t *values = arrow_in_new((size_t)array->length, 1);
    if (values == NULL) {
        return -1;
    }
    for (int64_t i = 0; i < array->length; i++) {
        values[i] = arrow_in_bit(array->buffers[1], array->offset + i) ? 1 : 0;
    }
    *out_values = values;
    return 0;
}

/** Views: 4 bytes of length, then the bytes, or prefix, buffer and offset. */
static varve_text arrow_in_view(const struct ArrowArray *array, int64_t at)
{
    const uint8_t *view = (const uint8_t *)array->buffers[1] + 16 * at;
    int32_t size, buffer, offset;
    memcpy(&size, view, sizeof size);
    memcpy(&buffer, view + 8, sizeof buffer);
    memcpy(&offset, view + 12, sizeof offset);
    if (size <= 12) {
        return (varve_text){.data = (const char *)view + 4, .size = (size_t)size};
    }
    return (varve_text){.data = (const char *)array->buffers[2 + buffer] + offset,
                        .size = (size_t)size};
}

/** Texts of 64-bit offsets and of views. */
static int arrow_in_texts(const struct ArrowArray *array, bool is_view, void **out_values)
{
    varve_text *texts = arrow_in_new((size_t)array->length, sizeof *texts);
    if (texts == NULL) {
        return -1;
    }
    const uint8_t *bits = array->buffers[0];
    for (int64_t i = 0; i < array->length; i++) {
        int64_t at = array->offset + i;
        if (bits != NULL && array->null_count != 0 && !arrow_in_bit(bits, at)) {
            continue;
        }
        if (is_view) {
            texts[i] = arrow_in_view(array, at);
        } else {
            const int64_t *offsets = array->buffers[1];
            texts[i] = (varve_text){.data = (const char *)array->buffers[2] + offsets[at],
                                    .size = (size_t)(offsets[at + 1] - offsets[at])};
        }
    }
    *out_values = texts;
    return 0;
}

/** A column of an array without dictionary; *out_own is memory to free, or NULL. */
static int arrow_in_plain(const struct ArrowArray *array, const char *format, varve_column *column,
                          void **out_own)
{
    *out_own = NULL;
    char first = format[0];
    if (first == 'n') {
        column->type = VARVE_TYPE_NONE;
        return 0;
    }
    if (array->n_buffers < 2) {
        PyErr_SetString(PyExc_TypeError, "an Arrow array has no buffers");
        return -1;
    }
    if (format[0] == 't' || (format[1] == '\0' && strchr("glL", first) != NULL)) {
        column->type = first == 'g'   ? VARVE_TYPE_F64
                       : first == 'L' ? VARVE_TYPE_U64
                                      : VARVE_TYPE_I64;
        static const uint64_t nothing;
        const uint64_t *values = array->buffers[1];
        column->values = values == NULL ? &nothing : values + array->offset;
        return 0;
    }
    int result = -1;
    if (format[1] == '\0' && strchr("cCsSiIf", first) != NULL) {
        column->type = first == 'f'                   ? VARVE_TYPE_F64
                       : strchr("CSI", first) != NULL ? VARVE_TYPE_U64
                                                      : VARVE_TYPE_I64;
        result = arrow_in_widen(array, first, out_own);
        column->values = *out_own;
    } else if (format[1] == '\0' && first == 'b') {
        column->type = VARVE_TYPE_BOOL;
        result = arrow_in_bools(array, out_own);
        column->values = *out_own;
    } else if (format[1] == '\0' && (first == 'u' || first == 'z') && array->n_buffers >= 3) {
        column->type = first == 'u' ? VARVE_TYPE_STRING : VARVE_TYPE_BYTES;
        static const int32_t no_offsets[1];
        const int32_t *offsets = array->buffers[1];
        column->offsets = offsets == NULL ? no_offsets : offsets + array->offset;
        column->values = array->buffers[2];
        result = 0;
    } else if ((first == 'U' || first == 'Z') && array->n_buffers >= 3) {
        column->type = first == 'U' ? VARVE_TYPE_STRING : VARVE_TYPE_BYTES;
        result = arrow_in_texts(array, false, out_own);
        column->values = *out_own;
    } else if (first == 'v' && (format[1] == 'u' || format[1] == 'z')) {
        column->type = format[1] == 'u' ? VARVE_TYPE_STRING : VARVE_TYPE_BYTES;
        result = arrow_in_texts(array, true, out_own);
        column->values = *out_own;
    } else {
        PyErr_Format(PyExc_TypeError, "an Arrow column of format \"%s\" is none that varve stores",
                     format);
    }
    return result;
}

static int arrow_in_codes(arrow_in *in, char format)
{
    const struct ArrowArray *array = &in->array;
    if (strchr("cCsSiIlL", format) == NULL || array->n_buffers < 2) {
        PyErr_SetString(PyExc_TypeError, "an Arrow dictionary must be coded by integers");
        return -1;
    }
    in->codes = arrow_in_new((size_t)array->length, sizeof *in->codes);
    void *wide = NULL;
    int result = in->codes == NULL ? -1 : 0;
    if (result == 0 && strchr("lL", format) == NULL) {
        result = arrow_in_widen(array, format, &wide);
    }
    const int64_t *indexes =
        wide != NULL ? wide : (const int64_t *)array->buffers[1] + array->offset;
    for (int64_t i = 0; result == 0 && i < array->length; i++) {
        /* What is out of range stays out of range: the engine refuses it where a row has it. */
        bool fits = indexes[i] >= 0 && indexes[i] < UINT32_MAX;
        in->codes[i] = fits ? (uint32_t)indexes[i] : UINT32_MAX;
    }
    free(wide);
    return result;
}

static int arrow_in_dictionary(arrow_in *in, const struct ArrowSchema *schema, vpy_column *column)
{
    const struct ArrowArray *values = in->array.dictionary;
    if (values == NULL || schema->dictionary->format == NULL || values->length < 0) {
        PyErr_SetString(PyExc_TypeError, "an Arrow dictionary has no values");
        return -1;
    }
    if (arrow_in_codes(in, schema->format[0]) < 0 ||
        arrow_in_plain(values, schema->dictionary->format, &column->dictionary, &in->dictionary) <
            0 ||
        arrow_in_present(values, &in->dictionary_present) < 0) {
        return -1;
    }
    column->dictionary.present = in->dictionary_present;
    if (column->dictionary.type == VARVE_TYPE_NONE) {
        return 0;
    }
    column->column.type = column->dictionary.type;
    column->column.codes = in->codes;
    column->column.dictionary = &column->dictionary; /* the column does not move */
    column->column.dictionary_count = (size_t)values->length;
    return 0;
}

/** Nanoseconds of a timestamp's unit; 0: no timestamp; -1: one that varve does not take. */
static int64_t arrow_in_unit_ns(const char *format)
{
    if (format[0] != 't') {
        return 0;
    }
    if (format[1] != 's' && format[1] != 'D') {
        return -1;
    }
    switch (format[2]) {
    case 's':
        return 1000000000;
    case 'm':
        return format[1] == 'D' ? -1 : 1000000;
    case 'u':
        return format[1] == 'D' ? -1 : 1000;
    case 'n':
        return format[1] == 'D' ? -1 : 1;
    default:
        return -1;
    }
}

static int arrow_in_fill(arrow_in *in, const struct ArrowSchema *schema, vpy_column *column,
                         int64_t *out_unit_ns)
{
    const struct ArrowArray *array = &in->array;
    *out_unit_ns = arrow_in_unit_ns(schema->format);
    if (*out_unit_ns < 0) {
        PyErr_Format(PyExc_TypeError, "an Arrow column of format \"%s\" is none that varve stores",
                     schema->format);
        return -1;
    }
    if (array->length < 0 || array->offset < 0 || array->n_buffers < 0) {
        PyErr_SetString(PyExc_ValueError, "an Arrow array has a length below 0");
        return -1;
    }
    column->rows = (size_t)array->length;
    if (arrow_in_present(array, &column->present) < 0) {
        return -1;
    }
    column->column.present = column->present;
    if (schema->dictionary != NULL) {
        return arrow_in_dictionary(in, schema, column);
    }
    return arrow_in_plain(array, schema->format, &column->column, &column->values);
}

/** Move an array into a column. */
static int arrow_in_take(const struct ArrowSchema *schema, struct ArrowArray *array,
                         vpy_column *out_column, int64_t *out_unit_ns)
{
    arrow_in *in = arrow_in_new(1, sizeof *in);
    if (in == NULL) {
        return -1;
    }
    in->array = *array; /* moved: its giver has nothing left to release */
    array->release = NULL;
    out_column->arrow = in;
    return arrow_in_fill(in, schema, out_column, out_unit_ns);
}

int vpy_arrow_import(PyObject *schema_capsule, PyObject *array_capsule, vpy_column *out_column,
                     int64_t *out_unit_ns)
{
    const struct ArrowSchema *schema = PyCapsule_GetPointer(schema_capsule, "arrow_schema");
    struct ArrowArray *array =
        schema == NULL ? NULL : PyCapsule_GetPointer(array_capsule, "arrow_array");
    if (array == NULL) {
        return -1;
    }
    if (array->release == NULL || schema->release == NULL || schema->format == NULL) {
        PyErr_SetString(PyExc_ValueError, "an Arrow array was released already");
        return -1;
    }
    return arrow_in_take(schema, array, out_column, out_unit_ns);
}

static int arrow_in_raise(struct ArrowArrayStream *stream)
{
    const char *message = stream->get_last_error(stream);
    PyErr_Format(PyExc_ValueError, "an Arrow stream failed: %s",
                 message == NULL ? "no reason given" : message);
    return -1;
}

int vpy_arrow_import_stream(PyObject *capsule, vpy_column *out_column, int64_t *out_unit_ns)
{
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
    if (stream == NULL) {
        return -1;
    }
    if (stream->release == NULL) {
        PyErr_SetString(PyExc_ValueError, "an Arrow stream was released already");
        return -1;
    }
    struct ArrowSchema schema = {0};
    struct ArrowArray array = {0}, second = {0};
    int result = -1;
    if (stream->get_schema(stream, &schema) != 0 || stream->get_next(stream, &array) != 0 ||
        (array.release != NULL && stream->get_next(stream, &second) != 0)) {
        result = arrow_in_raise(stream);
    } else if (second.release != NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "an Arrow stream of a column has several arrays: join them");
    } else if (array.release == NULL || schema.format == NULL) {
        *out_unit_ns = 0; /* no rows, whatever their type */
        result = 0;
    } else {
        result = arrow_in_take(&schema, &array, out_column, out_unit_ns);
    }
    if (second.release != NULL) {
        second.release(&second);
    }
    if (array.release != NULL) {
        array.release(&array);
    }
    if (schema.release != NULL) {
        schema.release(&schema);
    }
    return result;
}
