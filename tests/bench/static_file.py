"""What the module costs where the sidecar has no part: a small file, the key cached, the limit and the log on.

Beside plain nginx stands what nginx itself has for the purpose: auth_basic with a plain password, and limit_req. Each
writes an access log, as nginx does unless told otherwise. Plain nginx is sent the key too: the same requests.
"""

import base64
import re
import statistics

import measure
import report
import servers
from harness import ROOT
from harness.client import Client

CONNECTIONS = 64
CONTENT = "<p>" + "A small page. " * 30 + "</p>\n"
PASSWORD = "Basic " + base64.b64encode(b"studio:a-password").decode()

# As npcchat-server.conf has it, for all.
LOG_BUFFER = "buffer=64k flush=100ms"

PLAIN_SERVER = """
        access_log {folder}/access.log combined """ + LOG_BUFFER + """;
        location / {{ root {pages}; }}
"""

# Rates that a user never reaches, so that every request is counted and none refused.
BASIC_HTTP = "limit_req_zone $remote_user zone=users:8m rate=1000000r/s;"
BASIC_SERVER = PLAIN_SERVER + """
        auth_basic studio;
        auth_basic_user_file {folder}/passwords;
        limit_req zone=users burst=1000000 nodelay;
"""

MODULE_HTTP = """
    npcchat_key_cache zone=npcchat_keys:8m valid=10s invalid=10s stale=1h;
    npcchat_secret_file {state}/edge.secret;
    npcchat_limit_zone zone=npcchat_users:8m rate=1000000r/s;
    upstream npcchat_keys {{ server unix:{state}/run/sidecar.sock.keys; keepalive 16; }}
    {log_format}
"""
MODULE_SERVER = """
        access_log {folder}/access.log npcchat """ + LOG_BUFFER + """;
        npcchat on;
        npcchat_keys /_npcchat/key;
        npcchat_limit zone=npcchat_users burst=1000000 nodelay;
        location = /_npcchat/key {{
            internal;
            npcchat off;
            proxy_pass http://npcchat_keys/key;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
        location = /metrics/edge {{ npcchat_metrics; }}
        location / {{ root {pages}; }}
"""


def compare(stack, folder, options):
    """Medians of interleaved rounds of each server, and the medians of the module's ratios to the two others."""
    pages = folder / "pages"
    pages.mkdir()
    pages.chmod(0o755)
    (pages / "page.html").write_text(CONTENT)
    started = {name: stack.keep(server).start() for name, server in make_servers(stack, folder, pages).items()}
    keys = {"plain": stack.user.key, "basic": PASSWORD, "module": stack.user.key}
    for name in ("basic", "module"):
        check_page(started[name].port, keys[name])

    loads = {name: measure.Load(server.url("/page.html"), key=keys[name]) for name, server in started.items()}
    for load in loads.values():
        load.run(CONNECTIONS, 1)
    results = {name: [] for name in loads}
    for number in range(options.static_rounds):
        report.say(f"static file, round {number + 1} of {options.static_rounds}…")
        # Who is first changes, as the first of several measurements may fare differently.
        for name in rotated(list(loads), number):
            pid = started[name].pid
            results[name].append(loads[name].run(CONNECTIONS, options.seconds,
                                                 cpu_of=lambda: {"nginx": measure.with_children(pid)}))
    return {**{name: measure.medians(results[name]) for name in loads},
            "ratio": median_ratio(results, "plain"), "ratio_basic": median_ratio(results, "basic")}


def make_servers(stack, folder, pages):
    names = ("plain", "basic", "module")
    folders = {name: folder / f"static-{name}" for name in names}
    places = {name: {"pages": pages, "folder": folders[name]} for name in names}
    made = {
        "plain": servers.Nginx(folders["plain"], server=PLAIN_SERVER.format(**places["plain"])),
        "basic": servers.Nginx(folders["basic"], http=BASIC_HTTP, server=BASIC_SERVER.format(**places["basic"])),
        "module": servers.Nginx(
            folders["module"], modules=f"load_module {module_path()};",
            http=MODULE_HTTP.format(state=stack.product.state, log_format=log_format()),
            server=MODULE_SERVER.format(**places["module"])),
    }
    (folders["basic"] / "passwords").write_text("studio:{PLAIN}a-password\n")
    return made


def median_ratio(results, other):
    return statistics.median(ours["requests_per_second"] / theirs["requests_per_second"]
                             for ours, theirs in zip(results["module"], results[other]))


def rotated(names, number):
    first = number % len(names)
    return names[first:] + names[:first]


def log_format():
    """The log line that npcchat is installed with."""
    return re.search(r"^log_format npcchat .*;$", (ROOT / "conf/npcchat-http.conf").read_text(), re.MULTILINE)[0]


def module_path():
    return f"{measure.build_folder()}/ngx_http_npcchat_module.so"


def check_page(port, key):
    """That a server does its work on the page: a key is needed, and is enough."""
    answer = Client(port).get("/page.html")
    if answer.status != 401:
        raise RuntimeError(f"the page without a key answered {answer.status}, not 401")
    answer = Client(port, key).get("/page.html")
    if answer.status != 200 or answer.text != CONTENT:
        raise RuntimeError(f"the page with a key answered {answer.status}: {answer.text[:200]}")
