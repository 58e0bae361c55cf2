"""Fuzzing of what reads bytes from outside, with inputs that are made at run time from a seed."""
