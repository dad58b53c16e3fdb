"""What the black-box tests stand on: real services, the product as users start it, and clients of both."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
