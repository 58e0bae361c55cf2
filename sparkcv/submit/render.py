"""A submission as text that a shell takes: notes as comments, then the command, one option a line."""

import shlex

from sparkcv.submit.plan import SubmitPlan

__all__ = ["command", "notes"]


def notes(plan: SubmitPlan) -> str:
    """Say in comment lines what was counted and estimated, and what is, or would be, built and uploaded."""
    sizes, options = plan.sizes, plan.options
    mode = f"{'cluster' if options.is_cluster_mode else 'client'} mode"
    where = f"YARN, {mode}" if options.is_yarn else f"Kubernetes, {mode}" if options.is_kubernetes else options.master
    found = {"job": f"{plan.job.name}, on {where}"}
    count = "" if sizes.executors is None else f"{sizes.executors} for "
    found["executors"] = f"{count}{sizes.roles}"
    if sizes.heap is not None:
        beside = f" and {sizes.overhead} beside it" if sizes.overhead else ""
        reason = f" ({sizes.reason})" if sizes.reason else ""
        found["memory"] = f"{sizes.heap} of Java heap{beside}{reason}"
    if options.is_kubernetes and options.is_cluster_mode:
        found["package"] = "the image's"
    else:
        found["package"] = f"{plan.files.zip}, made anew where it is not current"
    if plan.archive is not None and plan.archive.source is not None:
        size = plan.archive.source.stat().st_size
        found["archive"] = f"{plan.archive.source} ({size / 1e6:.0f} MB), uploaded unless it is there already"
    elif plan.archive is not None:
        found["archive"] = plan.archive.url
    elif options.is_yarn:
        found["archive"] = "none: the nodes have the packages"
    return "".join(f"# {name:<10} {text}\n" for name, text in found.items())


def command(plan: SubmitPlan) -> str:
    """Return the command, quoted for a shell, to be copied as it stands."""
    first = " ".join(f"{name}={shlex.quote(value)}" for name, value in plan.environment.items())
    lines = [first, *(shlex.join(line) for line in plan.lines)]
    return " \\\n  ".join(lines) + "\n"
