"""Looking for secrets where none may be: keys, their digests and passwords in logs and in stores."""

import hashlib
import pathlib
import urllib.parse


class Secrets:
    """What a run of the product was given in confidence."""

    def __init__(self):
        self._words = {}

    def add(self, word, what):
        """A word that may appear nowhere; short ones are left out, as they would be found by chance."""
        if word and len(word) >= 8:
            self._words.setdefault(word, what)

    def add_key(self, key, owner):
        self.add(key, f"the key of {owner}")
        self.add(urllib.parse.quote(key, safe=""), f"the encoded key of {owner}")
        digest = hashlib.sha256(key.encode()).hexdigest()
        self.add(digest, f"the key's digest of {owner}")
        self.add(digest.upper(), f"the key's digest of {owner}")

    def found_in(self, text, where):
        return [f"{what} is in {where}" for word, what in self._words.items() if word in text]


def files_below(folder):
    return [path for path in pathlib.Path(folder).rglob("*") if path.is_file() and not path.is_symlink()]


def find_in_files(secrets, folder):
    """Where a secret stands in a file below `folder`, as sentences; empty where all is well."""
    found = []
    for path in files_below(folder):
        found += secrets.found_in(path.read_text(encoding="latin-1"), path.name)
    return found
