"""TRIO: things that make byte streams: tcp, ipc, inproc."""
