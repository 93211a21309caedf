"""Kazoo's AMQP vocabulary: one module per exchange family; build, check, routing keys. Pure."""
