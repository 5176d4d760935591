"""What users meet is documented: subcommands, settings, keys, and files that the documents name."""

import re
from pathlib import Path

import pytest

from service.settings import PREFIX, Settings
from training.algorithms import ALGORITHMS
from training.cli import COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [command.NAME for command in COMMANDS])
def test_every_subcommand_is_in_the_readme(command):
    assert re.search(rf"`{command}\b|training {command}\b", README)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name):
    assert f"{PREFIX}{name.upper()}" in README
    assert Settings.model_fields[name].description


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_and_key_is_documented(name):
    assert f"`{name}`" in README
    for key, field in ALGORITHMS[name].config.model_fields.items():
        assert field.description, f"{name}.{key} lacks a docstring"


def test_every_file_that_the_architecture_names_is_there():
    known = {path.name for package in ("service", "training") for path in (ROOT / package).rglob("*.py")}
    named = set(re.findall(r"\b([a-z_]+\.py)\b", ARCHITECTURE))
    assert named - known - {"__main__.py"} == set()
    assert len(named) > 20


def test_make_targets_that_the_documents_name_are_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        for target in re.findall(r"\bmake ([a-z-]+)(?=[`\s]*(?:#|`|\n))", text):
            assert re.search(rf"^{target}:", makefile, re.M), f"{document} names make {target}"
