"""Products by the stores that they stand on: shared by many tests, or a test's own."""

import itertools
import pathlib

from .product import Product
from .services import Postgres, Redis
from .stub import Stub

EMBEDDED = "embedded"
POSTGRESQL = "postgresql"
REDIS = "redis+postgresql"
STORES = (EMBEDDED, REDIS)
ALL_STORES = (EMBEDDED, POSTGRESQL, REDIS)


class Group:
    """Products that end together. As a context manager it closes itself."""

    def __init__(self, launcher):
        self._launcher = launcher
        self._products = []
        self._stubs = []

    def start(self, stores, **env):
        """A running product on new, empty stores, with a stub model of its own. `env` is added to its environment."""
        return self.prepare(stores, **env).start()

    def prepare(self, stores, *, state=None, **env):
        """The same, not started yet. `state` is its STATE_DIR, where that matters."""
        return self.product({**self._launcher.store_env(stores), **env}, state=state)

    def product(self, env=None, *, stub=True, state=None):
        """A product that is not started yet, on the embedded stores unless `env` says otherwise."""
        model = self.stub() if stub is True else stub or None
        product = Product(self._launcher.new_folder(), env, stub=model, state=state)
        self._products.append(product)
        return product

    def stub(self):
        stub = Stub(self._launcher.new_folder("stub")).start()
        self._stubs.append(stub)
        return stub

    def reset_stubs(self):
        for stub in self._stubs:
            if stub.alive():
                stub.reset()

    def close(self):
        """Stops everything, and tells the launcher which secrets stand in the logs."""
        for product in reversed(self._products):
            product.stop()
            self._launcher.leaks += [f"{product.folder.name}: {what}" for what in product.secrets_in_logs()]
        for stub in self._stubs:
            stub.stop()
        self._products, self._stubs = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Launcher:
    """Starts what is shared when it is first asked for, and stops all of it in the end."""

    def __init__(self, folder):
        self.leaks = []
        self._folder = pathlib.Path(folder)
        self._numbers = itertools.count(1)
        self._redis_databases = itertools.count(0)
        self._redis = None
        self._postgres = None
        self._groups = []
        self._shared = {}
        self._shared_group = self.group()

    def group(self):
        group = Group(self)
        self._groups.append(group)
        return group

    @property
    def redis(self):
        """A Redis for all who only want one; nobody may freeze or stop it."""
        if self._redis is None:
            self._redis = Redis(self._folder / "redis").start()
        return self._redis

    @property
    def postgres(self):
        """The same for PostgreSQL."""
        if self._postgres is None:
            self._postgres = Postgres(self._folder / "postgres").start()
        return self._postgres

    def new_folder(self, name="product"):
        return self._folder / f"{name}-{next(self._numbers)}"

    def new_redis_database(self):
        """The number of an empty database of the shared Redis."""
        return next(self._redis_databases)

    def shared(self, stores, **env):
        """A running product that other tests use too."""
        key = (stores, *sorted(env.items(), key=str))
        product = self._shared.get(key)
        if product is None or not product.alive():
            product = self._shared[key] = self._shared_group.start(stores, **env)
        return product

    def store_env(self, stores):
        """The variables for new, empty stores."""
        if stores == EMBEDDED:
            return {}
        env = {"DATABASE_URL": self.postgres.url(self.postgres.new_database())}
        if stores == REDIS:
            env["REDIS_URL"] = self.redis.url(self.new_redis_database())
        return env

    def reset_stubs(self):
        for group in self._groups:
            group.reset_stubs()

    def close(self):
        for group in reversed(self._groups):
            group.close()
        for service in (self._redis, self._postgres):
            if service is not None:
                service.stop()
