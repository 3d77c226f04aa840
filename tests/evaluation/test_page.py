"""Pages hold whatever name a file has."""

from __future__ import annotations

import os

from twinlens.evaluation import page


def test_names_that_are_no_utf_8_are_written_out() -> None:
    name = os.fsdecode(b"caf\xe9 & \xc3\xa9.png")
    text = page.page(name, [page.section(name, page.paragraph(name), page.bullets([name]))])
    assert text.encode().decode() == text
    assert text.count("caf\\udce9 &amp; é.png") == 4
