"""pyzmq.asyncio: what async programs use today."""
