/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes by getrandom, which needs no file and blocks only while the machine starts. */
#include "sys/entropy.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

#include "base/status.h"

static varve_status entropy_fill(void *context, void *buf, size_t size, varve_error *out_err)
{
    (void)context;
    size_t done = 0;
    while (done < size) {
        ssize_t part = getrandom((uint8_t *)buf + done, size - done, 0);
        if (part < 0 && errno != EINTR) {
            return vv_fail_errno(out_err, VARVE_E_IO, errno, "random bytes of the system");
        }
        done += part > 0 ? (size_t)part : 0;
    }
    return VARVE_OK;
}

vv_entropy vv_entropy_system(void)
{
    return (vv_entropy){.fill = entropy_fill};
}

varve_status vv_entropy_fill(const vv_entropy *entropy, void *buf, size_t size,
                             varve_error *out_err)
{
    return entropy->fill(entropy->context, buf, size, out_err);
}
