/* SPDX-License-Identifier: Apache-2.0 */

/*
 * GET and POST /query: as much of InfluxQL as clients of InfluxDB 1 send before they write. A
 * database is no more than a label here, so creating one has nothing to do, and those that are
 * shown are the values of that label.
 */

#include "base/json_writer.h"
#include "base/status.h"
#include "server/server_priv.h"
#include "wire/json_lines.h"

#define DOOR_STATEMENTS_MAX 16u
/* Names that are shown; what is beyond is left out. Arbitrary. */
#define DOOR_DATABASES_MAX 1000u

/** The next word of a statement, without it; false at the end. */
static bool door_query_word(varve_text *statement, varve_text *out_word)
{
    *statement = vv_text_trim(*statement);
    size_t size = 0;
    while (size < statement->size && (unsigned char)statement->data[size] > ' ') {
        size += 1;
    }
    *out_word = vv_text_sub(*statement, 0, size);
    *statement = vv_text_sub(*statement, size, statement->size);
    return size > 0;
}

/** Whether a statement begins with two words, in whatever case; *statement is what follows. */
static bool door_query_begins(varve_text *statement, varve_text first, varve_text second)
{
    varve_text rest = *statement;
    varve_text word;
    if (!door_query_word(&rest, &word) || !vv_text_equal_nocase(word, first) ||
        !door_query_word(&rest, &word) || !vv_text_equal_nocase(word, second)) {
        return false;
    }
    *statement = vv_text_trim(rest);
    return true;
}

/** [["a"],["b"]]: the values of the label of databases. */
static varve_status door_query_names(vv_call *call, vv_json *json, varve_error *out_err)
{
    vv_server *server = call->server;
    vv_reading *reading = vv_reading_create(call);
    if (reading == NULL) {
        return vv_fail_nomem(out_err, "a listing", sizeof *reading);
    }
    varve_list_options list;
    varve_list_options_init(&list);
    list.limit = DOOR_DATABASES_MAX;
    list.task = reading->task;
    VV_TRY(varve_label_values(server->db, server->options.influx_db_label, &list, &reading->cursor,
                              out_err));
    vv_json_array_begin(json);
    for (;;) {
        const varve_block *block;
        VV_TRY(vv_reading_next(reading, &block, out_err));
        if (block == NULL) {
            vv_json_array_end(json);
            return VARVE_OK;
        }
        for (size_t row = 0; row < block->rows; row++) {
            vv_json_array_begin(json);
            vv_json_text(json, vv_column_value(&block->columns[0], row).as.bytes);
            vv_json_array_end(json);
        }
    }
}

static varve_status door_query_databases(vv_call *call, vv_json *json, varve_error *out_err)
{
    vv_json_key(json, VV_TEXT("series"));
    vv_json_array_begin(json);
    vv_json_object_begin(json);
    vv_json_key_text(json, VV_TEXT("name"), VV_TEXT("databases"));
    vv_json_key(json, VV_TEXT("columns"));
    vv_json_array_begin(json);
    vv_json_text(json, VV_TEXT("name"));
    vv_json_array_end(json);
    vv_json_key(json, VV_TEXT("values"));
    VV_TRY(door_query_names(call, json, out_err));
    vv_json_object_end(json);
    vv_json_array_end(json);
    return VARVE_OK;
}

static varve_status door_query_statement(vv_call *call, varve_text statement, vv_json *json,
                                         varve_error *out_err)
{
    varve_text rest = statement;
    if (door_query_begins(&rest, VV_TEXT("CREATE"), VV_TEXT("DATABASE")) && rest.size > 0) {
        return VARVE_OK;
    }
    rest = statement;
    if (door_query_begins(&rest, VV_TEXT("SHOW"), VV_TEXT("DATABASES")) && rest.size == 0) {
        return door_query_databases(call, json, out_err);
    }
    return vv_fail(out_err, VARVE_E_INVALID,
                   "error parsing query: only CREATE DATABASE and SHOW DATABASES are known here");
}

/** Statements stand between semicolons; an empty one is none. */
static varve_status door_query_results(vv_call *call, varve_text query, vv_json *json,
                                       varve_error *out_err)
{
    varve_text statement;
    uint64_t id = 0;
    vv_json_object_begin(json);
    vv_json_key(json, VV_TEXT("results"));
    vv_json_array_begin(json);
    while (vv_text_split(&query, ';', &statement)) {
        statement = vv_text_trim(statement);
        if (statement.size == 0) {
            continue;
        }
        if (id == DOOR_STATEMENTS_MAX) {
            return vv_fail(out_err, VARVE_E_INVALID, "more than %u statements",
                           DOOR_STATEMENTS_MAX);
        }
        vv_json_object_begin(json);
        vv_json_key_u64(json, VV_TEXT("statement_id"), id);
        VV_TRY(door_query_statement(call, statement, json, out_err));
        vv_json_object_end(json);
        id += 1;
    }
    vv_json_array_end(json);
    vv_json_object_end(json);
    return id > 0 ? VARVE_OK
                  : vv_fail(out_err, VARVE_E_INVALID, "missing required parameter \"q\"");
}

static void door_query_document(void *state, vv_http_request *request, varve_text body,
                                varve_status status, const varve_error *body_err)
{
    (void)body;
    vv_call *call = state;
    if (status != VARVE_OK) {
        vv_answer_body_error(call, status, body_err);
        return;
    }
    varve_error err;
    varve_text query = VV_TEXT("");
    VV_IGNORE(vv_params_find(&vv_http_request_view(request)->params, VV_TEXT("q"), &query));
    vv_buf buf;
    vv_json json;
    vv_buf_init(&buf, &call->server->alloc, SIZE_MAX);
    vv_json_init(&json, &buf);
    status = door_query_results(call, query, &json, &err);
    if (status == VARVE_OK) {
        status = vv_json_end(&json, &err);
    }
    if (status == VARVE_OK) {
        vv_http_respond(request, 200, "application/json", vv_buf_text(&buf));
    } else {
        vv_answer_error(call, status, &err);
    }
    vv_buf_deinit(&buf);
}

void vv_serve_influx_query(vv_call *call)
{
    vv_http_read_document(call->request, call->server->options.form_bytes_max, true,
                          door_query_document, call);
}
