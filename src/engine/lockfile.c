/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LOCK: see lockfile.h for the invariants L1 to L3.
 *
 * The order matters: the file system first (locks of network file systems are not to be trusted),
 * then the registry of this process (an open file's lock does not keep out a second handle that was
 * opened under another name), then the lock itself. Waiting for another writer asks again a hundred
 * times a second; the system's blocking lock could not be given up at a deadline.
 */
#include "engine/lockfile.h"

#include "base/assert.h"
#include "base/status.h"
#include "base/text.h"
#include "sys/process.h"
#include "sys/thread.h"

enum {
    LOCKFILE_CONTENT_BYTES_MAX = 512,
    LOCKFILE_NAME_BYTES = 128, /* of host and boot id */
};

#define LOCKFILE_ASK_AGAIN_NS (10 * VV_NS_PER_MS)

static varve_status lockfile_check_fs(const vv_env *env, const char *directory,
                                      bool allows_network_fs, varve_error *out_err)
{
    vv_fs_info info;
    VV_TRY(vv_vfs_statvfs(env->vfs, directory, &info, out_err));
    if (info.is_readonly) {
        return vv_fail(out_err, VARVE_E_READONLY,
                       "%s is on a file system that is mounted read-only", directory);
    }
    if (info.is_network && !allows_network_fs) {
        return vv_fail(out_err, VARVE_E_UNSUPPORTED,
                       "%s is on a network file system, whose locks and syncs are not to be "
                       "trusted; VARVE_OPEN_ALLOW_NETWORK_FS overrides",
                       directory);
    }
    return VARVE_OK;
}

/* Who holds the lock, as the file says. */
static void lockfile_read_holder(vv_file *file, char out_text[LOCKFILE_CONTENT_BYTES_MAX])
{
    size_t size = 0;
    out_text[0] = '\0';
    /* Nothing when that fails: a read sets its size on success only. */
    VV_IGNORE(vv_file_read(file, 0, out_text, LOCKFILE_CONTENT_BYTES_MAX - 1, &size, NULL));
    for (size_t i = 0; i < size; ++i) { /* one line of plain characters for a message */
        bool is_plain = out_text[i] >= ' ' && out_text[i] <= '~';
        out_text[i] = is_plain ? out_text[i] : ' ';
    }
    out_text[size] = '\0';
}

static varve_status lockfile_write_holder(const vv_env *env, vv_file *file, varve_error *out_err)
{
    char host[LOCKFILE_NAME_BYTES];
    char boot_id[LOCKFILE_NAME_BYTES];
    char start[VV_TEXT_RFC3339_BYTES_MAX + 1];
    vv_process_host_name(host, sizeof host);
    vv_process_boot_id(boot_id, sizeof boot_id);
    start[vv_text_print_rfc3339(start, vv_env_wall_ns(env))] = '\0';
    char text[LOCKFILE_CONTENT_BYTES_MAX];
    size_t size = vv_text_format(text, sizeof text, "pid %llu\nhost %s\nboot %s\nsince %s\n",
                                 (unsigned long long)vv_process_id(), host, boot_id, start);
    VV_TRY(vv_file_truncate(file, 0, out_err));
    return vv_file_write_all(file, 0, text, size, out_err);
}

static varve_status lockfile_open(const vv_env *env, const char *directory, vv_file **out_file,
                                  varve_error *out_err)
{
    char path[VV_PATH_BYTES_MAX];
    VV_TRY(vv_path_join(directory, "LOCK", path, out_err));
    vv_file *file = NULL;
    VV_TRY(vv_file_open(env->vfs, env->alloc, path, VV_OPEN_READ | VV_OPEN_WRITE | VV_OPEN_CREATE,
                        &file, out_err));
    varve_status status = vv_file_lock(file, out_err);
    if (status == VARVE_E_LOCKED) {
        char holder[LOCKFILE_CONTENT_BYTES_MAX];
        lockfile_read_holder(file, holder);
        status = vv_fail(out_err, VARVE_E_LOCKED, "%s is open for writing elsewhere: %s", directory,
                         holder);
    } else if (status == VARVE_OK) {
        status = lockfile_write_holder(env, file, out_err);
        /* The content is for people: a full disk is no reason to refuse. */
        status = status == VARVE_E_NOSPACE ? VARVE_OK : status;
    }
    if (status != VARVE_OK) {
        VV_IGNORE(vv_file_close(file, NULL)); /* ends the lock, if it was taken */
        return status;
    }
    *out_file = file;
    return VARVE_OK;
}

/* Registry and lock, or neither. */
static varve_status lockfile_try(const vv_env *env, const char *directory,
                                 const vv_file_info *identity, vv_lockfile *lock,
                                 varve_error *out_err)
{
    VV_TRY(vv_registry_add(&lock->entry, identity->device, identity->inode, directory, out_err));
    varve_status status = lockfile_open(env, directory, &lock->file, out_err);
    if (status != VARVE_OK) {
        vv_registry_remove(&lock->entry);
    }
    return status;
}

varve_status vv_lockfile_acquire(const vv_env *env, const char *directory, uint64_t lock_wait_ms,
                                 bool allows_network_fs, vv_lockfile *lock, varve_error *out_err)
{
    VV_ASSERT(lock->file == NULL);
    VV_TRY(lockfile_check_fs(env, directory, allows_network_fs, out_err));
    vv_file_info identity;
    VV_TRY(vv_vfs_stat(env->vfs, directory, &identity, out_err));
    int64_t deadline_ns = vv_deadline_after_ms(lock_wait_ms);
    varve_status status = lockfile_try(env, directory, &identity, lock, out_err);
    while (status == VARVE_E_LOCKED && vv_mono_now_ns() < deadline_ns) {
        int64_t next_ns = vv_deadline_after_ns(LOCKFILE_ASK_AGAIN_NS);
        vv_sleep_until(next_ns < deadline_ns ? next_ns : deadline_ns);
        status = lockfile_try(env, directory, &identity, lock, out_err);
    }
    return status;
}

void vv_lockfile_release(vv_lockfile *lock)
{
    if (lock->file != NULL) {
        VV_IGNORE(vv_file_unlock(lock->file, NULL)); /* closing ends it as well */
        VV_IGNORE(vv_file_close(lock->file, NULL));
        lock->file = NULL;
    }
    vv_registry_remove(&lock->entry);
}

void vv_lockfile_abandon(vv_lockfile *lock)
{
    VV_IGNORE(vv_file_close(lock->file, NULL)); /* L3 */
    lock->file = NULL;
    vv_registry_remove(&lock->entry);
}
