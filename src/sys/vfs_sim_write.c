/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing the files of the simulation. What answers an int answers an errno, 0: done.
 */
#include <errno.h>
#include <string.h>

#include "sys/vfs_sim_priv.h"

/* Largest file; bounds the table of chunks to 32 MiB. */
#define VV_SIM_FILE_BYTES_MAX (INT64_C(1) << 36)

size_t vv_sim_read(const vv_sim_content *content, int64_t offset, uint8_t *target, size_t size)
{
    if (offset >= content->size) {
        return 0;
    }
    uint64_t left = (uint64_t)(content->size - offset);
    size_t wanted = size < left ? size : (size_t)left;
    size_t done = 0;
    while (done < wanted) {
        uint64_t at = (uint64_t)offset + done;
        size_t begin = (size_t)(at % VV_SIM_SECTOR_BYTES);
        size_t part = VV_SIM_SECTOR_BYTES - begin;
        part = part < wanted - done ? part : wanted - done;
        const vv_sim_sector *sector = vv_sim_content_get(content, at / VV_SIM_SECTOR_BYTES);
        memcpy(target + done, vv_sim_sector_bytes(sector) + begin, part);
        done += part;
    }
    return done;
}

/* Where a list of pieces stands. */
typedef struct vv_sim_cursor {
    const vv_iov *iov;
    size_t skip; /* bytes of *iov that are taken */
} vv_sim_cursor;

static void vfs_sim_write_take(vv_sim_cursor *cursor, uint8_t *target, size_t size)
{
    while (size > 0) {
        size_t left = cursor->iov->size - cursor->skip;
        size_t part = left < size ? left : size;
        if (part > 0) {
            memcpy(target, (const uint8_t *)cursor->iov->data + cursor->skip, part);
        }
        target += part;
        size -= part;
        cursor->skip += part;
        if (cursor->skip == cursor->iov->size) {
            cursor->iov += 1;
            cursor->skip = 0;
        }
    }
}

static void vfs_sim_write_record_size_locked(vv_sim *sim, uint32_t inode, int64_t size)
{
    int64_t old_size = sim->cache.nodes[inode].content->size;
    if (size == old_size) {
        return;
    }
    vv_sim_change change = {
        .kind = VV_SIM_CHANGE_SIZE,
        .inode = inode,
        .write = sim->write_count,
        .size = size,
        .is_shrink = size < old_size,
    };
    vv_sim_record_locked(sim, &change);
}

static void vfs_sim_write_record_sector_locked(vv_sim *sim, uint32_t inode, uint64_t index,
                                               uint32_t begin, uint32_t end, vv_sim_cursor *cursor)
{
    const vv_sim_sector *old = vv_sim_content_get(sim->cache.nodes[inode].content, index);
    uint8_t bytes[VV_SIM_SECTOR_BYTES];
    memcpy(bytes, vv_sim_sector_bytes(old), sizeof bytes);
    vfs_sim_write_take(cursor, bytes + begin, end - begin);
    if (memcmp(bytes, vv_sim_sector_bytes(old), sizeof bytes) == 0) {
        return; /* no image could tell whether it was stored */
    }
    vv_sim_change change = {
        .kind = VV_SIM_CHANGE_SECTOR,
        .inode = inode,
        .write = sim->write_count,
        .index = index,
        .sector = vv_sim_sector_create(sim->alloc, bytes),
        .begin = begin,
        .end = end,
    };
    vv_sim_record_locked(sim, &change);
}

/* The largest size that the file may have, given the capacity. */
static int64_t vfs_sim_write_size_max_locked(vv_sim *sim, uint32_t inode)
{
    if (sim->capacity_bytes == 0) {
        return VV_SIM_FILE_BYTES_MAX;
    }
    int64_t size = sim->cache.nodes[inode].content->size;
    uint64_t others = vv_sim_used_bytes_locked(sim) - vv_sim_whole_sectors(size);
    uint64_t sectors =
        others >= sim->capacity_bytes ? 0 : (sim->capacity_bytes - others) / VV_SIM_SECTOR_BYTES;
    int64_t room = (int64_t)(sectors * VV_SIM_SECTOR_BYTES);
    return room > size ? room : size;
}

int vv_sim_write_locked(vv_sim *sim, uint32_t inode, int64_t offset, const vv_iov *iov,
                        size_t count, size_t *out_size)
{
    uint64_t total = 0;
    for (size_t index = 0; index < count; ++index) {
        total += iov[index].size;
    }
    if (offset > VV_SIM_FILE_BYTES_MAX || total > (uint64_t)(VV_SIM_FILE_BYTES_MAX - offset)) {
        return EFBIG;
    }
    int64_t size_max = vfs_sim_write_size_max_locked(sim, inode);
    if (total > 0 && offset >= size_max) {
        return ENOSPC;
    }
    int64_t end = offset + (int64_t)total < size_max ? offset + (int64_t)total : size_max;
    sim->write_count += 1;
    if (end > sim->cache.nodes[inode].content->size) {
        vfs_sim_write_record_size_locked(sim, inode,
                                         end); /* before the data: a prefix may grow a file */
    }
    vv_sim_cursor cursor = {.iov = iov};
    for (int64_t at = offset; at < end;) {
        uint64_t index = (uint64_t)at / VV_SIM_SECTOR_BYTES;
        uint32_t first = (uint32_t)((uint64_t)at % VV_SIM_SECTOR_BYTES);
        uint64_t left = (uint64_t)(end - at);
        uint32_t room = VV_SIM_SECTOR_BYTES - first;
        uint32_t part = left < room ? (uint32_t)left : room;
        vfs_sim_write_record_sector_locked(sim, inode, index, first, first + part, &cursor);
        at += part;
    }
    *out_size = (size_t)(end - offset);
    return 0;
}

int vv_sim_resize_locked(vv_sim *sim, uint32_t inode, int64_t size)
{
    if (size > VV_SIM_FILE_BYTES_MAX) {
        return EFBIG;
    }
    if (size > sim->cache.nodes[inode].content->size &&
        size > vfs_sim_write_size_max_locked(sim, inode)) {
        return ENOSPC;
    }
    sim->write_count += 1;
    vfs_sim_write_record_size_locked(sim, inode, size);
    return 0;
}
