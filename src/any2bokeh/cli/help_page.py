"""The help of a command: its examples, then its options in groups, the everyday ones first."""

from collections.abc import Iterator
from typing import Any

from typer.core import TyperCommand, TyperGroup

NAME_WIDTH = 24  # characters of the left column; a longer name has a line of its own
FEW = 12  # so many options need no groups

# Each group's options in the order in which they are shown. A name stands once, whatever commands have it.
GROUPS: dict[str, tuple[str, ...]] = {
    "The experiment": (
        *("--methods", "--predictions", "--checkpoint", "--perturb", "--ablations", "--limit", "--shown"),
        *("--data", "--stage", "--size", "--validation", "--set", "--config", "--resume"),
        *("--clips", "--frames", "--scenes", "--split", "--versions", "--motion-blur", "--samples"),
        *("--seed", "--foregrounds", "--backgrounds"),
    ),
    "What to look at": (
        *("--at", "--html", "--contact", "--sweep", "--stills", "--focus-values", "--k-values", "--colors"),
    ),
    "What stays sharp": (
        *("--focus", "--subject", "--not-subject", "--focus-mask", "--follow", "--focus-at", "--focus-track"),
        *("--focus-m", "--dof-range"),
    ),
    "How much blur": (
        *("--k", "--near-strength", "--far-strength"),
        *("--f-stop", "--focal-length", "--near-m", "--far-m"),
    ),
    "The look": (
        *("--aperture", "--blades", "--roundness", "--rotation", "--highlights", "--cats-eye"),
        *("--anamorphic", "--grain", "--renderer", "--quality"),
    ),
    "Depth": ("--depth", "--disparity", "--disparity-kind", "--steady", "--align-edges"),
    "Files": (
        *("--output", "--overwrite", "--skip-existing", "--start", "--end", "--codec", "--crf", "--preset"),
        *("--pix-fmt", "--lossless", "--audio", "--save-focus-track", "--dry-run", "--json", "--quiet"),
    ),
    "Pictures": (
        "--missing",
        "--fps",
        "--start-number",
        "--color",
        "--color-out",
        "--input-range",
        "--ocio",
        "--input-space",
        "--output-space",
        "--exr-compression",
        "--aovs",
        "--export",
        "--input-format",
        "--output-format",
    ),
    "Long jobs": (
        *("--shards", "--shard", "--work", "--workers", "--cluster", "--cpus-per-worker"),
        *("--keep-work", "--report", "--progress"),
        "--commands",
    ),
    "Speed": ("--device", "--jobs", "--depth-every", "--depth-size", "--cache", "--low-memory", "--compile"),
}
TYPED = "any2bokeh.typed"  # in a command's context: the words of its command line
EXPERT = "Expert"  # the group of all others, in the order of the command

# Two for each command: the commonest use, then the next one that people ask for.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "refocus": (
        "bokeh refocus in.mp4 --subject 960,540 --k 16",
        "bokeh refocus in.mp4 --focus 0.4 --k 12",
    ),
    "preview": (
        "bokeh preview in.mp4 --html look.html",
        "bokeh preview in.mp4 --at 2.5s --focus 0.4 --k 12",
    ),
    "plan": (
        "bokeh plan in.mp4 --focus 0.4 --k 12 --shards 8",
        "bokeh plan in.mp4 --focus 0.4 --k 12 --shards 8 --work parts --commands",
    ),
    "join": (
        "bokeh join parts",
        "bokeh join parts -o out.mp4",
    ),
    "depth": (
        "bokeh depth in.mp4",
        "bokeh depth in.mp4 --colors disparity.mp4",
    ),
    "mask": (
        "bokeh mask in.mp4 --subject 960,540@2.5s",
        "bokeh mask in.mp4 --subject 960,540 --not-subject 700,300",
    ),
    "download-weights": (
        "bokeh download-weights",
        "bokeh download-weights depth-base",
    ),
    "import-weights": (
        "bokeh import-weights any-to-bokeh.zip",
        "bokeh import-weights my-weights/ --name mine",
    ),
    "doctor": (
        "bokeh doctor",
        "bokeh doctor --verify",
    ),
    "synthesize": (
        "bokeh synthesize data/train --clips 200",
        "bokeh synthesize data/test --split test --scenes rich --clips 12",
    ),
    "train": (
        "bokeh train runs/a --data data/train --set steps=2000",
        "bokeh train runs/a --resume",
    ),
    "evaluate": (
        "bokeh evaluate data/test --methods none,lens,small",
        "bokeh evaluate clip.mp4 --focus 0.4 --k 12 -o results/",
    ),
}
RESEARCH = ("synthesize", "train", "evaluate")


class HelpPage(TyperCommand):
    """A command whose help is written for reading: no types of a programming language, no endless list."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep the words as they were typed, for a command that tells others."""
        ctx.meta[TYPED] = list(args)
        return list(super().parse_args(ctx, args))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The arguments as they are called, then the options."""
        arguments = [str(one.metavar or one.name) for one in self.params if _is_argument(one)]
        return [*arguments, "[OPTIONS]"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write examples, arguments and the groups of options that this command has."""
        with formatter.section("Examples"):
            for example in EXAMPLES.get(self.name or "", ()):
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")
        for title, parameters in grouped(self.params):
            rows = [(_name(one, ctx).ljust(NAME_WIDTH), _explained(one)) for one in parameters]
            with formatter.section(title):
                formatter.write_dl(rows, col_max=NAME_WIDTH)


class CommandList(TyperGroup):
    """The program, whose help lists what everybody needs before what researchers need besides."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands with the first sentence of their help."""
        commands = {name: self.commands[name] for name in self.list_commands(ctx)}
        for title, is_research in (("Commands", False), ("For research", True)):
            rows = [
                (name, command.get_short_help_str(100))
                for name, command in commands.items()
                if (name in RESEARCH) == is_research
            ]
            with formatter.section(title):
                formatter.write_dl(rows)


def grouped(parameters: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the title and the parameters of each group that has some, in the order of the help."""
    arguments = [one for one in parameters if _is_argument(one)]
    options = [one for one in parameters if not _is_argument(one)]
    if arguments:
        yield "Arguments", arguments
    titles = ("Options",) if len(options) <= FEW else (*GROUPS, EXPERT)
    for title in titles:
        found = [one for one in options if title in ("Options", _group(one))]
        if found:
            yield title, sorted(found, key=_place)


def long_name(parameter: Any) -> str:
    """The name of an option without its short one, and without the one that turns it off."""
    return next((str(name) for name in parameter.opts if name.startswith("--")), parameter.opts[0])


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _group(option: Any) -> str:
    name = long_name(option)
    if name == "--start" and option.metavar != "TIME":  # train starts from weights, all others at a moment
        return "The experiment"
    if panel := getattr(option, "rich_help_panel", None):  # a name that another command has in another group
        return str(panel)
    if name == "--frames" and option.metavar == "NUMBERS":  # of pictures, elsewhere a count
        return "Pictures"
    return next((title for title, names in GROUPS.items() if name in names), EXPERT)


def _place(option: Any) -> int:
    names = [name for names in GROUPS.values() for name in names]
    return names.index(long_name(option)) if long_name(option) in names else len(names)


def _name(parameter: Any, context: Any) -> str:
    if _is_argument(parameter):
        return str(parameter.metavar or parameter.name)
    names = ", ".join(parameter.opts) + "".join(f"/{name}" for name in parameter.secondary_opts)
    if parameter.is_flag:
        return names
    return f"{names} {parameter.metavar or _kind(parameter.display_type(context))}"


def _kind(displayed: str) -> str:
    """What an option takes, in a word of the reader's: the choices themselves, or what a type stands for."""
    kind = displayed.strip("<>").removeprefix("list[").removesuffix("]")
    return {"str": "NAME", "path": "FILE", "file": "FILE"}.get(kind.lower(), kind)


def _explained(parameter: Any) -> str:
    help_text, default = parameter.help or "", _default(parameter)
    if not default:
        return str(help_text)
    if help_text.endswith("]"):  # a range
        return f"{help_text[:-1]}, default {default}]"
    return f"{help_text} [default {default}]"


def _default(parameter: Any) -> str:
    value = parameter.default
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if not parameter.show_default or value in (None, (), []) or (value is False and _is_switch(parameter)):
        return ""
    if isinstance(value, bool):
        return str((parameter.opts if value else parameter.secondary_opts)[0])
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_switch(parameter: Any) -> bool:
    """Whether it can only be turned on."""
    return not getattr(parameter, "secondary_opts", ())
