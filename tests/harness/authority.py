"""Certificates, signed by an authority that exists for one test."""

import subprocess


class Authority:
    """Signs certificates of servers."""

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "ca.pem"
        self._run("req", "-x509", "-subj", "/CN=an authority", "-keyout", "ca.key", "-out", self.file)

    def certify(self, name):
        """The files of a certificate for that name, and of its key."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        self._run("req", "-x509", "-CA", self.file, "-CAkey", "ca.key", "-subj", f"/CN={name}", "-addext",
                  f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out",
                  certificate)
        return certificate, key

    def _run(self, *words):
        command = ["openssl", *map(str, words), "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc",
                   "-days", "2"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
