/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the server begin and end with, and how they look at answers; for one program each.
 */
#ifndef VV_TESTS_SUPPORT_SERVER_CASE_H
#define VV_TESTS_SUPPORT_SERVER_CASE_H

#include <string.h>

#include "support/server_fixture.h"

/** A database and options; the test starts the server. */
static inline int begin(void **state)
{
    static server_fixture fixture;
    server_fixture_init(&fixture);
    *state = &fixture;
    return 0;
}

/** The same with the server started. */
static inline int begin_started(void **state)
{
    VV_IGNORE(begin(state)); /* it does not fail */
    server_fixture_start(*state);
    return 0;
}

static inline int end(void **state)
{
    server_fixture_end(*state);
    return 0;
}

/** The code, and a part of the body (NULL: whatever it is). Who is refused may be cut off. Frees.
 */
static inline void expect(http_reply reply, int code, const char *body)
{
    if (reply.code != code || (body != NULL && strstr(reply.body, body) == NULL)) {
        print_error("%s\n%s\n", reply.head, reply.body);
    }
    assert_int_equal(reply.code, code);
    assert_true(reply.is_complete || code >= 400);
    assert_true(body == NULL || strstr(reply.body, body) != NULL);
    http_reply_free(&reply);
}

#endif
