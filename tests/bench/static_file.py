"""What the module costs where the sidecar has no part: a small file, the key cached.

Beside plain nginx stands what nginx itself has for the purpose: auth_basic with a plain password, and limit_req. Each
writes nginx's own access log, as nginx does unless told otherwise; the module with that log, for auth and limit alone, and
with its own and its metrics. Files are sent as Debian's nginx.conf has it. Plain nginx is sent the key too: the same
requests.
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
FILES_HTTP = "sendfile on; tcp_nopush on;"

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
        access_log {folder}/access.log {log} """ + LOG_BUFFER + """;
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
        location / {{ root {pages}; }}
"""
METRICS_SERVER = """
        location = /metrics/edge {{ npcchat_metrics; }}
"""


def compare(stack, folder, options):
    """Medians of interleaved rounds of each server, and the medians of the module's ratios to the others."""
    pages = folder / "pages"
    pages.mkdir()
    pages.chmod(0o755)
    (pages / "page.html").write_text(CONTENT)
    started = {name: stack.keep(server).start() for name, server in make_servers(stack, folder, pages).items()}
    keys = dict.fromkeys(started, stack.user.key) | {"basic": PASSWORD}
    for name in ("basic", "access", "module"):
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
            "ratio_access": median_ratio(results, "access", "plain"),
            "ratio": median_ratio(results, "module", "plain"), "ratio_basic": median_ratio(results, "module", "basic")}


def make_servers(stack, folder, pages):
    module_http = MODULE_HTTP.format(state=stack.product.state, log_format=log_format())
    settings = {
        "plain": ("", "", PLAIN_SERVER),
        "basic": ("", BASIC_HTTP, BASIC_SERVER),
        "access": (f"load_module {module_path()};", module_http, MODULE_SERVER),
        "module": (f"load_module {module_path()};", module_http, MODULE_SERVER + METRICS_SERVER),
    }
    made = {}
    for name, (modules, http, server) in settings.items():
        own = folder / f"static-{name}"
        log = "npcchat" if name == "module" else "combined"
        made[name] = servers.Nginx(own, modules=modules, http=FILES_HTTP + http,
                                   server=server.format(pages=pages, folder=own, log=log))
    (folder / "static-basic" / "passwords").write_text("studio:{PLAIN}a-password\n")
    return made


def median_ratio(results, ours, other):
    return statistics.median(run["requests_per_second"] / other_run["requests_per_second"]
                             for run, other_run in zip(results[ours], results[other]))


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
