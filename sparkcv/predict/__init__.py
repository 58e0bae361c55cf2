"""Exported models at work: making them, loading them by digest, and scoring pictures with them."""
