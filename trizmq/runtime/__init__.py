"""TRIO: sockets, listeners, connectors, sessions, engines and pipes."""
