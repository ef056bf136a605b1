"""What `make docs` writes into the site from the code: settings, commands, the map, notebooks and recorded answers.

MkDocs calls the functions `on_...` (see `hooks` in mkdocs.yml). A page holds `<!-- generated: NAME -->` where a list
belongs, so that no list is kept by hand.
"""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.models import CommandInfo, OptionInfo

import nextbest
from nextbest.data.config import DataConfig
from nextbest.pipeline.config import RunConfig
from nextbest.serving.backends.config import ClientConfig
from nextbest.ui.cli import app
from nextbest.ui.page.config import PageConfig

DOCS = Path(__file__).resolve().parent
RECORDED = DOCS / "recorded"
"""What `python -m docs.record` wrote: requests, answers and what the notebooks printed."""
_MARKER = re.compile(r"<!-- generated: (.+?) -->")
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than", "min_length": "at least"}


# Settings


def settings_page(model: type[BaseModel], section: str = "") -> str:
    """Return a table of a TOML's keys for each section that a settings model describes."""
    return "\n".join(_sections(model, section, 3))


def count_settings(model: type[BaseModel]) -> int:
    """Return how many keys a settings model has, those of its sections included."""
    return sum(
        1 if found is None else count_settings(found[0])
        for found in (_section_of(field.annotation, model) for field in model.model_fields.values())
    )


def _sections(model: type[BaseModel], section: str, level: int) -> Iterator[str]:
    rows, inner = [], []
    for name, field in model.model_fields.items():
        key = f"{section}.{name}" if section else name
        found = _section_of(field.annotation, model)
        if found is None:
            rows.append(_row(f"`{name}`", _type_text(field), _default(field), field.description or ""))
        else:
            inner.append((found[0], key + found[1]))
    if section:
        yield f"{'#' * level} `[{section}]`\n"
        yield f"{_one_line(model.__doc__ or '')}\n"
    if rows:
        yield "| key | type | default | meaning |\n|---|---|---|---|"
        yield "\n".join(rows) + "\n"
    for nested, key in inner:
        yield from _sections(nested, key, level)


def _section_of(annotation: Any, model: type[BaseModel]) -> tuple[type[BaseModel], str] | None:
    """Return the settings model that a model's field holds, and what its key gets for a section of its own; else None.

    A field that holds more of the model itself, as conditions hold conditions, is a value.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return None if issubclass(model, annotation) else (annotation, "")
    for argument in get_args(annotation):
        found = _section_of(argument, model)
        if found is not None:
            inner = ".NAME" if get_origin(annotation) in (dict, Mapping) else ""
            return found[0], inner + found[1]
    return None


def _type_text(field: FieldInfo) -> str:
    bounds = [
        f"{words} {getattr(bound, name):,}"
        for bound in field.metadata
        for name, words in _BOUNDS.items()
        if getattr(bound, name, None) is not None
    ]
    return ", ".join([_annotation_text(field.annotation), *bounds])


def _annotation_text(annotation: Any) -> str:
    """Return a type as someone who writes TOML reads it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(choice)}`" for choice in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_annotation_text(one) for one in arguments if one is not type(None))
    if origin is Annotated:
        return _annotation_text(arguments[0])
    if origin in (tuple, list, frozenset, set) or (origin is not None and "Sequence" in str(origin)):
        inner = [_annotation_text(one) for one in arguments if one is not Ellipsis]
        return f"list of {' and '.join(dict.fromkeys(inner))}"
    if origin in (dict, Mapping):
        return f"table of {_annotation_text(arguments[1])}"
    plain = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}
    return plain.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    return "-" if value is None else f"`{json.dumps(value, default=str)}`"


# Commands


def commands_page() -> str:
    """Return the options of `nextbest` itself, where it has some, and a section per command."""
    parts = []
    for command in (app.registered_callback, *app.registered_commands):
        if command is None or command.callback is None:
            continue
        if isinstance(command, CommandInfo):
            name, text = command.callback.__name__, inspect.getdoc(command.callback) or ""
            parts.append(f"## nextbest {name}\n\n{_one_line(text)}\n")
        rows = "\n".join(_option_rows(command.callback))
        parts.append(f"| option | value | default | meaning |\n|---|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def _option_rows(function: Callable[..., Any]) -> Iterator[str]:
    hints = typing.get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        if get_origin(hints[name]) is not Annotated:
            continue  # what Typer hands over itself
        annotation, option, *_ = get_args(hints[name])
        value, default = _annotation_text(annotation), parameter.default
        if option.min is not None:
            value += f", at least {option.min}"
        if annotation is bool:
            value, default = "-", None
        shown = "must be given" if default is parameter.empty else "-" if default is None else f"`{default}`"
        # Within Annotated, Typer's "default" is the option's first name.
        declared = (option.default, *option.param_decls) if isinstance(option, OptionInfo) else (option.metavar,)
        names = ", ".join(f"`{name}`" for name in declared)
        yield _row(names, value, shown, option.help or "")


def _row(*cells: str) -> str:
    return f"| {' | '.join(_one_line(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _one_line(text: str) -> str:
    return " ".join(text.split())


# Python


def public_functions() -> list[str]:
    """Return the names of nextbest's public functions, in the order of their definition."""
    return [name for name, value in vars(nextbest).items() if name in nextbest.__all__ and inspect.isfunction(value)]


def public_types() -> list[str]:
    """Return the names of nextbest's other public names: its classes and errors."""
    return [name for name in nextbest.__all__ if name not in public_functions() and not name.startswith("_")]


def documented(names: list[str]) -> str:
    """Return what lets mkdocstrings describe some of nextbest's names."""
    return "\n\n".join(f"::: nextbest.{name}" for name in names)


# The map of CONTRIBUTING.md, recorded answers and notebooks


def contributing_section(title: str) -> str:
    """Return a section of CONTRIBUTING.md without its heading."""
    text = (DOCS.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return str(found).strip()


def recorded(name: str) -> str:
    """Return a recorded file as a block of code."""
    return f"```json\n{(RECORDED / name).read_text(encoding='utf-8').strip()}\n```"


def recorded_bank() -> str:
    """Return which models gave the recorded answers."""
    bank = json.loads((RECORDED / "bank.json").read_text(encoding="utf-8"))
    return (
        f"*Answered by models of a simulated bank of {bank['customers']:,} customers and {bank['products']:,} "
        "products. `python -m docs.record` writes the answers again, after `make run`.*"
    )


def notebook_page(path: Path) -> str:
    """Return a notebook as a page: its text, its code, and what it printed when it was recorded."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    printed = json.loads((RECORDED / "notebooks.json").read_text(encoding="utf-8")).get(path.stem, [])
    outputs = iter(printed)
    parts = []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        if output := next(outputs, "").rstrip():
            parts.append(f"```text\n{output}\n```")
    title, *others = parts
    note = f"The notebook: [{path.name}]({path.name}). {recorded_bank()}"
    return "\n\n".join([title, note, *others]) + "\n"


_GENERATED: dict[str, Callable[[], str]] = {
    "settings of a run": lambda: settings_page(RunConfig),
    "settings of the page": lambda: settings_page(PageConfig),
    "settings of a client": lambda: settings_page(ClientConfig),
    "number of settings": lambda: str(count_settings(RunConfig)),
    "number of settings outside data": lambda: str(count_settings(RunConfig) - count_settings(DataConfig)),
    "functions": lambda: documented(public_functions()),
    "types": lambda: documented(public_types()),
    "commands": commands_page,
    "map": lambda: contributing_section("The map"),
    "shape": lambda: contributing_section("The shape"),
    "recorded bank": recorded_bank,
}


def fill(markdown: str) -> str:
    """Put what is generated in the place of its markers.

    Raises:
        KeyError: Nothing of that name is generated.
    """

    def write(marker: re.Match[str]) -> str:
        name = marker[1]
        return recorded(name) if name.endswith(".json") else _GENERATED[name]()

    return _MARKER.sub(write, markdown)


# What MkDocs calls


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page beside each notebook."""
    for notebook in sorted((DOCS / "notebooks").glob("*.ipynb")):
        uri = notebook.relative_to(DOCS).with_suffix(".md").as_posix()
        files.append(File.generated(config, uri, content=notebook_page(notebook)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill a page."""
    return fill(markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Take the address of a diagram library, which no page uses, out of the theme's script: nothing leaves the site."""
    for script in Path(config.site_dir).glob("assets/javascripts/bundle.*.js"):
        text = script.read_text(encoding="utf-8")
        script.write_text(re.sub(r"https://unpkg\.com/[^\"'`]*", "", text), encoding="utf-8")
