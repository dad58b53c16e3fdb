"""The proof that many edges and many sidecars behave as one; prove.py runs it."""
