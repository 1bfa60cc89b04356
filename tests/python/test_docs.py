"""The examples of docs/python.md run, one after the other, as they stand there."""

import re

from conftest import SOURCE

PAGE = (SOURCE / "docs/python.md").read_text("utf-8")


def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.finditer(r"```python\n(.*?)```", PAGE, re.DOTALL):
        line = PAGE[: block.start(1)].count("\n") + 1
        exec(compile("\n" * (line - 1) + block.group(1), "docs/python.md", "exec"), names)
    assert names["scores"].shape[-1] == 10
