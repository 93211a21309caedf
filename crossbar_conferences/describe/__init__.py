"""What the service offers, as OpenAPI and AsyncAPI documents, made from the tables that it runs on. Pure."""
