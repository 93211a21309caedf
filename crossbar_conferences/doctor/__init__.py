"""Finds out what is wrong around the sidecar, and says what to do about it. Changes nothing."""
