/* SPDX-License-Identifier: Apache-2.0 */

/* The checks of types that curl's macros bring are made of extensions. */
#define CURL_DISABLE_TYPECHECK

#include "net/http_url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>

#include "base/slice.h"
#include "base/status.h"
#include "base/text.h"

#define HTTP_URL_HOST_BYTES_MAX 256u

/** One part of a parsed URL, cut to capacity; false when it has none. */
static bool http_url_part(CURLU *parsed, CURLUPart what, char *target, size_t capacity)
{
    char *part = NULL;
    bool has_part = curl_url_get(parsed, what, &part, 0) == CURLUE_OK && part != NULL;
    if (has_part) {
        vv_text_format(target, capacity, "%s", part);
    }
    curl_free(part);
    return has_part;
}

/** The URL taken apart, to be ended with curl_url_cleanup; NULL when it is none. */
static CURLU *http_url_parse(const char *url)
{
    CURLU *parsed = curl_url();
    if (parsed == NULL ||
        curl_url_set(parsed, CURLUPART_URL, url, CURLU_GUESS_SCHEME) != CURLUE_OK) {
        curl_url_cleanup(parsed);
        return NULL;
    }
    return parsed;
}

/** The end of a URL that may be shown: behind "name:password@", which is between "//" and "/". */
static const char *http_url_shown(const char *url, int *out_scheme_size)
{
    const char *slashes = strstr(url, "://");
    const char *host = slashes != NULL ? slashes + 3 : url;
    size_t size = strcspn(host, "/?#");
    size_t at = size;
    while (at > 0 && host[at - 1] != '@') {
        at -= 1;
    }
    *out_scheme_size = (int)(host - url);
    return host + at;
}

size_t vv_http_url_print(char *target, size_t capacity, const char *url)
{
    int scheme_size;
    const char *shown = http_url_shown(url, &scheme_size);
    return vv_text_format(target, capacity, "%.*s%s", scheme_size, url, shown);
}

varve_status vv_http_url_check(const char *url, varve_error *out_err)
{
    char scheme[16] = "";
    char part[HTTP_URL_HOST_BYTES_MAX];
    int scheme_size;
    const char *shown = http_url_shown(url, &scheme_size);
    CURLU *parsed = http_url_parse(url);
    const char *why = NULL;
    if (strlen(url) > VV_HTTP_URL_BYTES_MAX) {
        curl_url_cleanup(parsed);
        return vv_fail(out_err, VARVE_E_INVALID, "a URL of %zu bytes is longer than %u",
                       strlen(url), VV_HTTP_URL_BYTES_MAX);
    }
    if (parsed == NULL || !http_url_part(parsed, CURLUPART_SCHEME, scheme, sizeof scheme)) {
        why = "no address of a server, such as http://127.0.0.1:9428";
    } else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
        why = "neither http nor https";
    } else if (http_url_part(parsed, CURLUPART_QUERY, part, sizeof part) ||
               http_url_part(parsed, CURLUPART_FRAGMENT, part, sizeof part)) {
        why = "more than the address of a server: nothing follows its path";
    }
    curl_url_cleanup(parsed);
    return why == NULL
               ? VARVE_OK
               : vv_fail(out_err, VARVE_E_INVALID, "%.*s%s is %s", scheme_size, url, shown, why);
}

bool vv_http_url_is_loopback(const char *url)
{
    char host[HTTP_URL_HOST_BYTES_MAX];
    CURLU *parsed = http_url_parse(url);
    bool has_host = parsed != NULL && http_url_part(parsed, CURLUPART_HOST, host, sizeof host);
    curl_url_cleanup(parsed);
    if (!has_host) {
        return false;
    }
    varve_text name = vv_text_from_string(host);
    if (name.size > 2 && name.data[0] == '[') {
        host[name.size - 1] = '\0';
        name = vv_text_sub(name, 1, name.size - 2);
    }
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, name.data, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    if (inet_pton(AF_INET6, name.data, &v6) == 1) {
        return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
    }
    varve_text local = VV_TEXT("localhost");
    return vv_text_equal_nocase(name, local) ||
           (name.size > local.size && name.data[name.size - local.size - 1] == '.' &&
            vv_text_equal_nocase(vv_text_sub(name, name.size - local.size, local.size), local));
}
