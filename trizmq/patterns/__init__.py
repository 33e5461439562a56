"""SANS-IO: what each socket type does with messages and peers; knows no wire and no Trio."""
