"""A program that never finishes loading."""

import time

time.sleep(120)


def main(ctx):
    return {}
