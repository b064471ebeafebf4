/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What every part of the engine needs of a database: the check of the handle, health, log events,
 * and the freeze point (every shard locked).
 */

#include "engine/db.h"

#include <stdarg.h>
#include <string.h>

#include "base/status.h"
#include "base/text.h"
#include "sys/fork_guard.h"
#include "wal/wal.h"

varve_status vv_db_check(varve_db *db, varve_error *out_err)
{
    if (db == NULL) {
        return vv_fail(out_err, VARVE_E_INVALID, "the database handle is NULL");
    }
    if (vv_process_generation() != db->fork_generation) {
        return vv_fail(out_err, VARVE_E_FENCED,
                       "this database was opened before fork(); open it again in the child");
    }
    return VARVE_OK;
}

/* ---- cursors and batches ---- */

static void db_list_add(varve_db *db, vv_db_user **list, uint64_t *count, vv_db_user *user)
{
    vv_mutex_lock(&db->state_lock);
    user->previous = NULL;
    user->next = *list;
    if (*list != NULL) {
        (*list)->previous = user;
    }
    *list = user;
    *count += user->is_internal ? 0 : 1;
    vv_mutex_unlock(&db->state_lock);
}

static void db_list_remove(varve_db *db, vv_db_user **list, uint64_t *count, const vv_db_user *user)
{
    vv_mutex_lock(&db->state_lock);
    if (user->previous != NULL) {
        user->previous->next = user->next;
    } else {
        *list = user->next;
    }
    if (user->next != NULL) {
        user->next->previous = user->previous;
    }
    *count -= user->is_internal ? 0 : 1;
    vv_mutex_unlock(&db->state_lock);
}

void vv_db_add_cursor(varve_db *db, vv_db_user *user)
{
    db_list_add(db, &db->cursors, &db->open_cursors, user);
}

void vv_db_remove_cursor(varve_db *db, vv_db_user *user)
{
    db_list_remove(db, &db->cursors, &db->open_cursors, user);
}

void vv_db_add_batch(varve_db *db, vv_db_user *user)
{
    db_list_add(db, &db->batches, &db->open_batches, user);
}

void vv_db_remove_batch(varve_db *db, vv_db_user *user)
{
    db_list_remove(db, &db->batches, &db->open_batches, user);
}

varve_status vv_db_path(const varve_db *db, const char *name, char out_path[VV_PATH_BYTES_MAX],
                        varve_error *out_err)
{
    return vv_path_join(db->path, name, out_path, out_err);
}

varve_status vv_db_check_writing(varve_db *db, varve_error *out_err)
{
    varve_error reason;
    if (db->wal != NULL && vv_wal_health(db->wal, &reason) == VARVE_HEALTH_WRITE_FAILED) {
        return vv_fail(out_err, VARVE_E_FENCED,
                       "files are left alone until the database is opened again: %s",
                       reason.message);
    }
    return VARVE_OK;
}

void vv_db_log(const varve_db *db, uint32_t level, const char *event, const char *format, ...)
{
    if (db->options.log == NULL) {
        return;
    }
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    VV_IGNORE(vv_text_format_v(message, sizeof message, format, arguments)); /* cut when too long */
    va_end(arguments);
    db->options.log(db->options.log_context, level, event, message);
}

void vv_db_lock_shards(varve_db *db)
{
    for (size_t i = 0; i < VV_SHARD_COUNT; i++) {
        vv_mutex_lock(&db->shards[i].lock);
    }
}

void vv_db_unlock_shards(varve_db *db)
{
    for (size_t i = VV_SHARD_COUNT; i-- > 0;) {
        vv_mutex_unlock(&db->shards[i].lock);
    }
}
