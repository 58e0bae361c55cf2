"""The control channel between a driver, its agents and its feeding tasks: encrypted, of a fixed schema, bounded."""
