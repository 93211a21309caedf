"""Kazoo's conferences API as a sidecar: the resource `conferences`, served beside a cluster."""
