/* SPDX-License-Identifier: Apache-2.0 */

#include "server/collect_host.h"

#include <string.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"
#include "base/utf8.h"
#include "model/time_range.h"
#include "server/host_text.h"
#include "sys/clock.h"
#include "sys/process.h"
#include "sys/thread.h"
#include "sys/vfs.h"

/* The longest text of /proc that is read; lines beyond are left out. */
#define COLLECT_TEXT_BYTES_MAX (256u * 1024u)

/* Share of busy time needs two readings: this far apart for the first sample. */
#define COLLECT_FIRST_READINGS_NS (200 * VV_NS_PER_MS)

/* Bytes of the host's name and of a label's value that are kept. */
#define COLLECT_NAME_BYTES_MAX 256u

#define COLLECT_ROWS_MAX \
    (8u + VV_HOST_MOUNTS_MAX + 2u * VV_HOST_DISKS_MAX + 2u * VV_HOST_INTERFACES_MAX)

/** One row of a sample with the storage of what it points to. */
typedef struct collect_row {
    varve_label labels[2];
    varve_value value;
    char label_value[COLLECT_NAME_BYTES_MAX];
} collect_row;

struct vv_collect_host {
    /* fixed after start */
    varve_db *db;
    vv_collect_host_options options;
    uint32_t precision; /* of the database */
    char host[COLLECT_NAME_BYTES_MAX];
    vv_thread thread;
    vv_cond wake;
    /* guarded by lock */
    vv_mutex lock;
    bool is_stopping;
    /* of the thread */
    bool is_failing; /* reported, and not yet well again */
    bool has_cpu;
    vv_host_cpu cpu; /* of the reading before */
    size_t row_count;
    varve_named_row rows[COLLECT_ROWS_MAX];
    collect_row details[COLLECT_ROWS_MAX];
    vv_host_disk disks[VV_HOST_DISKS_MAX];
    vv_host_interface interfaces[VV_HOST_INTERFACES_MAX];
    vv_host_mount mounts[VV_HOST_MOUNTS_MAX];
    char text[COLLECT_TEXT_BYTES_MAX];
};

static const varve_text collect_field = {"value", 5};

void vv_collect_host_options_init(vv_collect_host_options *options)
{
    *options = (vv_collect_host_options){.interval_s = VV_COLLECT_HOST_SECONDS_DEFAULT,
                                         .proc_path = "/proc"};
}

/* ---- one sample ----------------------------------------------------------------------------- */

/** Add a row, with one label besides host or none. */
static void collect_add(vv_collect_host *collector, varve_text metric, const char *label,
                        varve_text label_value, double value)
{
    if (collector->row_count == COLLECT_ROWS_MAX) {
        return;
    }
    collect_row *detail = &collector->details[collector->row_count];
    varve_named_row *row = &collector->rows[collector->row_count];
    collector->row_count += 1;
    label_value = vv_utf8_cut(label_value, sizeof detail->label_value);
    if (label_value.size > 0) {
        memcpy(detail->label_value, label_value.data, label_value.size);
    }
    detail->labels[0] = (varve_label){VV_TEXT("host"), vv_text_from_string(collector->host)};
    detail->labels[1] = (varve_label){vv_text_from_string(label),
                                      vv_text_make(detail->label_value, label_value.size)};
    detail->value = (varve_value){.type = VARVE_TYPE_F64, .as.f64 = value};
    *row = (varve_named_row){.metric = metric,
                             .labels = detail->labels,
                             .label_count = label == NULL ? 1 : 2,
                             .fields = &collect_field,
                             .values = &detail->value,
                             .count = 1};
}

static void collect_add_plain(vv_collect_host *collector, varve_text metric, double value)
{
    collect_add(collector, metric, NULL, (varve_text){0}, value);
}

/** A text of /proc, in whole lines; empty when it cannot be read. Valid until the next one. */
static varve_text collect_read(vv_collect_host *collector, const char *name)
{
    char path[VV_PATH_BYTES_MAX];
    size_t size = 0;
    if (vv_path_join(collector->options.proc_path, name, path, NULL) != VARVE_OK) {
        return (varve_text){0};
    }
    varve_status status =
        vv_system_file_read(path, collector->text, sizeof collector->text, &size, NULL);
    if (status == VARVE_E_LIMIT) { /* the buffer is full: its last line may be cut */
        size = sizeof collector->text;
        while (size > 0 && collector->text[size - 1] != '\n') {
            size -= 1;
        }
    } else if (status != VARVE_OK) {
        return (varve_text){0};
    }
    return vv_text_make(collector->text, size);
}

/** Read the processors' counters; with those of the reading before they give a row. */
static void collect_cpu(vv_collect_host *collector)
{
    vv_host_cpu cpu;
    if (!vv_host_cpu_parse(collect_read(collector, "stat"), &cpu)) {
        return;
    }
    double percent;
    if (collector->has_cpu && vv_host_cpu_percent(&collector->cpu, &cpu, &percent)) {
        collect_add_plain(collector, VV_TEXT("cpu_percent"), percent);
    }
    collector->cpu = cpu;
    collector->has_cpu = true;
}

static void collect_load(vv_collect_host *collector)
{
    double loads[3];
    if (vv_host_load_parse(collect_read(collector, "loadavg"), loads)) {
        collect_add_plain(collector, VV_TEXT("load_avg_1m"), loads[0]);
        collect_add_plain(collector, VV_TEXT("load_avg_5m"), loads[1]);
        collect_add_plain(collector, VV_TEXT("load_avg_15m"), loads[2]);
    }
}

static void collect_memory(vv_collect_host *collector)
{
    vv_host_memory memory;
    if (vv_host_memory_parse(collect_read(collector, "meminfo"), &memory)) {
        double used = (double)(memory.total_bytes - memory.available_bytes);
        collect_add_plain(collector, VV_TEXT("mem_used_percent"),
                          used / (double)memory.total_bytes * 100.0);
    }
}

static void collect_mounts(vv_collect_host *collector)
{
    const vv_vfs *vfs = vv_vfs_system();
    size_t count = vv_host_mounts_parse(collect_read(collector, "self/mounts"), collector->mounts);
    for (size_t i = 0; i < count; i++) {
        const vv_host_mount *mount = &collector->mounts[i];
        vv_file_info file;
        vv_fs_info info;
        /* Containers mount single files; a file system that does not answer is left out. */
        if (vv_vfs_stat(vfs, mount->path, &file, NULL) != VARVE_OK ||
            file.kind != VV_KIND_DIRECTORY ||
            vv_vfs_statvfs(vfs, mount->path, &info, NULL) != VARVE_OK || info.total_bytes == 0 ||
            info.free_bytes > info.total_bytes) {
            continue;
        }
        collect_add(collector, VV_TEXT("disk_used_percent"), "mountpoint",
                    vv_text_make(mount->path, mount->path_size),
                    (double)(info.total_bytes - info.free_bytes) / (double)info.total_bytes *
                        100.0);
    }
}

static void collect_disks(vv_collect_host *collector)
{
    size_t count = vv_host_disks_parse(collect_read(collector, "diskstats"), collector->disks);
    for (size_t i = 0; i < count; i++) {
        const vv_host_disk *disk = &collector->disks[i];
        collect_add(collector, VV_TEXT("disk_read_bytes"), "device", disk->device,
                    (double)disk->read_bytes);
        collect_add(collector, VV_TEXT("disk_write_bytes"), "device", disk->device,
                    (double)disk->written_bytes);
    }
}

static void collect_interfaces(vv_collect_host *collector)
{
    size_t count =
        vv_host_interfaces_parse(collect_read(collector, "net/dev"), collector->interfaces);
    for (size_t i = 0; i < count; i++) {
        const vv_host_interface *interface = &collector->interfaces[i];
        collect_add(collector, VV_TEXT("net_bytes_sent"), "interface", interface->name,
                    (double)interface->sent_bytes);
        collect_add(collector, VV_TEXT("net_bytes_recv"), "interface", interface->name,
                    (double)interface->received_bytes);
    }
}

static void collect_write(vv_collect_host *collector)
{
    int64_t timestamp =
        vv_time_convert_saturating(vv_wall_now_ns(), VARVE_PRECISION_NS, collector->precision);
    for (size_t i = 0; i < collector->row_count; i++) {
        collector->rows[i].timestamp = timestamp;
    }
    varve_error err;
    varve_status status =
        varve_write(collector->db, collector->rows, collector->row_count, NULL, NULL, &err);
    bool is_failing = status != VARVE_OK;
    if (is_failing != collector->is_failing && collector->options.report != NULL) {
        collector->options.report(collector->options.report_context, is_failing ? &err : NULL);
    }
    collector->is_failing = is_failing;
}

static void collect_sample(vv_collect_host *collector)
{
    collector->row_count = 0;
    collect_cpu(collector);
    collect_load(collector);
    collect_memory(collector);
    collect_mounts(collector);
    collect_disks(collector);
    collect_interfaces(collector);
    collect_write(collector);
}

/* ---- the thread ----------------------------------------------------------------------------- */

/** Sleep until then; false when the collector is to end. */
static bool collect_wait(vv_collect_host *collector, int64_t deadline_ns)
{
    vv_mutex_lock(&collector->lock);
    while (!collector->is_stopping && vv_mono_now_ns() < deadline_ns) {
        VV_IGNORE(vv_cond_wait_until(&collector->wake, &collector->lock, deadline_ns));
    }
    bool goes_on = !collector->is_stopping;
    vv_mutex_unlock(&collector->lock);
    return goes_on;
}

static void collect_main(void *context)
{
    vv_collect_host *collector = context;
    int64_t interval_ns = (int64_t)collector->options.interval_s * VV_NS_PER_S;
    int64_t next_ns = vv_mono_now_ns();
    collect_cpu(collector); /* the reading that the first sample is compared with */
    if (!collect_wait(collector, vv_deadline_after_ns(COLLECT_FIRST_READINGS_NS))) {
        return;
    }
    do {
        collect_sample(collector);
        /* On a fixed beat; beats that a slow write missed are not made up for. */
        int64_t now_ns = vv_mono_now_ns();
        next_ns += interval_ns;
        if (next_ns <= now_ns) {
            next_ns += (now_ns - next_ns) / interval_ns * interval_ns + interval_ns;
        }
    } while (collect_wait(collector, next_ns));
}

static varve_status collect_init(vv_collect_host *collector, varve_error *out_err)
{
    varve_info info;
    varve_info_init(&info);
    VV_TRY(varve_db_info(collector->db, &info, out_err));
    collector->precision = info.precision;
    vv_process_host_name(collector->host, sizeof collector->host);
    if (!vv_utf8_is_valid(vv_text_from_string(collector->host))) {
        vv_text_format(collector->host, sizeof collector->host, "unknown");
    }
    VV_TRY(vv_mutex_init(&collector->lock, VV_RANK_SESSION, 0, out_err));
    varve_status status = vv_cond_init(&collector->wake, out_err);
    if (status != VARVE_OK) {
        vv_mutex_deinit(&collector->lock);
    }
    return status;
}

static void collect_free(vv_collect_host *collector)
{
    varve_allocator heap = vv_alloc_system();
    heap.release(heap.context, collector, sizeof *collector);
}

varve_status vv_collect_host_start(varve_db *db, const vv_collect_host_options *options,
                                   vv_collect_host **out_collector, varve_error *out_err)
{
    *out_collector = NULL;
    if (options->interval_s == 0 || options->interval_s > VV_COLLECT_HOST_SECONDS_MAX) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "the host's metrics are collected every 1 to %u seconds, not %u",
                       VV_COLLECT_HOST_SECONDS_MAX, options->interval_s);
    }
    varve_allocator heap = vv_alloc_system();
    vv_collect_host *collector = heap.allocate(heap.context, sizeof *collector);
    if (collector == NULL) {
        return vv_fail_nomem(out_err, "the collector of host metrics", sizeof *collector);
    }
    memset(collector, 0, sizeof *collector);
    collector->db = db;
    collector->options = *options;
    varve_status status = collect_init(collector, out_err);
    if (status != VARVE_OK) {
        collect_free(collector);
        return status;
    }
    status = vv_thread_start(&collector->thread, "collect-host", collect_main, collector, out_err);
    if (status != VARVE_OK) {
        vv_cond_deinit(&collector->wake);
        vv_mutex_deinit(&collector->lock);
        collect_free(collector);
        return status;
    }
    *out_collector = collector;
    return VARVE_OK;
}

void vv_collect_host_stop(vv_collect_host *collector)
{
    if (collector == NULL) {
        return;
    }
    vv_mutex_lock(&collector->lock);
    collector->is_stopping = true;
    vv_cond_signal(&collector->wake);
    vv_mutex_unlock(&collector->lock);
    vv_thread_join(&collector->thread);
    vv_cond_deinit(&collector->wake);
    vv_mutex_deinit(&collector->lock);
    collect_free(collector);
}
