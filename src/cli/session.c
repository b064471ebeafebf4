/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The one handle of a shell. Commands open and close their database themselves, by
 * vv_cli_open_reader and vv_cli_close; these two ask here first:
 *
 *     shell    vv_session_begin(DIR) ------------------------------- vv_session_end
 *     line 1      open_reader -> opened now,  close -> nothing
 *     line 2      open_reader -> varve_refresh, close -> nothing
 *
 * So a command neither knows nor cares whether a shell runs it. The state is the process's own
 * because the commands are: they have standard output, signals and the environment in common.
 *
 * E1  A line sees everything that was answered visible before it began, by this process or another.
 * E2  A handle that cannot be refreshed (its directory was replaced) is given up and opened anew.
 */

#include "cli/session.h"

#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "sys/vfs.h"

static struct {
    bool has_directory;
    char data[VV_PATH_BYTES_MAX];
    varve_db *db; /* NULL until the first command asks */
} session;

varve_status vv_session_begin(const char *data, varve_error *out_err)
{
    memset(&session, 0, sizeof session);
    if (data == NULL) {
        return VARVE_OK;
    }
    if (strlen(data) >= sizeof session.data) {
        return vv_fail(out_err, VARVE_E_LIMIT, "the path has more than %d bytes",
                       VV_PATH_BYTES_MAX - 1);
    }
    vv_text_format(session.data, sizeof session.data, "%s", data);
    session.has_directory = true;
    return VARVE_OK;
}

static varve_status session_close(varve_error *out_err)
{
    varve_db *db = session.db;
    session.db = NULL;
    varve_status status = varve_close(db, out_err);
    if (status != VARVE_OK) {
        varve_abandon(db);
    }
    return status;
}

varve_status vv_session_end(varve_error *out_err)
{
    varve_status status = session_close(out_err);
    session.has_directory = false;
    return status;
}

bool vv_session_is_of(const char *data)
{
    return session.has_directory && strcmp(data, session.data) == 0;
}

varve_status vv_session_lend(varve_db **out_db, varve_error *out_err)
{
    varve_options options;
    *out_db = NULL;
    if (session.db != NULL && varve_refresh(session.db, out_err) != VARVE_OK) {
        VV_IGNORE(session_close(out_err)); /* what is wrong shows when it is opened */
    }
    if (session.db == NULL) {
        varve_options_init(&options);
        options.flags = VARVE_OPEN_READONLY | VARVE_OPEN_NO_CREATE;
        VV_TRY(varve_open(session.data, &options, &session.db, out_err));
    }
    *out_db = session.db;
    return VARVE_OK;
}

bool vv_session_has_lent(const varve_db *db)
{
    return db != NULL && db == session.db;
}
