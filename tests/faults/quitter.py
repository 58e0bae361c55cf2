"""The training program with a fault of its own: its worker leaves with exit code 1 at step 10 of each life."""

import dataclasses
import os

from sparkcv.programs import train
from sparkcv.roles import NodeContext


def main(ctx: NodeContext) -> dict:
    def report(status):
        ctx.report(status)
        if status.get("step", 0) >= 10:
            print(f"life {ctx.attempt} leaves", flush=True)
            os._exit(1)

    return train.main(dataclasses.replace(ctx, report=report))
