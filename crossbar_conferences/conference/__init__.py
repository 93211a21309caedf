"""The domain, pure: documents, validation, listing, live rooms, actions, endpoints."""
