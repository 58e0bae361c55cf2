"""What the pages say is there: links, flags, rooms, and a schedule that can be copied."""

import ast
import dataclasses
import importlib
import pathlib
import re
import shlex
import subprocess

import pytest

from sparkcv import config
from sparkcv.config.flags import parse
from sparkcv.driver.jobs import JOBS, STYLE, one_word
from sparkcv.errors import UsageError
from tests import flag_table
from tests.test_layers import ROOMS, ROOT

PAGES = sorted(path for pattern in ("*.md", "docs/*.md", "findings/*.md", "bench/*.md") for path in ROOT.glob(pattern))
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
CONFIGS = {
    "batch_inference.py": config.ScoreConfig,
    "caption_pictures.py": config.CaptionConfig,
    "captions_demo.py": config.CaptionsDemoConfig,
    "convert_captions.py": config.ConvertCaptionsConfig,
    "convert_images.py": config.ConvertConfig,
    "demo.py": config.DemoConfig,
    "doctor.py": config.DoctorConfig,
    "eval_image_classifier.py": config.EvalConfig,
    "export_inference_graph.py": config.ExportConfig,
    "fit_statistics.py": config.StatisticsConfig,
    "reproduce.py": config.ReproduceConfig,
    "serve.py": config.ServeConfig,
    "show_run.py": config.TensorBoardConfig,
    "style_transfer.py": config.StyleTransferConfig,
    "stylize.py": config.StylizeConfig,
    "super_resolve.py": config.SuperResolveConfig,
    "synthesize_texture.py": config.TextureConfig,
    "export_captions.py": config.ExportCaptionsConfig,
    "score_captions.py": config.ScoreCaptionsConfig,
    "evaluate_captions.py": config.EvaluateCaptionsConfig,
    "train_captions.py": config.TrainCaptionsConfig,
    "text2image_demo.py": config.Text2ImageDemoConfig,
    "evaluate_text2image.py": config.EvaluateText2ImageConfig,
    "generate_pictures.py": config.GenerateConfig,
    "train_text2image.py": config.TrainText2ImageConfig,
    "train_image_classifier.py": config.TrainConfig,
    "train_style_net.py": config.TrainStyleConfig,
}
COMMANDS = {
    "caption": config.CaptionConfig,
    "captionsdemo": config.CaptionsDemoConfig,
    "convert": config.ConvertConfig,
    "convertcaptions": config.ConvertCaptionsConfig,
    "demo": config.DemoConfig,
    "doctor": config.DoctorConfig,
    "evaluate": config.EvalConfig,
    "export": config.ExportConfig,
    "reproduce": config.ReproduceConfig,
    "score": config.ScoreConfig,
    "serve": config.ServeConfig,
    "styletransfer": config.StyleTransferConfig,
    "statistics": config.StatisticsConfig,
    "stylize": config.StylizeConfig,
    "superresolve": config.SuperResolveConfig,
    "tensorboard": config.TensorBoardConfig,
    "texture": config.TextureConfig,
    "train": config.TrainConfig,
    "exportcaptions": config.ExportCaptionsConfig,
    "scorecaptions": config.ScoreCaptionsConfig,
    "evaluatecaptions": config.EvaluateCaptionsConfig,
    "traincaptions": config.TrainCaptionsConfig,
    "text2imagedemo": config.Text2ImageDemoConfig,
    "evaluatetext2image": config.EvaluateText2ImageConfig,
    "generate": config.GenerateConfig,
    "traintext2image": config.TrainText2ImageConfig,
    "trainstyle": config.TrainStyleConfig,
}
COMMANDS |= {f"style {kind}": COMMANDS[name] for kind, name in STYLE.items()}
# Of a fenced block or of words in code: the command, its continued lines, up to what ends it.
_COMMAND = re.compile(
    r"(?:\bjobs/(?P<job>[a-z]\w*\.py)|\bsparkcv (?P<command>style [a-z]+|[a-z]+))(?P<words>(?: |\\\n|[^\n`#])*)"
)
_FLAG = re.compile(r"(?<!\S)--(\w+)")


def text_of(path: pathlib.Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(text: str) -> str:
    """Leave out fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(path: pathlib.Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    titles = re.findall(r"^#+ (.*)$", prose(text_of(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(path: pathlib.Path) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(text_of(path))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def unknown_flags(text: str) -> list[str]:
    """Return the flags shown behind a job that the job does not have; those before it are spark-submit's."""
    unknown = []
    for found in _COMMAND.finditer(text):
        cls = CONFIGS.get(found["job"]) if found["job"] else COMMANDS.get(found["command"])
        if cls is None:
            assert not found["job"], f"{found['job']} is no job"
            continue
        known = {field.name for field in dataclasses.fields(cls)} | {"recipe", "help"}
        unknown += [f"{found[0].split()[0]} --{name}" for name in _FLAG.findall(found["words"]) if name not in known]
    return unknown


def commands(text: str) -> list[list[str]]:
    """Return the words of the job commands in a page's blocks for a shell, from the job's name on."""
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for found in blocks for line in found.replace("\\\n", " ").splitlines()]
    shown = [found[1] for line in lines if (found := re.search(r"(?:^|\s)((?:jobs/\w+\.py|sparkcv) [^#]*)", line))]
    return [
        [word for word in shlex.split(one) if word != "..."] for one in shown if not one.startswith("sparkcv import")
    ]


def refused(words: list[str]) -> str:
    """Return what the job's own flags say of a command: the error, or "" where they take it."""
    name, *rest = words
    try:
        if name == "sparkcv" and rest[0] == "submit":
            at = next(index for index, word in enumerate(rest) if word in JOBS)
            parse(config.SubmitConfig, rest[1:at], "submit")
            rest = rest[at:]
        if name == "sparkcv":
            job, *rest = one_word(rest)
            parse(JOBS[job].config, rest, job)
        else:
            parse(CONFIGS[name.removeprefix("jobs/")], rest, name)
    except UsageError as err:
        return f"{' '.join(words)}: {err}"
    return ""


def block(page: str, language: str) -> str:
    """Return the one fenced block of that language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", text_of(ROOT / page), re.MULTILINE | re.DOTALL)
    return found


def test_the_page_at_the_door_is_short():
    assert len(text_of(ROOT / "README.md").splitlines()) <= 200


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_leads_somewhere(name):
    assert broken_links(ROOT / name) == []


@pytest.mark.parametrize(
    ("link", "is_broken"),
    [
        ("other.md", False),
        ("other.md#two-words-c-d", False),
        ("#here", False),
        ("https://example.org/x", False),
        ("missing.md", True),
        ("other.md#missing", True),
        ("#missing", True),
    ],
)
def test_a_broken_link_is_found(tmp_path, link, is_broken):
    (tmp_path / "other.md").write_text("# Title\n\n## Two words: `c-d`\n\n```\n# missing\n```\n")
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n\nSee [it]({link}).\n")
    assert broken_links(page) == ([link] if is_broken else [])


CONF = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("conf/**/*")) if path.is_file()]


@pytest.mark.parametrize("name", [*NAMES, *CONF])
def test_every_flag_shown_exists(name):
    text = re.sub(r"^# ?", "", text_of(ROOT / name), flags=re.MULTILINE) if "conf/" in name else text_of(ROOT / name)
    assert unknown_flags(text) == []


def test_every_command_shown_is_taken_by_its_job():
    shown = [words for name in NAMES for words in commands(text_of(ROOT / name))]
    assert len(shown) > 30
    assert [said for words in shown if "--help" not in words and (said := refused(words))] == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("sparkcv train --batch_size many", "--batch_size"),
        ("sparkcv submit --master yarn train --batch_size 0", "--batch_size"),
        ("spark-submit --queue x jobs/batch_inference.py \\\n  --top_k 3", "is missing"),
    ],
)
def test_a_command_that_its_job_refuses_is_found(command, said):
    (words,) = commands(f"```sh\n{command}  # a try\n```\n")
    assert said in refused(words)


@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("conf/*.toml")))
def test_a_recipe_begins_with_its_command_its_cost_and_what_came_out(name):
    lines = [line for line in text_of(ROOT / "conf" / name).splitlines() if line.startswith("#")]
    told = " ".join(line.lstrip("# ") for line in lines)
    command, cost, expected = re.findall(r"Command:(.+) Cost:(.+) Expected:(.+)", told)[0]
    assert f"--recipe conf/{name}" in command
    assert re.search(r"\d", cost)
    assert re.search(r"\d", expected)
    assert "not measured" not in told


@pytest.mark.parametrize("name", NAMES)
def test_every_flag_named_in_passing_is_of_some_job_or_bench(name):
    known = {field.name for cls in (*CONFIGS.values(), config.SubmitConfig) for field in dataclasses.fields(cls)}
    known |= {name for path in ROOT.glob("bench/*.py") for name in re.findall(r'"--(\w+)"', text_of(path))}
    named = set(re.findall(r"--([a-z0-9]+_\w+)", text_of(ROOT / name)))
    assert sorted(named - known) == []


def test_a_flag_that_no_longer_exists_is_found():
    text = (
        "```\nspark-submit --queue x jobs/doctor.py --keytab K \\\n  --gone 1\n```\nand `sparkcv train --lost` or more"
    )
    assert unknown_flags(text) == ["jobs/doctor.py --gone", "sparkcv --lost"]


def test_the_page_of_training_has_every_flag_as_it_is():
    page = text_of(flag_table.PAGE)
    assert page == flag_table.with_table(page), "python -m tests.flag_table writes it again"


def test_the_table_of_rooms_has_every_room_in_their_order():
    table = text_of(ROOT / "README.md").partition("## The rooms")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = [name for cell in cells for name in re.findall(r"`(\w+)/?`", cell)]
    rooms = [name for name in named if name in ROOMS]
    assert rooms == list(ROOMS)
    assert all((ROOT / name).is_dir() or (ROOT / "sparkcv" / name).is_dir() for name in named if name not in ROOMS)


def test_every_page_of_docs_is_reached_from_the_page_at_the_door():
    door = text_of(ROOT / "README.md")
    assert [name for name in NAMES if name.startswith("docs/") and f"({name}" not in door] == []


def test_the_airflow_schedule_calls_a_job_with_flags_that_it_has():
    dag = block("docs/operations.md", "python")
    words = [node.value for node in ast.walk(ast.parse(dag)) if isinstance(node, ast.Constant) and node.value]
    flags = {field.name for field in dataclasses.fields(config.ScoreConfig)}
    shown = [word.removeprefix("--") for word in words if isinstance(word, str) and word.startswith("--")]
    assert {"input", "model_dir", "output_dir", "date"} <= set(shown)
    assert [word for word in shown if "_" in word and word not in flags] == []
    compile(dag, "sparkcv_nightly.py", "exec")


def test_the_cron_schedule_is_a_shell_script():
    done = subprocess.run(["sh", "-n"], input=block("docs/operations.md", "sh"), text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_make_bench_runs_benches_and_not_the_programs_that_they_start(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bench")
    run_all = importlib.import_module("run_all")
    names = [path.name for path in run_all.benches()]
    assert {"r01_input.py", "r02_hdfs_step.py", "r11_recovery.py"} <= set(names)
    assert [name for name in names if name.endswith("_side.py") or name == "r12_serving.py"] == []
    assert [path.name for path in run_all.benches("r12")] == ["r12_serving.py"]


def test_every_bench_shown_is_there_and_has_the_flags_that_it_needs():
    shown = [
        found for name in NAMES for found in re.findall(r"`(python (?:bench/|-m bench\.)[^`]+)`", text_of(ROOT / name))
    ]
    assert len(shown) > 20
    lacking = []
    for command in shown:
        file = re.sub(r"^-m bench\.(\w+)", r"bench/\1.py", command.replace("\n", " ").removeprefix("python ")).split()[
            0
        ]
        needed = re.findall(r'add_argument\(\s*"(--\w+)"[^)]*required=True', text_of(ROOT / file))
        lacking += [f"{command}: {flag}" for flag in needed if f"{flag} " not in command]
    assert lacking == []


def test_every_finding_says_what_it_shows_and_is_in_the_list():
    table = text_of(ROOT / "findings/README.md")
    for path in ROOT.glob("findings/*.sh"):
        text = text_of(path)
        assert path.stat().st_mode & 0o111, f"{path.name} cannot be run"
        assert f"({path.name})" in table
        for word in ("# Behaviour:", "# Seen:", "# Output:", "# Why it matters:", "mktemp -d"):
            assert word in text, f"{path.name} lacks {word!r}"
        assert "sparkcv" not in text
