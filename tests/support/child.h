/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a forked child: nothing of the parent is flushed or torn down a second time. In a
 * coverage build what the child has run counts.
 */
#ifndef VV_TESTS_SUPPORT_CHILD_H
#define VV_TESTS_SUPPORT_CHILD_H

#include <unistd.h>

#ifdef VV_COVERAGE
void __gcov_dump(void); /* of gcc's coverage runtime */
#endif

static inline _Noreturn void child_exit(int status)
{
#ifdef VV_COVERAGE
    __gcov_dump();
#endif
    _exit(status);
}

#endif
