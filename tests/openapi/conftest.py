"""The server that is walked over: NPCCHAT_URL with ADMIN_KEY, or a product of the tests' own with a stub model."""

import os
import urllib.parse

import pytest

from . import recipes


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    if "NPCCHAT_URL" in os.environ:
        url = urllib.parse.urlsplit(os.environ["NPCCHAT_URL"])
        if "ADMIN_KEY" not in os.environ:
            pytest.fail("NPCCHAT_URL needs ADMIN_KEY beside it")
        yield recipes.World(url.hostname, url.port or 80, os.environ["ADMIN_KEY"])
        return

    from harness.product import Product
    from harness.stub import Stub
    folder = tmp_path_factory.mktemp("server")
    stub = Stub(folder / "stub").start()
    product = Product(folder / "product", stub=stub)
    try:
        product.start()
        yield recipes.World("127.0.0.1", product.port, product.admin_key)
    finally:
        product.stop()
        stub.stop()
