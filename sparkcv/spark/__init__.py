"""Spark itself: sessions submitted or embedded, YARN's final status, stages and their progress, memory, errors."""
