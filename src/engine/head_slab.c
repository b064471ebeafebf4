/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Size classes over pages of equal size.
 *
 *   block   [head][page][page]...            1, 2, 4, 8 pages, taken from the allocator
 *   page    [head][tag|piece][tag|piece]...  all pieces of one class
 *   large   [head][tag|piece]                one piece, taken from the allocator
 *
 * The tag of a piece says how far its page lies before it, so that a piece is given back without
 * its size. Classes are 16, 32, 48, 64, then four to each doubling.
 *
 * B1  A page that holds no piece belongs to no class: what one class gives up serves every other.
 *     When all tails of a shard grow together (a scrape), the pages of the smaller class become
 *     pages of the larger one, and the shard holds what lives and not what every class once held.
 * B2  A page is in partial[] of its class while it has both a piece and room, in `empty` while it
 *     has no piece, in no list while it is full.
 * B3  Pages go back to the allocator with the slab only: in the steady state of tails that grow
 *     and are sealed nothing is asked of it.
 */

#include "engine/head_slab.h"

#include "base/assert.h"

enum {
    SLAB_TAG_BYTES = 8,
    SLAB_GRAIN_BYTES = 16,   /* step of the smallest classes */
    SLAB_LINEAR_COUNT = 4,   /* classes below which steps are even: up to 64 bytes */
    SLAB_LINEAR_BITS = 6,    /* log2 of their last size */
    SLAB_BLOCK_PAGES_MAX = 8 /* 64 KiB: below what malloc maps on its own */
};

struct vv_slab_page {
    vv_slab_page *next, *previous; /* B2 */
    void *free_piece;              /* chain of pieces that were given back */
    uint32_t class_index;
    uint32_t live_count;  /* pieces in use */
    uint32_t fresh_count; /* pieces from the end that were never in use */
    uint32_t slot_bytes;  /* tag and piece */
};

struct vv_slab_block {
    vv_slab_block *next;
    size_t size;
};

struct vv_slab_large {
    vv_slab_large *next, *previous;
    size_t size; /* of the allocation */
};

/** What lies before a piece. */
typedef struct slab_tag {
    uint32_t offset; /* from the page to the piece; 0: the piece is large */
    uint32_t reserved;
} slab_tag;

_Static_assert(sizeof(slab_tag) == SLAB_TAG_BYTES, "a tag keeps the alignment of its piece");
_Static_assert(sizeof(vv_slab_page) % 8 == 0 && sizeof(vv_slab_block) % 8 == 0 &&
                   sizeof(vv_slab_large) % 8 == 0,
               "pieces are aligned to 8");

static uint32_t slab_class_of(size_t size)
{
    if (size <= (size_t)1 << SLAB_LINEAR_BITS) {
        return size == 0 ? 0 : (uint32_t)((size - 1) / SLAB_GRAIN_BYTES);
    }
    uint32_t power = vv_bit_width64(size - 1) - 1; /* 2^power <= size - 1 */
    uint32_t quarter = (uint32_t)((size - 1) >> (power - 2)) - 4;
    return SLAB_LINEAR_COUNT + (power - SLAB_LINEAR_BITS) * 4 + quarter;
}

static size_t slab_class_bytes(uint32_t class_index)
{
    if (class_index < SLAB_LINEAR_COUNT) {
        return ((size_t)class_index + 1) * SLAB_GRAIN_BYTES;
    }
    uint32_t above = class_index - SLAB_LINEAR_COUNT;
    return ((size_t)above % 4 + 5) << (above / 4 + SLAB_LINEAR_BITS - 2);
}

size_t vv_slab_usable(size_t size)
{
    return size > VV_SLAB_PIECE_BYTES_MAX ? size : slab_class_bytes(slab_class_of(size));
}

void vv_slab_init(vv_slab *slab, vv_alloc *alloc, atomic_size_t *held_bytes)
{
    *slab = (vv_slab){.alloc = alloc, .held_bytes = held_bytes};
}

/** Relaxed: the count is read for bounds and figures, which order nothing. */
static void slab_count(vv_slab *slab, size_t more, size_t less)
{
    atomic_fetch_add_explicit(slab->held_bytes, more - less, memory_order_relaxed);
}

void vv_slab_deinit(vv_slab *slab)
{
    while (slab->blocks != NULL) {
        vv_slab_block *block = slab->blocks;
        slab->blocks = block->next;
        slab_count(slab, 0, block->size);
        vv_alloc_free(slab->alloc, block, block->size);
    }
    while (slab->large != NULL) {
        vv_slab_large *large = slab->large;
        slab->large = large->next;
        slab_count(slab, 0, large->size);
        vv_alloc_free(slab->alloc, large, large->size);
    }
    vv_slab_init(slab, slab->alloc, slab->held_bytes);
}

/* ---- lists of pages ---- */

static void slab_push(vv_slab_page **list, vv_slab_page *page)
{
    page->previous = NULL;
    page->next = *list;
    if (page->next != NULL) {
        page->next->previous = page;
    }
    *list = page;
}

static void slab_remove(vv_slab_page **list, vv_slab_page *page)
{
    if (page->previous != NULL) {
        page->previous->next = page->next;
    } else {
        VV_ASSERT(*list == page);
        *list = page->next;
    }
    if (page->next != NULL) {
        page->next->previous = page->previous;
    }
}

/** More pages: as many as there are, within bounds, so that a small head stays small. */
static bool slab_add_block(vv_slab *slab)
{
    size_t pages = slab->page_count == 0                     ? 1
                   : slab->page_count < SLAB_BLOCK_PAGES_MAX ? slab->page_count
                                                             : SLAB_BLOCK_PAGES_MAX;
    size_t size = sizeof(vv_slab_block) + pages * VV_SLAB_PAGE_BYTES;
    uint8_t *bytes = vv_alloc_new(slab->alloc, size);
    if (bytes == NULL) {
        return false;
    }
    vv_slab_block *block = (vv_slab_block *)(void *)bytes;
    *block = (vv_slab_block){.next = slab->blocks, .size = size};
    slab->blocks = block;
    for (size_t i = pages; i-- > 0;) {
        uint8_t *place = bytes + sizeof *block + i * VV_SLAB_PAGE_BYTES;
        slab_push(&slab->empty, (vv_slab_page *)(void *)place);
    }
    slab->page_count += pages;
    slab_count(slab, size, 0);
    return true;
}

/** A page of the class with room, in its list. */
static vv_slab_page *slab_page_for(vv_slab *slab, uint32_t class_index)
{
    vv_slab_page *page = slab->partial[class_index];
    if (VV_LIKELY(page != NULL)) {
        return page;
    }
    if (slab->empty == NULL && !slab_add_block(slab)) {
        return NULL;
    }
    page = slab->empty;
    slab_remove(&slab->empty, page);
    uint32_t slot_bytes = (uint32_t)slab_class_bytes(class_index) + SLAB_TAG_BYTES;
    page->free_piece = NULL;
    page->class_index = class_index;
    page->live_count = 0;
    page->slot_bytes = slot_bytes;
    page->fresh_count = (VV_SLAB_PAGE_BYTES - (uint32_t)sizeof *page) / slot_bytes;
    slab_push(&slab->partial[class_index], page);
    return page;
}

static void *slab_new_large(vv_slab *slab, size_t size)
{
    size_t head = sizeof(vv_slab_large) + SLAB_TAG_BYTES;
    if (size > SIZE_MAX - head) {
        return NULL;
    }
    uint8_t *bytes = vv_alloc_new(slab->alloc, head + size);
    if (bytes == NULL) {
        return NULL;
    }
    vv_slab_large *large = (vv_slab_large *)(void *)bytes;
    *large = (vv_slab_large){.next = slab->large, .size = head + size};
    if (large->next != NULL) {
        large->next->previous = large;
    }
    slab->large = large;
    slab_tag *tag = (slab_tag *)(void *)(bytes + sizeof *large);
    *tag = (slab_tag){.offset = 0};
    slab_count(slab, head + size, 0);
    return bytes + head;
}

void *vv_slab_new(vv_slab *slab, size_t size)
{
    if (size > VV_SLAB_PIECE_BYTES_MAX) {
        return slab_new_large(slab, size);
    }
    uint32_t class_index = slab_class_of(size);
    vv_slab_page *page = slab_page_for(slab, class_index);
    if (page == NULL) {
        return NULL;
    }
    uint8_t *piece = page->free_piece;
    if (piece != NULL) {
        page->free_piece = *(void **)(void *)piece;
    } else {
        page->fresh_count--;
        uint32_t slot = (VV_SLAB_PAGE_BYTES - (uint32_t)sizeof *page) / page->slot_bytes - 1 -
                        page->fresh_count;
        uint32_t offset = (uint32_t)sizeof *page + slot * page->slot_bytes + SLAB_TAG_BYTES;
        piece = (uint8_t *)page + offset;
        *(slab_tag *)(void *)(piece - SLAB_TAG_BYTES) = (slab_tag){.offset = offset};
    }
    page->live_count++;
    if (page->free_piece == NULL && page->fresh_count == 0) {
        slab_remove(&slab->partial[class_index], page);
    }
    return piece;
}

static void slab_free_large(vv_slab *slab, uint8_t *piece)
{
    uint8_t *bytes = piece - SLAB_TAG_BYTES - sizeof(vv_slab_large);
    vv_slab_large *large = (vv_slab_large *)(void *)bytes;
    if (large->previous != NULL) {
        large->previous->next = large->next;
    } else {
        slab->large = large->next;
    }
    if (large->next != NULL) {
        large->next->previous = large->previous;
    }
    slab_count(slab, 0, large->size);
    vv_alloc_free(slab->alloc, large, large->size);
}

void vv_slab_free(vv_slab *slab, void *piece)
{
    if (piece == NULL) {
        return;
    }
    uint8_t *bytes = piece;
    const slab_tag *tag = (const slab_tag *)(const void *)(bytes - SLAB_TAG_BYTES);
    if (tag->offset == 0) {
        slab_free_large(slab, bytes);
        return;
    }
    vv_slab_page *page = (vv_slab_page *)(void *)(bytes - tag->offset);
    vv_slab_page **list = &slab->partial[page->class_index];
    VV_ASSERT(page->live_count > 0);
    bool was_full = page->free_piece == NULL && page->fresh_count == 0;
    *(void **)piece = page->free_piece;
    page->free_piece = piece;
    page->live_count--;
    if (page->live_count == 0) {
        if (!was_full) {
            slab_remove(list, page);
        }
        slab_push(&slab->empty, page); /* B1 */
    } else if (was_full) {
        slab_push(list, page);
    }
}
