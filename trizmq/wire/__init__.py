"""SANS-IO: bytes in, messages and events out; knows no socket and no Trio."""
