/* SPDX-License-Identifier: Apache-2.0 */
/* Events as libvarve has them here. */
#include "event_support.h"

int main(void)
{
    return event_run();
}
