/* SPDX-License-Identifier: Apache-2.0 */
/* A server over a database in memory, on a free port; for the tests of the server. */
#ifndef VV_TESTS_SUPPORT_SERVER_FIXTURE_H
#define VV_TESTS_SUPPORT_SERVER_FIXTURE_H

#include "server/server.h"
#include "support/check.h"
#include "support/http_client.h"

typedef struct server_fixture {
    varve_db *db;
    vv_server *server;
    uint32_t port;
    vv_server_options options;
} server_fixture;

static inline void server_fixture_init(server_fixture *fixture)
{
    varve_error err;
    *fixture = (server_fixture){0};
    check_ok(varve_open(NULL, NULL, &fixture->db, &err), &err);
    vv_server_options_init(&fixture->options);
    fixture->options.listen = VARVE_STR("127.0.0.1:0");
}

static inline void server_fixture_start(server_fixture *fixture)
{
    varve_error err;
    check_ok(vv_server_start(fixture->db, &fixture->options, &fixture->server, &err), &err);
    fixture->port = vv_server_port(fixture->server);
}

static inline void server_fixture_end(server_fixture *fixture)
{
    varve_error err;
    vv_server_stop(fixture->server);
    check_ok(varve_close(fixture->db, &err), &err);
}

#endif
