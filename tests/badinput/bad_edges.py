# SPDX-License-Identifier: Apache-2.0
"""Times and numbers at the ends of what there is."""

from attack_case import ANSWERED, Case
from attack_target import load, request, write

MINIMUM = 200
TIMES = ("-9223372036854775809", "-9223372036854775808", "-9223372036854775807", "-1", "-0", "0", "+1", "00001",
         "9223372036854775806", "9223372036854775807", "9223372036854775808", "18446744073709551615",
         "253402300799", "253402300800", "-62135596801", "1e18", "0x10", "1.0", "")
TEXTS = ("0000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z",
         "2016-12-31T23:59:60Z", "2016-12-31T23:59:61Z", "2023-02-29", "2024-02-29", "2026-13-01", "2026-00-10",
         "2026-01-32", "2026-01-01T24:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00+99:99",
         "2026-01-01T00:00:00." + "9" * 1000 + "Z", "now", "now-", "now-1", "now-9999999999y", "now+9999999999y", "-1h",
         "-99999999999999999999h", "1h", "NaN", "inf", "-inf", "1e308", "-1e308", "1e-320", "9" * 400, "0." + "0" * 400 + "1")
FLOATS = ("5e-324", "2e-324", "1e-320", "2.2250738585072014e-308", "1.7976931348623157e308", "1.7976931348623159e308",
          "-0.0", "-0", "0e99999", "1e-99999", "0." + "0" * 1000 + "1", "1" + "0" * 300, "9" * 1000, "1e+308", "1E5",
          "123456789012345678901234567890", ".5", "5.", "+1.5")
INTEGERS = ("9223372036854775807i", "-9223372036854775808i", "-0i", "+1i", "007i", "0u", "18446744073709551615u", "+1u")


def cases():
    for unit in ("ns", "us", "ms", "s"):
        for time in TIMES:
            line = f"edge value=1 {time}\n".encode()
            yield Case(f"{time!r} {unit} in a line", write(line, target=f"/write?precision={unit}"), ANSWERED)
            line = f'{{"metric":{{"__name__":"edgej"}},"values":[1],"timestamps":[{time}]}}\n'.encode()
            yield Case(f"{time!r} {unit} in JSON",
                       load(line).replace(b"/api/v1/import", b"/api/v1/import?precision=" + unit.encode()), ANSWERED)
    for text in TIMES + TEXTS:
        escaped = text.replace("+", "%2B")
        for name in ("start", "end"):
            yield Case(f"{name} {text[:40]!r}", request(target=f"/api/v1/export?match[]=known&{name}={escaped}"),
                       (200, 400, 422))
    for number in FLOATS + INTEGERS:
        name = number.replace("+", "p").replace("-", "m").replace(".", "d")[:20]
        yield Case(f"value {number[:40]}", write(f"edge_{name} value={number} 1\n".encode()), ANSWERED)
        yield Case(f"value {number[:40]} in JSON",
                   load(f'{{"metric":{{"__name__":"edgej_{name}"}},"values":[{number}],"timestamps":[1]}}\n'.encode()),
                   ANSWERED)
