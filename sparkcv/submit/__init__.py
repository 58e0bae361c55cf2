"""``sparkcv submit``: the long spark-submit command of a job, written, printed and run."""

from sparkcv.submit.plan import SubmitPlan, prepare
from sparkcv.submit.render import command, notes
from sparkcv.submit.run import ready, run
from sparkcv.submit.words import is_help

__all__ = ["SubmitPlan", "command", "is_help", "notes", "prepare", "ready", "run"]
