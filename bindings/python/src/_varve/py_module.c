/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The extension module varve._varve: types, and what belongs to no database. The package `varve`
 * gives them their faces: defaults, names of aggregations, NumPy and its kin.
 */

#include "py_varve.h"

PyTypeObject *vpy_type_add(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromSpec(spec);
    const char *dot = strrchr(spec->name, '.');
    if (type != NULL &&
        PyModule_AddObjectRef(module, dot == NULL ? spec->name : dot + 1, type) < 0) {
        Py_CLEAR(type);
    }
    return (PyTypeObject *)type;
}

static PyObject *module_close_all(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    Py_BEGIN_ALLOW_THREADS vpy_handle_close_all();
    Py_END_ALLOW_THREADS return Py_NewRef(Py_None);
}

static PyObject *module_after_fork(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    vpy_handle_after_fork();
    vpy_work_set_main();
    return Py_NewRef(Py_None);
}

static PyMethodDef module_methods[] = {
    {"restore", VPY_METHOD(vpy_restore), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("restore($module, /, snapshot, path, *, progress=None)\n--\n\nMake a database at "
               "path of a snapshot.")},
    {"close_all", module_close_all, METH_NOARGS, PyDoc_STR("Close every database; at exit.")},
    {"after_fork", module_after_fork, METH_NOARGS,
     PyDoc_STR("In a child: what the parent had open is dead.")},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "varve._varve",
    .m_doc = "The part of varve that is written in C; use the package varve.",
    .m_size = -1,
    .m_methods = module_methods,
};

PyMODINIT_FUNC PyInit__varve(void);

PyMODINIT_FUNC PyInit__varve(void)
{
    PyObject *module = PyModule_Create(&module_definition);
    if (module == NULL) {
        return NULL;
    }
    if (vpy_handle_module_init() < 0 || vpy_work_module_init() < 0 || vpy_errors_init(module) < 0 ||
        vpy_times_init() < 0 || vpy_histogram_init() < 0 || vpy_columns_init() < 0 ||
        vpy_write_init(module) < 0 || vpy_block_init(module) < 0 || vpy_cursor_init(module) < 0 ||
        vpy_database_init(module) < 0 ||
        PyModule_AddStringConstant(module, "version", varve_version()) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
