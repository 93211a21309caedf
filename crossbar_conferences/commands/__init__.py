"""Carrying out what was planned: publish, wait for the proof, remember what was answered."""
