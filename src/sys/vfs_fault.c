/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The failing file system: each operation asks the rules for a verdict, then calls the inner file
 * system with the same vv_file (whose handle belongs to the inner one).
 */
#include "sys/vfs_fault.h"

#include <string.h>

#include "base/assert.h"
#include "sys/thread.h"

typedef struct fault_rule_state {
    vv_fault_rule rule;
    uint64_t matched;
    uint64_t fired;
} fault_rule_state;

struct vv_fault {
    vv_alloc *alloc;     /* fixed after create */
    const vv_vfs *inner; /* fixed after create */
    vv_vfs vfs;          /* fixed after create */
    vv_fault_hook hook;  /* set while nobody uses the file system */
    void *hook_context;
    vv_mutex lock;
    fault_rule_state rules[VV_FAULT_RULES_MAX]; /* this and the rest guarded by lock */
    size_t rule_count;
    uint64_t calls[VV_VFS_OP_COUNT];
    uint64_t open_files;
};

/* What becomes of one call. The rule that fired, or kind and limits that change nothing. */
typedef struct fault_verdict {
    bool has_errno;
    bool is_done_first;
    int os_errno;
    bool is_short;
    size_t short_bytes;
    bool is_flipped;
    uint64_t flip_bit;
} fault_verdict;

/* ---- rules ---------------------------------------------------------------------------------- */

static bool vfs_fault_matches(const vv_fault_rule *rule, vv_vfs_op op, const char *path,
                              const char *other_path)
{
    if (rule->ops != 0 && (rule->ops & VV_VFS_OP_BIT(op)) == 0) {
        return false;
    }
    if (rule->path_part == NULL || strstr(path, rule->path_part) != NULL) {
        return true;
    }
    return other_path != NULL && strstr(other_path, rule->path_part) != NULL;
}

/* Counts the call for one rule; true when it is to be disturbed. */
static bool vfs_fault_fires(fault_rule_state *state)
{
    state->matched += 1;
    const vv_fault_rule *rule = &state->rule;
    if (rule->first_call == 0 || state->matched < rule->first_call ||
        state->matched - rule->first_call >= rule->call_count) {
        return false;
    }
    state->fired += 1;
    return true;
}

static fault_verdict vfs_fault_verdict_of(const vv_fault_rule *rule)
{
    return (fault_verdict){
        .has_errno = rule->kind == VV_FAULT_ERRNO,
        .is_done_first = rule->is_done_first,
        .os_errno = rule->os_errno,
        .is_short = rule->kind == VV_FAULT_SHORT,
        .short_bytes = rule->short_bytes,
        .is_flipped = rule->kind == VV_FAULT_FLIP,
        .flip_bit = rule->flip_bit,
    };
}

static fault_verdict vfs_fault_judge(vv_fault *fault, vv_vfs_op op, const char *path,
                                     const char *other_path)
{
    if (fault->hook != NULL) {
        fault->hook(fault->hook_context, op, path);
    }
    fault_verdict verdict = {0};
    bool has_fired = false;
    vv_mutex_lock(&fault->lock);
    fault->calls[op] += 1;
    for (size_t index = 0; index < fault->rule_count && !has_fired; ++index) {
        fault_rule_state *state = &fault->rules[index];
        if (vfs_fault_matches(&state->rule, op, path, other_path) && vfs_fault_fires(state)) {
            verdict = vfs_fault_verdict_of(&state->rule);
            has_fired = true;
        }
    }
    vv_mutex_unlock(&fault->lock);
    return verdict;
}

/* Before the inner call: a failure that keeps it from being made. */
static varve_status vfs_fault_before(const fault_verdict *verdict, vv_vfs_op op, const char *path,
                                     varve_error *out_err)
{
    if (verdict->has_errno && !verdict->is_done_first) {
        return vv_os_fail(out_err, verdict->os_errno, vv_vfs_op_name(op), path);
    }
    return VARVE_OK;
}

/* After the inner call: a failure that hides its success. */
static varve_status vfs_fault_after(const fault_verdict *verdict, vv_vfs_op op, const char *path,
                                    varve_status status, varve_error *out_err)
{
    if (status == VARVE_OK && verdict->has_errno) {
        return vv_os_fail(out_err, verdict->os_errno, vv_vfs_op_name(op), path);
    }
    return status;
}

static void vfs_fault_count_open(vv_fault *fault, bool is_opened)
{
    vv_mutex_lock(&fault->lock);
    fault->open_files += is_opened ? 1 : UINT64_MAX; /* modulo 2^64: minus one */
    vv_mutex_unlock(&fault->lock);
}

/* ---- files ---------------------------------------------------------------------------------- */

static varve_status vfs_fault_open(void *context, vv_file *file, varve_error *out_err)
{
    vv_fault *fault = context;
    const vv_vfs *inner = fault->inner;
    fault_verdict verdict = vfs_fault_judge(fault, VV_VFS_OP_OPEN, file->path, NULL);
    VV_TRY(vfs_fault_before(&verdict, VV_VFS_OP_OPEN, file->path, out_err));
    VV_TRY(inner->ops->open(inner->context, file, out_err));
    if (verdict.has_errno) { /* opened, perhaps created, but the caller never sees it */
        VV_IGNORE(inner->ops->close(inner->context, file, NULL));
        return vv_os_fail(out_err, verdict.os_errno, "open", file->path);
    }
    vfs_fault_count_open(fault, true);
    return VARVE_OK;
}

static varve_status vfs_fault_close(void *context, vv_file *file, varve_error *out_err)
{
    vv_fault *fault = context;
    const vv_vfs *inner = fault->inner;
    fault_verdict verdict = vfs_fault_judge(fault, VV_VFS_OP_CLOSE, file->path, NULL);
    varve_status status = inner->ops->close(inner->context, file, out_err); /* F2 */
    vfs_fault_count_open(fault, false);
    return vfs_fault_after(&verdict, VV_VFS_OP_CLOSE, file->path, status, out_err);
}

static void vfs_fault_flip(uint8_t *bytes, size_t size, uint64_t bit)
{
    if (size > 0) {
        uint64_t at = bit % ((uint64_t)size * 8);
        bytes[at / 8] ^= (uint8_t)(1u << (at % 8));
    }
}

static varve_status vfs_fault_pread(void *context, vv_file *file, int64_t offset, void *buf,
                                    size_t size, size_t *out_size, varve_error *out_err)
{
    vv_fault *fault = context;
    const vv_vfs *inner = fault->inner;
    fault_verdict verdict = vfs_fault_judge(fault, VV_VFS_OP_READ, file->path, NULL);
    VV_TRY(vfs_fault_before(&verdict, VV_VFS_OP_READ, file->path, out_err));
    size_t wanted = verdict.is_short && verdict.short_bytes < size ? verdict.short_bytes : size;
    size_t done = 0;
    VV_TRY(inner->ops->pread(inner->context, file, offset, buf, wanted, &done, out_err));
    VV_TRY(vfs_fault_after(&verdict, VV_VFS_OP_READ, file->path, VARVE_OK, out_err));
    if (verdict.is_flipped) {
        vfs_fault_flip(buf, done, verdict.flip_bit);
    }
    *out_size = done;
    return VARVE_OK;
}

/* The pieces of the first `limit` bytes; returns how many. */
static size_t vfs_fault_cut_iov(const vv_iov *iov, size_t count, size_t limit,
                                vv_iov out_iov[VV_IOV_COUNT_MAX])
{
    size_t used = 0;
    for (size_t index = 0; index < count && limit > 0; ++index) {
        out_iov[used] = iov[index];
        if (out_iov[used].size > limit) {
            out_iov[used].size = limit;
        }
        limit -= out_iov[used].size;
        used += 1;
    }
    return used;
}

static varve_status vfs_fault_pwritev(void *context, vv_file *file, int64_t offset,
                                      const vv_iov *iov, size_t count, size_t *out_size,
                                      varve_error *out_err)
{
    vv_fault *fault = context;
    const vv_vfs *inner = fault->inner;
    VV_ASSERT(count <= VV_IOV_COUNT_MAX);
    fault_verdict verdict = vfs_fault_judge(fault, VV_VFS_OP_WRITE, file->path, NULL);
    VV_TRY(vfs_fault_before(&verdict, VV_VFS_OP_WRITE, file->path, out_err));
    size_t limit = verdict.is_short ? verdict.short_bytes : SIZE_MAX;
    vv_iov part[VV_IOV_COUNT_MAX];
    size_t part_count = vfs_fault_cut_iov(iov, count, limit, part);
    size_t done = 0;
    if (part_count > 0) {
        VV_TRY(inner->ops->pwritev(inner->context, file, offset, part, part_count, &done, out_err));
    }
    VV_TRY(vfs_fault_after(&verdict, VV_VFS_OP_WRITE, file->path, VARVE_OK, out_err));
    *out_size = done;
    return VARVE_OK;
}

/* For operations that fail or pass: the verdict, then the inner call, then the verdict again. */
#define FAULT_PASS(op, path, other_path, call)                            \
    vv_fault *fault = context;                                            \
    const vv_vfs *inner = fault->inner;                                   \
    fault_verdict verdict = vfs_fault_judge(fault, op, path, other_path); \
    VV_TRY(vfs_fault_before(&verdict, op, path, out_err));                \
    return vfs_fault_after(&verdict, op, path, inner->ops->call, out_err)

static varve_status vfs_fault_sync(void *context, vv_file *file, vv_sync_kind kind,
                                   vv_sync_site site, varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_SYNC, file->path, NULL, sync(inner->context, file, kind, site, out_err));
}

static varve_status vfs_fault_truncate(void *context, vv_file *file, int64_t size,
                                       varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_TRUNCATE, file->path, NULL, truncate(inner->context, file, size, out_err));
}

static varve_status vfs_fault_allocate(void *context, vv_file *file, int64_t offset, int64_t size,
                                       varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_ALLOCATE, file->path, NULL,
               allocate(inner->context, file, offset, size, out_err));
}

static varve_status vfs_fault_file_stat(void *context, vv_file *file, vv_file_info *out_info,
                                        varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_FILE_STAT, file->path, NULL,
               file_stat(inner->context, file, out_info, out_err));
}

static varve_status vfs_fault_lock(void *context, vv_file *file, varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_LOCK, file->path, NULL, lock(inner->context, file, out_err));
}

static varve_status vfs_fault_unlock(void *context, vv_file *file, varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_UNLOCK, file->path, NULL, unlock(inner->context, file, out_err));
}

static varve_status vfs_fault_advise(void *context, vv_file *file, int64_t offset, int64_t size,
                                     vv_advice advice, varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_ADVISE, file->path, NULL,
               advise(inner->context, file, offset, size, advice, out_err));
}

static varve_status vfs_fault_map(void *context, vv_file *file, size_t size,
                                  const void **out_memory, varve_error *out_err)
{
    vv_fault *fault = context;
    const vv_vfs *inner = fault->inner;
    fault_verdict verdict = vfs_fault_judge(fault, VV_VFS_OP_MAP, file->path, NULL);
    if (verdict.has_errno) { /* a hidden success would leak the mapping */
        return vv_os_fail(out_err, verdict.os_errno, "map", file->path);
    }
    return inner->ops->map(inner->context, file, size, out_memory, out_err);
}

static void vfs_fault_unmap(void *context, const void *memory, size_t size)
{
    vv_fault *fault = context;
    fault->inner->ops->unmap(fault->inner->context, memory, size);
}

/* ---- names ---------------------------------------------------------------------------------- */

static varve_status vfs_fault_rename(void *context, const char *source, const char *target,
                                     vv_sync_site site, varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_RENAME, target, source,
               rename(inner->context, source, target, site, out_err));
}

static varve_status vfs_fault_link(void *context, const char *source, const char *target,
                                   varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_LINK, target, source, link(inner->context, source, target, out_err));
}

static varve_status vfs_fault_unlink(void *context, const char *path, varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_UNLINK, path, NULL, unlink(inner->context, path, out_err));
}

static varve_status vfs_fault_mkdir(void *context, const char *path, varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_MKDIR, path, NULL, mkdir(inner->context, path, out_err));
}

static varve_status vfs_fault_rmdir(void *context, const char *path, varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_RMDIR, path, NULL, rmdir(inner->context, path, out_err));
}

static varve_status vfs_fault_list(void *context, const char *path, vv_dir_visitor visit,
                                   void *visit_context, varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_LIST, path, NULL,
               list(inner->context, path, visit, visit_context, out_err));
}

static varve_status vfs_fault_sync_dir(void *context, const char *path, vv_sync_site site,
                                       varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_SYNC_DIR, path, NULL, sync_dir(inner->context, path, site, out_err));
}

static varve_status vfs_fault_stat(void *context, const char *path, vv_file_info *out_info,
                                   varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_STAT, path, NULL, stat(inner->context, path, out_info, out_err));
}

static varve_status vfs_fault_statvfs(void *context, const char *path, vv_fs_info *out_info,
                                      varve_error *out_err)
{
    FAULT_PASS(VV_VFS_OP_STATVFS, path, NULL, statvfs(inner->context, path, out_info, out_err));
}

static const vv_vfs_ops vfs_fault_ops = {
    .open = vfs_fault_open,
    .close = vfs_fault_close,
    .pread = vfs_fault_pread,
    .pwritev = vfs_fault_pwritev,
    .sync = vfs_fault_sync,
    .truncate = vfs_fault_truncate,
    .allocate = vfs_fault_allocate,
    .file_stat = vfs_fault_file_stat,
    .lock = vfs_fault_lock,
    .unlock = vfs_fault_unlock,
    .advise = vfs_fault_advise,
    .map = vfs_fault_map,
    .unmap = vfs_fault_unmap,
    .rename = vfs_fault_rename,
    .link = vfs_fault_link,
    .unlink = vfs_fault_unlink,
    .mkdir = vfs_fault_mkdir,
    .rmdir = vfs_fault_rmdir,
    .list = vfs_fault_list,
    .sync_dir = vfs_fault_sync_dir,
    .stat = vfs_fault_stat,
    .statvfs = vfs_fault_statvfs,
};

/* ---- control -------------------------------------------------------------------------------- */

varve_status vv_fault_create(vv_alloc *alloc, const vv_vfs *inner, vv_fault **out_fault,
                             varve_error *out_err)
{
    *out_fault = NULL;
    vv_fault *fault = vv_alloc_zeroed(alloc, sizeof *fault);
    if (fault == NULL) {
        return vv_fail_nomem(out_err, "a failing file system", sizeof *fault);
    }
    varve_status status = vv_mutex_init(&fault->lock, VV_RANK_VFS_FAULT, 0, out_err);
    if (status != VARVE_OK) {
        vv_alloc_free(alloc, fault, sizeof *fault);
        return status;
    }
    fault->alloc = alloc;
    fault->inner = inner;
    fault->vfs = (vv_vfs){.ops = &vfs_fault_ops, .context = fault};
    *out_fault = fault;
    return VARVE_OK;
}

void vv_fault_free(vv_fault *fault)
{
    if (fault != NULL) {
        vv_mutex_deinit(&fault->lock);
        vv_alloc_free(fault->alloc, fault, sizeof *fault);
    }
}

const vv_vfs *vv_fault_vfs(const vv_fault *fault)
{
    return &fault->vfs;
}

size_t vv_fault_add(vv_fault *fault, const vv_fault_rule *rule)
{
    vv_mutex_lock(&fault->lock);
    VV_ASSERT(fault->rule_count < VV_FAULT_RULES_MAX);
    size_t number = fault->rule_count;
    fault->rules[number] = (fault_rule_state){.rule = *rule};
    fault->rule_count += 1;
    vv_mutex_unlock(&fault->lock);
    return number;
}

void vv_fault_clear(vv_fault *fault)
{
    vv_mutex_lock(&fault->lock);
    fault->rule_count = 0;
    memset(fault->calls, 0, sizeof fault->calls);
    vv_mutex_unlock(&fault->lock);
}

uint64_t vv_fault_matched(vv_fault *fault, size_t rule)
{
    vv_mutex_lock(&fault->lock);
    VV_ASSERT(rule < fault->rule_count);
    uint64_t matched = fault->rules[rule].matched;
    vv_mutex_unlock(&fault->lock);
    return matched;
}

uint64_t vv_fault_fired(vv_fault *fault, size_t rule)
{
    vv_mutex_lock(&fault->lock);
    VV_ASSERT(rule < fault->rule_count);
    uint64_t fired = fault->rules[rule].fired;
    vv_mutex_unlock(&fault->lock);
    return fired;
}

uint64_t vv_fault_calls(vv_fault *fault, vv_vfs_op op)
{
    vv_mutex_lock(&fault->lock);
    uint64_t calls = fault->calls[op];
    vv_mutex_unlock(&fault->lock);
    return calls;
}

void vv_fault_set_hook(vv_fault *fault, vv_fault_hook hook, void *context)
{
    fault->hook = hook;
    fault->hook_context = context;
}

uint64_t vv_fault_open_files(vv_fault *fault)
{
    vv_mutex_lock(&fault->lock);
    uint64_t open_files = fault->open_files;
    vv_mutex_unlock(&fault->lock);
    return open_files;
}
