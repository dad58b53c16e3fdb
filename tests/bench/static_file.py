"""What the module costs where the sidecar has no part: a small file, the key cached, the limit on."""

import statistics

import measure
import report
import servers
from harness.client import Client

CONNECTIONS = 64
CONTENT = "<p>" + "A small page. " * 30 + "</p>\n"

# A rate that a user never reaches, so that every request is counted and none refused.
MODULE_HTTP = """
    npcchat_key_cache zone=npcchat_keys:8m valid=10s invalid=10s stale=1h;
    npcchat_secret_file {state}/edge.secret;
    npcchat_limit_zone zone=npcchat_users:8m rate=1000000r/s;
    upstream npcchat_keys {{ server unix:{state}/run/sidecar.sock.keys; keepalive 16; }}
"""
MODULE_SERVER = """
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


def compare(stack, folder, options):
    """Medians of interleaved rounds, plain and with the module, and the median of their ratios."""
    pages = folder / "pages"
    pages.mkdir()
    pages.chmod(0o755)
    (pages / "page.html").write_text(CONTENT)
    plain = stack.keep(servers.Nginx(folder / "static-plain", server=f"location / {{ root {pages}; }}")).start()
    module = stack.keep(servers.Nginx(
        folder / "static-module", modules=f"load_module {module_path()};",
        http=MODULE_HTTP.format(state=stack.product.state), server=MODULE_SERVER.format(pages=pages))).start()
    key = stack.user.key
    check_page(module.port, key)

    loads = {"plain": measure.Load(plain.url("/page.html"), key=key),
             "module": measure.Load(module.url("/page.html"), key=key)}
    for load in loads.values():
        load.run(CONNECTIONS, 1)
    results = {name: [] for name in loads}
    for number in range(options.static_rounds):
        report.say(f"static file, round {number + 1} of {options.static_rounds}…")
        # Who is first changes, as the first of two measurements may fare differently.
        for name in sorted(loads, reverse=number % 2 == 1):
            results[name].append(loads[name].run(CONNECTIONS, options.seconds))
    ratios = [with_module["requests_per_second"] / without["requests_per_second"]
              for with_module, without in zip(results["module"], results["plain"])]
    return {"plain": measure.medians(results["plain"]), "module": measure.medians(results["module"]),
            "ratio": statistics.median(ratios)}


def module_path():
    return f"{measure.build_folder()}/ngx_http_npcchat_module.so"


def check_page(port, key):
    """That the module does its work on the page: a key is needed, and is enough."""
    answer = Client(port).get("/page.html")
    if answer.status != 401:
        raise RuntimeError(f"the page without a key answered {answer.status}, not 401")
    answer = Client(port, key).get("/page.html")
    if answer.status != 200 or answer.text != CONTENT:
        raise RuntimeError(f"the page with a key answered {answer.status}: {answer.text[:200]}")
