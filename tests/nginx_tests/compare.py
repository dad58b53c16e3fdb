#!/usr/bin/python3
"""nginx's own test suite without the module and with it loaded: every file must fare the same.

The suite is https://github.com/nginx/nginx-tests, of about the age of the nginx that is tested. It needs perl and runs as
an ordinary user: as `nobody`, where this is started as root. Files that fare differently are run again, one at a time, for
the suite has tests that depend on time. Exit status 1: a file fares differently in both.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness.edge import module_path, nginx_program  # noqa: E402

FILE_SECONDS = 300


class Suite:
    """Runs single files of the suite, each in the fashion of `prove`."""

    def __init__(self, tests, folder, modules):
        self._tests = tests
        self._command = ["prove", "-Q"]
        if os.geteuid() == 0:
            self._command = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", *self._command]
        self._env = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder),
                     "TEST_NGINX_BINARY": nginx_program()}
        if modules is not None:
            self._env["TEST_NGINX_MODULES"] = str(modules)

    def run(self, name, module=None):
        """`ok`, `skipped` or `failed`, and what the file said."""
        env = dict(self._env)
        if module is not None:
            env["TEST_NGINX_GLOBALS"] = f"load_module {module};"
        try:
            done = subprocess.run([*self._command, name], cwd=self._tests, env=env, capture_output=True, text=True,
                                  errors="replace", stdin=subprocess.DEVNULL, timeout=FILE_SECONDS)
        except subprocess.TimeoutExpired:
            return "failed", f"no end within {FILE_SECONDS} s"
        if done.returncode != 0:
            return "failed", done.stdout + done.stderr
        return ("skipped" if "skipped" in done.stdout or "NOTESTS" in done.stdout else "ok"), ""

    def run_all(self, names, jobs, module=None):
        with concurrent.futures.ThreadPoolExecutor(jobs) as executor:
            return dict(zip(names, executor.map(lambda name: self.run(name, module), names)))


def count(results):
    statuses = [status for status, _ in results.values()]
    return ", ".join(f"{statuses.count(status)} {status}" for status in ("ok", "skipped", "failed"))


def compare(suite, names, jobs, module):
    """The files that fare differently, also when they are run again."""
    without = suite.run_all(names, jobs)
    print(f"without the module: {count(without)}", flush=True)
    loaded = suite.run_all(names, jobs, module)
    print(f"with it loaded:     {count(loaded)}", flush=True)
    different = []
    for name in (name for name in names if without[name][0] != loaded[name][0]):
        again, again_loaded = suite.run(name), suite.run(name, module)
        print(f"{name}: {without[name][0]} without, {loaded[name][0]} with; again, alone: {again[0]} without, "
              f"{again_loaded[0]} with")
        if again[0] != again_loaded[0]:
            different.append(name)
            print(again_loaded[1] or again[1])
    return different


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="NPCCHAT_NGINX and NPCCHAT_BUILD_DIR name another nginx, and the module's build.")
    parser.add_argument("tests", type=pathlib.Path, metavar="DIR", help="where the suite is")
    parser.add_argument("--only", metavar="REGEX", default="", help="files whose names match")
    parser.add_argument("--modules", type=pathlib.Path, metavar="DIR",
                        help="nginx's own dynamic modules, where the suite is to use them (its TEST_NGINX_MODULES)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="files at a time (%(default)s)")
    options = parser.parse_args()
    names = sorted(path.name for path in options.tests.glob("*.t") if re.search(options.only, path.name))
    if not names or not (options.tests / "lib/Test/Nginx.pm").exists():
        parser.error(f"no tests of nginx in {options.tests}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="npcchat-nginx-tests-"))
    folder.chmod(0o777)
    try:
        # Where whoever the suite runs as can read it.
        module = folder / "module.so"
        shutil.copy(module_path(), module)
        module.chmod(0o644)
        different = compare(Suite(options.tests, folder, options.modules), names, options.jobs, module)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(names)} files, {len(different)} fare differently" + "".join(f"\n  {name}" for name in different))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
