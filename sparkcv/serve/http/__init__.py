"""The service as an ASGI application: routes that read a request, ask the service and write the answer."""
