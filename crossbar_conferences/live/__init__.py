"""Live state: who is in which conference right now."""
