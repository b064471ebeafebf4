/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Selections: which series a call is about.
 *
 *     None                       all
 *     'cpu{host=~"a.*"}'         a selector
 *     ("cpu", {"host": "a"})     this one series; varve.Series is such a tuple
 *     a list of these            their union
 */

#include "py_varve.h"

static int select_add(vpy_selections *out, PyObject *item)
{
    varve_selection *selection = &out->items[out->count];
    vpy_labels *labels = &out->labels[out->count];
    labels->items = labels->inline_items;
    labels->objects = labels->inline_objects;
    out->count++;
    if (PyUnicode_Check(item)) {
        selection->kind = VARVE_SELECT_TEXT;
        return vpy_text_kept(item, "a selector", out->keep, &selection->text);
    }
    if (!PyTuple_Check(item) || PyTuple_Size(item) != 2) {
        PyErr_Format(PyExc_TypeError, "a selection must be a selector or (metric, labels), not %R",
                     (PyObject *)Py_TYPE(item));
        return -1;
    }
    selection->kind = VARVE_SELECT_EXACT;
    if (vpy_text_kept(PyTuple_GetItem(item, 0), "metric", out->keep, &selection->text) < 0 ||
        vpy_labels_from(PyTuple_GetItem(item, 1), labels) < 0) {
        return -1;
    }
    selection->labels = labels->items;
    selection->label_count = labels->count;
    return 0;
}

int vpy_selections_from(PyObject *object, vpy_selections *out_selections)
{
    memset(out_selections, 0, sizeof *out_selections);
    if (object == Py_None) {
        return 0;
    }
    PyObject *list = PyList_Check(object) ? PySequence_Tuple(object) : PyTuple_Pack(1, object);
    if (list == NULL) {
        return -1;
    }
    size_t count = (size_t)PyTuple_Size(list);
    int result = -1;
    out_selections->keep = PyList_New(0);
    out_selections->items = PyMem_Calloc(count + 1, sizeof *out_selections->items);
    out_selections->labels = PyMem_Calloc(count + 1, sizeof *out_selections->labels);
    if (out_selections->items == NULL || out_selections->labels == NULL) {
        PyErr_NoMemory();
    } else if (count == 0) {
        PyErr_SetString(PyExc_ValueError, "a list of selections is empty: None means all series");
    } else if (out_selections->keep != NULL) {
        result = 0;
    }
    for (size_t i = 0; result == 0 && i < count; i++) {
        result = select_add(out_selections, PyTuple_GetItem(list, (Py_ssize_t)i));
    }
    Py_DECREF(list);
    if (result < 0) {
        vpy_selections_deinit(out_selections);
    }
    return result;
}

void vpy_selections_deinit(vpy_selections *selections)
{
    for (size_t i = 0; i < selections->count; i++) {
        vpy_labels_deinit(&selections->labels[i]);
    }
    PyMem_Free(selections->items);
    PyMem_Free(selections->labels);
    Py_XDECREF(selections->keep);
    memset(selections, 0, sizeof *selections);
}
