"""The page at /docs: pinned files, nothing from elsewhere, fit for a strict Content-Security-Policy."""

import html.parser
import json
import re

import pytest

from .document import ROOT

VIEWER = ROOT / "docs" / "viewer"
OWN_ADDRESSES = {"/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/init.js", "/openapi.json"}


class Page(html.parser.HTMLParser):
    """Collects what a page loads, and what it does inline."""

    def __init__(self):
        super().__init__()
        self.addresses, self.inline, self._in_script = [], [], False

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("src", "href"):
                self.addresses.append(value)
            if name.startswith("on") or name == "style":
                self.inline.append(f"<{tag} {name}>")
        self._in_script = tag in ("script", "style")

    def handle_endtag(self, _tag):
        self._in_script = False

    def handle_data(self, data):
        if self._in_script and data.strip():
            self.inline.append(data)


def test_the_page_loads_only_its_own_files():
    page = Page()
    page.feed((VIEWER / "index.html").read_text(encoding="utf-8"))
    assert not page.inline
    assert {address for address in page.addresses if not address.startswith("data:")} == OWN_ADDRESSES


def test_the_script_names_no_other_host():
    script = (VIEWER / "init.js").read_text(encoding="utf-8")
    assert not re.search(r"https?:", script)
    assert "validatorUrl: null" in script, "the viewer would ask a validator on the internet"


@pytest.mark.parametrize("folder", [VIEWER, ROOT / "tests" / "openapi"], ids=lambda folder: folder.name)
def test_packages_are_pinned_and_run_nothing(folder):
    package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))
    for name, version in package["dependencies"].items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), f"{name}: {version}"
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    for name, entry in lock["packages"].items():
        assert "resolved" not in entry, name
        assert not name or entry["integrity"].startswith("sha512-"), name
    assert "ignore-scripts=true" in (folder / ".npmrc").read_text(encoding="utf-8").split()
