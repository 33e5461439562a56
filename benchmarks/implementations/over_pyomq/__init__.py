"""pyomq, blocking: a port of libzmq to Rust, with pyzmq's verbs."""
