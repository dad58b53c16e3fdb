"""Holds docs/openapi.yaml against OpenAPI itself, and the running server against docs/openapi.yaml."""
