/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about our own code. Never for what input, disk, memory or the caller can cause.
 *
 * VV_ASSERT        cheap, checked in every build
 * VV_DEBUG_ASSERT  costs something, checked where NDEBUG is not defined
 * VV_COVER         not a claim: a boundary that some test must reach
 */
#ifndef VV_BASE_ASSERT_H
#define VV_BASE_ASSERT_H

#include "base/compiler.h"

/** Told of a failed claim; what it returns to aborts. A test may leave it by longjmp. */
typedef void (*vv_assert_handler)(const char *file, int line, const char *claim);

/** Told of a VV_COVER that held. */
typedef void (*vv_cover_handler)(const char *file, int line);

/**
 * Replace what happens before the abort; NULL restores the default, which writes one line to
 * standard error. Tests and the server's crash log use it. Process-wide: a failed claim has no
 * database to ask.
 */
void vv_assert_set_handler(vv_assert_handler handler);

/** Report every reached VV_COVER; NULL, the default, reports none. Builds without NDEBUG only. */
void vv_cover_set_handler(vv_cover_handler handler);

VV_NORETURN VV_COLD void vv_assert_failed(const char *file, int line, const char *claim);
VV_COLD void vv_cover_reached(const char *file, int line);

#define VV_ASSERT(x) (VV_LIKELY(x) ? (void)0 : vv_assert_failed(__FILE__, __LINE__, #x))

#ifdef NDEBUG
/* sizeof keeps the names used and compiled, and evaluates nothing. */
#define VV_DEBUG_ASSERT(x) ((void)sizeof((x) ? 1 : 0))
#define VV_COVER(x)        ((void)sizeof((x) ? 1 : 0))
#else
#define VV_DEBUG_ASSERT(x) VV_ASSERT(x)
#define VV_COVER(x)        ((x) ? vv_cover_reached(__FILE__, __LINE__) : (void)0)
#endif

#endif
