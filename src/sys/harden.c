/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/harden.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/status.h"

bool vv_process_is_root(void)
{
    return geteuid() == 0;
}

/** capget and capset have no wrapper in the C library. */
static varve_status harden_drop_capabilities(varve_error *out_err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{.effective = 0}};
    if (syscall(SYS_capget, &header, sets) != 0) {
        return vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot read capabilities");
    }
    uint32_t kept = sets[0].permitted & (UINT32_C(1) << CAP_NET_BIND_SERVICE);
    bool has_more = ((sets[0].permitted | sets[0].inheritable) & ~kept) != 0 ||
                    (sets[1].permitted | sets[1].inheritable) != 0;
    if (!has_more) {
        return VARVE_OK; /* and the call may be forbidden */
    }
    sets[0] = (struct __user_cap_data_struct){.effective = kept, .permitted = kept};
    sets[1] = (struct __user_cap_data_struct){.effective = 0};
    if (syscall(SYS_capset, &header, sets) != 0) {
        return vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot drop capabilities");
    }
    return VARVE_OK;
}

static varve_status harden_stop_core(varve_error *out_err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) != 0) {
        return vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot read the limit of core dumps");
    }
    /* 0 would still let a pipe of core_pattern have it; 1 lets nobody (core(5)). */
    limit.rlim_cur = limit.rlim_max < 1 ? limit.rlim_max : 1;
    if (setrlimit(RLIMIT_CORE, &limit) != 0) {
        return vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot turn core dumps off");
    }
    return VARVE_OK;
}

varve_status vv_harden_process(const vv_harden_options *options, varve_error *out_err)
{
    varve_status status = VARVE_OK;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        status = vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot set no_new_privs");
    }
    if (!options->keeps_capabilities) {
        varve_status dropped = harden_drop_capabilities(out_err);
        status = status == VARVE_OK ? dropped : status;
    }
    if (!options->keeps_core) {
        varve_status stopped = harden_stop_core(out_err);
        status = status == VARVE_OK ? stopped : status;
    }
    return status;
}
