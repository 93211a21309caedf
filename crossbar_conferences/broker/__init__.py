"""The message broker: the port, its two adapters, and what Kazoo does on top of one."""
