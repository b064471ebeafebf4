/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmocka with the headers it wants before it, and checks of statuses that print the message.
 *
 *     varve_error err;
 *     check_ok(vv_file_open(..., &err), &err);
 *     check_status(VARVE_E_NOT_FOUND, vv_file_open(..., &err));
 */
#ifndef VV_TESTS_SUPPORT_CHECK_H
#define VV_TESTS_SUPPORT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"
#include "varve.h"

/* Fails the test with the message of err unless status is OK. err may be NULL. */
#define check_ok(status, err) check_ok_at((status), (err), __FILE__, __LINE__)

static inline void check_ok_at(varve_status status, const varve_error *err, const char *file,
                               int line)
{
    if (status != VARVE_OK) {
        print_error("%s: %s\n", vv_status_name(status), err == NULL ? "" : err->message);
        _fail(file, line);
    }
}

/* Fails the test unless the two statuses are equal. */
#define check_status(expected, status) \
    assert_string_equal(vv_status_name(expected), vv_status_name(status))

#endif
