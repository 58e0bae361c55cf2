"""Requests and answers of the protocols that clients speak, as functions of bytes and values: no socket, no model."""
