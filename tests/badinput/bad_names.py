# SPDX-License-Identifier: Apache-2.0
"""Names and paths that want to be more than names."""

from urllib.parse import quote_from_bytes

from attack_case import ANSWERED, Case
from attack_target import HOST, head, request, write

MINIMUM = 150
WORDS = (
    b"..", b".", b"../..", b"../../../../etc/passwd", b"..\\..\\windows", b"/etc/passwd", b"//etc/passwd",
    b"C:\\", b"CON", b"NUL", b"LPT1.txt", b"~root", b"$HOME", b"${IFS}", b"`id`", b"$(id)", b"|id", b";id", b"a;b",
    b"%2e%2e%2f", b"..%2f", b"..%c0%af", b"..;/", b".%00./", b"file:///etc/passwd", b"http://127.0.0.1:1/",
    b"<script>alert(1)</script>", b"'\"><img src=x onerror=alert(1)>", b"{{7*7}}", b"' OR 1=1 --",
    b"\xe2\x80\xaetxt.exe", b"\xef\xbb\xbf", b"\xe2\x80\x8b", b"a\r\nX-Injected: 1", b"a\0b", b"\x1b[31m",
    b"x" * 4096, b"__name__", b"varve.internal", b"\xc3\xa9\xcc\x81", b"\xff\xfe", b"\xc0\xae\xc0\xae/",
)
RAW_TARGETS = (
    b"/..", b"/../../etc/passwd", b"/./healthz", b"//healthz", b"/healthz/", b"/healthz/..", b"/%2e%2e/%2e%2e/etc/passwd",
    b"/..%2f..%2fetc%2fpasswd", b"/..%c0%af..%c0%afetc/passwd", b"/%252e%252e/", b"/\\..\\..", b"/api/v1/../../healthz",
    b"/api/v1/label/../values", b"/api/v1/label//values", b"/api/v1/label/%2e%2e/values", b"/api/v1/label/a/b/values",
    b"/api/v1/label/%00/values", b"/api/v1/label/values", b"/;/healthz", b"/healthz;a=b", b"/healthz?", b"/?", b"/%",
    b"/%%", b"/%zz", b"/%u002e", b"http://127.0.0.1/../x", b"*", b"?", b"x", b"/.git/config", b"/etc/passwd",
)
FOREIGN_HOSTS = (b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example:80", b"localhost@evil.example",
                 b"127.0.0.1\tevil.example", b"[::1].evil.example", b"evil.example:127", b"127.1.evil")
FOREIGN_ORIGINS = ("null", "http://evil.example", "http://127.0.0.1.evil.example", "file://",
                   "http://127.0.0.1:1@evil.example", "https://127.0.0.1", "127.0.0.1", "data:,x")


def cases():
    for target in RAW_TARGETS:
        yield Case(f"target {target!r}", head(b"GET " + target + b" HTTP/1.1", HOST, b"Connection: close"),
                   (200, 4))
    for word in WORDS:
        escaped = quote_from_bytes(word, safe="")
        shown = repr(word[:40])
        yield Case(f"label {shown}", request(target=f"/api/v1/label/{escaped}/values"), (200, 4))
        yield Case(f"selector {shown}", request(target=f"/api/v1/series?match[]={escaped}"), (200, 4))
        yield Case(f"value {shown}", request(target=f"/api/v1/series?match[]=known{{a=%22{escaped}%22}}"), (200, 4))
        yield Case(f"database {shown}", write(b"good value=1 1\n", target=f"/write?db={escaped}"), ANSWERED)
        yield Case(f"an id {shown}", request(headers=(f"X-Request-Id: {word.decode('latin-1')}",))
                   if b"\n" not in word and b"\0" not in word else request(target=f"/{escaped}"), (200, 4))
    line = b"badforeign value=1 1\n"
    for host in FOREIGN_HOSTS:
        yield Case(f"host {host!r}", write(line).replace(HOST, b"Host: " + host), (4,))
    for origin in FOREIGN_ORIGINS:
        yield Case(f"origin {origin}", write(line, (f"Origin: {origin}",)), (403,))
