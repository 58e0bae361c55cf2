"""Scripts by which a shell completes commands, flags and choices; made from the registry and the jobs' dataclasses.

All that may follow is written into the script: a press of the tab key starts no Python.
"""

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping

from sparkcv import nets
from sparkcv.config import SubmitConfig
from sparkcv.driver.jobs import JOBS, STYLE
from sparkcv.submit.words import SUBMITTED

__all__ = ["CompletedFlag", "SHELLS", "flags", "script"]

_MASTERS = ("yarn", "k8s://", "spark://", "local[2]", "local-cluster[3,1,1024]")
_SHELL_NAMES = ("bash", "zsh", "fish")


@dataclasses.dataclass(frozen=True)
class CompletedFlag:
    """A flag as a shell knows it: ``choices`` may be empty, and ``takes_value`` is false for a switch."""

    name: str
    help: str
    choices: tuple[str, ...] = ()
    takes_value: bool = True


def flags(cls: type) -> list[CompletedFlag]:
    """Return the flags of a job's dataclass, the opposites of switches among them."""
    hints = typing.get_type_hints(cls)
    found = [CompletedFlag("recipe", "TOML file of flags")]
    for field in dataclasses.fields(cls):
        text = field.metadata["help"]
        if hints[field.name] in (bool, bool | None):
            found.append(CompletedFlag(field.name, text, takes_value=False))
            if field.default is True:
                found.append(CompletedFlag(f"no{field.name}", f"not: {text}", takes_value=False))
        else:
            found.append(CompletedFlag(field.name, text, tuple(field.metadata["choices"] or _named(cls, field.name))))
    return [*found, CompletedFlag("help", "all flags, with their defaults", takes_value=False)]


def script(shell: str) -> str:
    """Return the script for one of :data:`SHELLS`."""
    commands = {job.name: job.summary for job in JOBS.values()}
    commands["style"] = "style transfer by two words"
    commands["submit"] = "run a job on a cluster"
    commands["completion"] = "print a script like this one"
    own = {name: flags(job.config) for name, job in JOBS.items()}
    own["submit"] = flags(SubmitConfig)
    return SHELLS[shell](commands, own)


def _named(cls: type, name: str) -> Iterable[str]:
    """Choices that are no part of the flag: names that a registry holds."""
    if name == "model_name":
        return nets.names()
    return _MASTERS if (cls, name) == (SubmitConfig, "master") else ()


def _bash(commands: Mapping[str, str], own: Mapping[str, list[CompletedFlag]]) -> str:
    words = "\n".join(
        f"        {name}) words='{' '.join(f'--{flag.name}' for flag in known)}' ;;" for name, known in own.items()
    )
    choices = "\n".join(
        f"        {name}:--{flag.name}) words='{' '.join(flag.choices)}' ;;"
        for name, known in own.items()
        for flag in known
        if flag.choices
    )
    files = " | ".join(f"--{name}" for name in sorted(_valued(own)))
    return f"""\
# bash completion for sparkcv
_sparkcv() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} command= words= word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD - 1}}"; do
        case "$command:$word" in
        {" | ".join(f":{name}" for name in commands)}) command=$word ;;
        {" | ".join(f"submit:{name}" for name in (*SUBMITTED, "style"))}) command=$word ;;
        {"; ".join(f"style:{kind}) command={name} ;" for kind, name in STYLE.items())};
        esac
    done
    COMPREPLY=()
    case "$command:$prev" in
{choices}
    esac
    if [[ -z $words ]]; then
        case $prev in
        {files}) compopt -o default; return ;;
        esac
        case $command in
        '') words='{" ".join(commands)} --help --version' ;;
        completion) words='{" ".join(_SHELL_NAMES)}' ;;
        style) words='{" ".join(STYLE)}' ;;
{words}
        esac
        [[ $command == submit && $cur != -* ]] && words='{" ".join(SUBMITTED)}'
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}}
complete -F _sparkcv sparkcv
"""


def _zsh(commands: Mapping[str, str], own: Mapping[str, list[CompletedFlag]]) -> str:
    cases = "\n".join(
        f"    {name})\n      _arguments \\\n{_zsh_flags(known)}\n      ;;"
        for name, known in own.items()
        if name != "submit"
    )
    named = "\n".join(f"    {_zsh_quote(f'{name}:{text}')}" for name, text in commands.items())
    jobs = "\n".join(f"    {_zsh_quote(f'{name}:{commands[name]}')}" for name in SUBMITTED)
    return f"""\
#compdef sparkcv
_sparkcv_job() {{
  case $1 in
{cases}
  esac
}}
_sparkcv_submit() {{
  local -a jobs=(
{jobs}
  )
  local at
  for (( at = 2; at < CURRENT; at++ )); do
    if (( ${{jobs[(I)${{words[at]}}:*]}} )); then
      words=("${{(@)words[at,-1]}}"); (( CURRENT -= at - 1 ))
      _sparkcv_job $words[1]
      return
    fi
  done
  _arguments \\
{_zsh_flags(own["submit"])} \\
    '*::job:{{ _describe job jobs }}'
}}
_sparkcv() {{
  local -a commands=(
{named}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    compadd -- --help --version
    return
  fi
  shift words; (( CURRENT-- ))
  case $words[1] in
    submit) _sparkcv_submit ;;
    completion) compadd -- {" ".join(_SHELL_NAMES)} ;;
    style)
      if (( CURRENT == 2 )); then compadd -- {" ".join(STYLE)}; return; fi
      shift words; (( CURRENT-- ))
      case $words[1] in
{chr(10).join(f"        {kind}) _sparkcv_job {name} ;;" for kind, name in STYLE.items())}
      esac ;;
    *) _sparkcv_job $words[1] ;;
  esac
}}
if [ "$funcstack[1]" = _sparkcv ]; then _sparkcv "$@"; else compdef _sparkcv sparkcv; fi
"""


def _zsh_flags(known: Iterable[CompletedFlag]) -> str:
    lines = []
    for flag in known:
        text = flag.help.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
        value = ""
        if flag.choices:
            value = (
                f":{flag.name}:(" + " ".join(one.replace("[", "\\[").replace(":", "\\:") for one in flag.choices) + ")"
            )
        elif flag.takes_value:
            value = f":{flag.name}:_files"
        star = "*" if flag.name == "conf" else ""
        lines.append(f"    {_zsh_quote(f'{star}--{flag.name}[{text}]{value}')}")
    return " \\\n".join(lines)


def _zsh_quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish(commands: Mapping[str, str], own: Mapping[str, list[CompletedFlag]]) -> str:
    lines = ["# fish completion for sparkcv", "complete -c sparkcv -f"]
    names = " ".join(commands)
    for name, text in commands.items():
        lines.append(
            f"complete -c sparkcv -n 'not __fish_seen_subcommand_from {names}' -a {name} -d {_fish_quote(text)}"
        )
    for name, text in (("help", "how it is used"), ("version", "the versions that matter")):
        lines.append(
            f"complete -c sparkcv -n 'not __fish_seen_subcommand_from {names}' -l {name} -d {_fish_quote(text)}"
        )
    shells = " ".join(_SHELL_NAMES)
    lines.append(f"complete -c sparkcv -n '__fish_seen_subcommand_from completion' -a '{shells}'")
    kinds = f"__fish_seen_subcommand_from style; and not __fish_seen_subcommand_from {' '.join(STYLE)}"
    lines.append(f"complete -c sparkcv -n '{kinds}' -a '{' '.join(STYLE)}'")
    before_job = f"__fish_seen_subcommand_from submit; and not __fish_seen_subcommand_from {' '.join(SUBMITTED)}"
    lines += [f"complete -c sparkcv -n '{before_job}' -a {name} -d {_fish_quote(commands[name])}" for name in SUBMITTED]
    for name, known in own.items():
        seen = before_job if name == "submit" else f"__fish_seen_subcommand_from {name}"
        lines += [f"complete -c sparkcv -n '{seen}' {_fish_flag(flag)}" for flag in known]
    for kind, name in STYLE.items():
        seen = f"__fish_seen_subcommand_from style; and __fish_seen_subcommand_from {kind}"
        lines += [f"complete -c sparkcv -n '{seen}' {_fish_flag(flag)}" for flag in own[name] if kind != name]
    return "\n".join(lines) + "\n"


def _fish_flag(flag: CompletedFlag) -> str:
    value = ""
    if flag.choices:
        escaped = " ".join(re.sub(r"([^\w/:.-])", r"\\\1", choice) for choice in flag.choices)  # they are expanded
        value = f" -x -a {_fish_quote(escaped)}"
    elif flag.takes_value:
        value = " -r -F"
    return f"-l {flag.name}{value} -d {_fish_quote(flag.help)}"


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _valued(own: Mapping[str, list[CompletedFlag]]) -> set[str]:
    return {flag.name for known in own.values() for flag in known if flag.takes_value}


SHELLS: Mapping[str, Callable[[Mapping[str, str], Mapping[str, list[CompletedFlag]]], str]] = types.MappingProxyType(
    {"bash": _bash, "zsh": _zsh, "fish": _fish}
)
