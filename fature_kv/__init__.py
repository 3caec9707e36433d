"""Fature KV: figures of affiliate programmes, kept in Redis, exact to the centavo."""

__version__ = "0.1.0"
