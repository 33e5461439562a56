"""pyzmq, blocking: libzmq with its I/O thread, and one call per message."""
