# SPDX-License-Identifier: Apache-2.0
"""Every parameter of the routes that read, with values that are none."""

from attack_case import Case
from attack_target import request

MINIMUM = 800
ROUTES = ("/api/v1/export", "/api/v1/series", "/api/v1/labels", "/api/v1/label/host/values")
NAMES = ("match[]", "start", "end", "limit", "precision", "timeout", "max_rows_per_line", "split_fields", "extra_label",
         "extra_filters[]")
VALUES = ("", "x", "-1", "0", "%00", "%ff", "%", "1e400", "NaN", "9" * 30, "-" + "9" * 30, "9223372036854775807",
          "-9223372036854775808", "-9223372036854775808.5", "18446744073709551615", "now-9999999999y", "2026-13-45",
          "{", "{}", "known", "known%7Bhost%3D~%22(a%2B)%2B%24%22%7D", "known%7Bhost%3D~%22(%22%7D",
          "%7Bhost%3D%22" + "%5C" * 500 + "%22%7D", "(" * 1000, "%E2%82%AC" * 100)


def cases():
    for route in ROUTES:
        for name in NAMES:
            for value in VALUES:
                yield Case(f"{route} {name}={value[:40]}", request(target=f"{route}?{name}={value}"),
                           (200, 400, 404, 413, 422, 503))
