"""The document store: the port, its two adapters, and what is done with an account's documents."""
