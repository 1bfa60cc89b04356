"""What _hetmap.pyi says that the extension has, it has, and nothing else."""

import ast

from conftest import SOURCE
from hetmap import _hetmap


def names_of(body):
    """Functions, classes and variables; of those that begin with an underscore, none."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            name = node.name
        elif isinstance(node, ast.AnnAssign):
            name = node.target.id
        else:
            continue
        if not name.startswith("_"):
            yield name, node


def public(thing):
    return {name for name in vars(thing) if not name.startswith("_")}


def test_the_stubs_name_what_there_is():
    stubs = dict(names_of(ast.parse((SOURCE / "python/hetmap/_hetmap.pyi").read_text()).body))
    assert stubs.keys() == public(_hetmap)
    for name, node in stubs.items():
        if isinstance(node, ast.ClassDef):
            assert dict(names_of(node.body)).keys() == public(getattr(_hetmap, name)), name
