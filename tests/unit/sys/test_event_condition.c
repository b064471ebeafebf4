/* SPDX-License-Identifier: Apache-2.0 */
/* Events of systems without a futex; tests/CMakeLists.txt adds that file to this program. */
#include "event_support.h"

int main(void)
{
    return event_run();
}
