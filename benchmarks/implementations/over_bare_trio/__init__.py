"""Trio without ZeroMQ: one ``send_all`` per message over TCP, and memory channels in the place of inproc.

No frames, no routing, no queue: the sizes are known, so counting the bytes counts the messages.
"""
