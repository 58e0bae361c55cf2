"""The first word of ``sparkcv`` decides: a job, submit, completion, the versions or the help page."""

import sys
from collections.abc import Sequence

from sparkcv import logs
from sparkcv.cli import completion, page, versions
from sparkcv.driver.jobs import JOBS, one_word, run_job
from sparkcv.errors import EXIT_FAILED, EXIT_OK, EXIT_USAGE, SparkcvError, UsageError, nearest

__all__ = ["COMMANDS", "main"]

COMMANDS = (*JOBS, "style", "submit", "completion")
_HELP = ("-h", "--help", "help")
_VERSION = ("-V", "--version", "version")
_SHOWS = {"-h", "--help", "--dry_run", "--dry-run"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (None: this process's) and return the exit code.

    0 is a verified success, 1 a failure, 2 wrong usage, 75 a run that can be resumed. ``submit`` does not return where
    spark-submit starts: this process becomes it.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words)
    except SparkcvError as err:
        sys.stderr.write(f"sparkcv{' submit' * (words[:1] == ['submit'])}: {logs.clean(str(err))}\n")
        return err.exit_code
    except BrokenPipeError:  # the reader, such as head, has seen enough: of a job, not that it has ended well
        logs.discard_output()
        return EXIT_OK if _only_shows(words) else EXIT_FAILED
    except KeyboardInterrupt:
        sys.stderr.write("sparkcv: stopped by the keyboard\n")
        return EXIT_FAILED


def _run(words: list[str]) -> int:
    if not words:
        sys.stdout.write(page.main())
        return EXIT_USAGE
    name, rest = words[0], words[1:]
    if name in _HELP:
        asked = rest[: 2 if rest[:1] == ["style"] else 1]
        return _run([*asked, "--help"]) if name == "help" and rest else _say(page.main())
    if name in _VERSION:
        return _say(versions.table())
    if name in JOBS:
        return run_job(name, rest, f"sparkcv {name}")
    if name == "style":
        return _style(rest)
    if name == "submit":
        return _submit(rest)
    if name == "completion":
        return _completion(rest)
    hint = nearest(name, COMMANDS, otherwise=f"; wanted one of {', '.join(COMMANDS)}")
    raise UsageError(f"unknown {'option' if name.startswith('-') else 'command'} {name!r}{hint}")


def _only_shows(words: list[str]) -> bool:
    """Tell whether nothing is run, and what is printed is all that was asked for."""
    return not words or words[0] in ("completion", *_HELP, *_VERSION) or bool(_SHOWS & set(words))


def _style(words: list[str]) -> int:
    if not words or words[0] in _HELP:
        sys.stdout.write(page.style())
        return EXIT_OK if words else EXIT_USAGE
    name, *rest = one_word(["style", *words])
    return run_job(name, rest, f"sparkcv style {words[0]}")


def _submit(words: list[str]) -> int:
    from sparkcv import submit  # hdfs-native and the estimates: half of what --help would take

    if not words:
        sys.stdout.write(page.submit())
        return EXIT_USAGE
    if submit.is_help(words):
        return _say(page.submit())
    plan = submit.prepare(words)
    _say(submit.notes(plan) + submit.command(plan))
    if not plan.options.dry_run:
        logs.setup("submit")
        submit.ready(plan)
        return submit.run(plan)
    return EXIT_OK


def _completion(words: list[str]) -> int:
    if words[:1] and words[0] in ("-h", "--help"):
        return _say(page.completion())
    if len(words) != 1 or words[0] not in completion.SHELLS:
        got = " ".join(words) or "nothing"
        raise UsageError(f"completion: got {got}, wanted one of {', '.join(completion.SHELLS)}")
    return _say(completion.script(words[0]))


def _say(text: str) -> int:
    sys.stdout.write(text)
    sys.stdout.flush()
    return EXIT_OK
