"""What an HTTP client sees: routes, negotiation, envelopes, errors, and a handler for each route."""
