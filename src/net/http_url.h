/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VV_NET_HTTP_URL_H
#define VV_NET_HTTP_URL_H

/* The address of a server as people write it: http://host:port/prefix, or host:port. */

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "varve.h"

/* Of the address alone, which people type. Arbitrary; paths of servers take 8 KiB. */
#define VV_HTTP_URL_BYTES_MAX 2000u

/** Whether an address can be one of a server: http or https, a host, and nothing behind the path.
 * E_INVALID, with a sentence that does not show a password. */
VV_MUST_CHECK varve_status vv_http_url_check(const char *url, varve_error *out_err);

/** Whether its host is this machine, by name or number: a proxy would ask another one. */
bool vv_http_url_is_loopback(const char *url);

/** The address without name and password, terminated, as far as it fits; the bytes before the end.
 */
size_t vv_http_url_print(char *target, size_t capacity, const char *url);

#endif
