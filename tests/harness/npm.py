"""Packages from npm that tests use, installed below the build folder once for each lock file."""

import fcntl
import shutil
import subprocess

from . import ROOT

FILES = ("package.json", "package-lock.json", ".npmrc")


def install(source, name):
    """The folder `build/NAME` with what `source`'s lock file names, and with the scripts that are in `source`."""
    folder = ROOT / "build" / name
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = (source / "package-lock.json").read_text(encoding="utf-8")
        stamp = folder / "installed"
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
            for file in FILES:
                shutil.copy(source / file, folder / file)
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-update-notifier", "--loglevel=error"],
                           cwd=folder, check=True, timeout=300)
            stamp.write_text(wanted, encoding="utf-8")
        for script in (*source.glob("*.js"), *source.glob("*.mjs")):
            shutil.copy(script, folder / script.name)
    return folder
