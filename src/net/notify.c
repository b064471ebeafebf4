/* SPDX-License-Identifier: Apache-2.0 */

#include "net/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/status.h"
#include "base/text.h"
#include "sys/process.h"

varve_status vv_notify_init(vv_notify *notify, const char *name, varve_error *out_err)
{
    *notify = (vv_notify){.name_size = 0};
    size_t size = name == NULL ? 0 : strlen(name);
    if (size == 0) {
        return VARVE_OK;
    }
    if (size < 2 || size > VV_NOTIFY_NAME_BYTES_MAX || (name[0] != '/' && name[0] != '@')) {
        return vv_fail(out_err, VARVE_E_INVALID,
                       "NOTIFY_SOCKET is neither a path nor an abstract name of 2 to %u bytes",
                       VV_NOTIFY_NAME_BYTES_MAX);
    }
    memcpy(notify->name, name, size);
    notify->name_size = (uint32_t)size;
    return VARVE_OK;
}

varve_status vv_notify_send(const vv_notify *notify, varve_error *out_err, const char *format, ...)
{
    if (notify->name_size == 0) {
        return VARVE_OK;
    }
    char message[VV_NOTIFY_MESSAGE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    size_t size = vv_text_format_v(message, sizeof message, format, args);
    va_end(args);
    struct sockaddr_un target = {.sun_family = AF_UNIX};
    memcpy(target.sun_path, notify->name, notify->name_size);
    if (target.sun_path[0] == '@') {
        target.sun_path[0] = '\0'; /* an abstract name, which ends where the address does */
    }
    socklen_t target_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + notify->name_size);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot tell the service manager");
    }
    ssize_t sent =
        sendto(fd, message, size, MSG_NOSIGNAL, (const struct sockaddr *)&target, target_size);
    varve_status status = VARVE_OK;
    if (sent < 0) {
        status = vv_fail_errno(out_err, VARVE_E_IO, errno, "cannot tell the service manager");
    }
    vv_process_close(fd);
    return status;
}
