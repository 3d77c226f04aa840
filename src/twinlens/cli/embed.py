"""`twinlens embed`: vectors of files, for use elsewhere."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from twinlens.atomic import write_bytes
from twinlens.bundle import Bundle
from twinlens.cli.options import AsJson, Model, Plugins, load_plugins
from twinlens.cli.progress import counting
from twinlens.data.manifest import read_inputs
from twinlens.errors import ConfigError


def embed_command(
    model: Model,
    path: Annotated[Path, typer.Argument(help="A file, a folder of files, or a table of files.")],
    *,
    out: Annotated[Path, typer.Option(help=".npy file to write; replaced if it exists.")],
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Write an embedding a row, float32; and beside it OUT.txt with the file of each row.

    Rows are projected as the model's comparator has it: of a cosine model they are unit vectors.
    """
    if out.suffix != ".npy":
        raise ConfigError(f"--out must end in .npy. Got {out}. Rename it.")
    load_plugins(plugin)
    bundle = Bundle.load(model)
    inputs = read_inputs(path, modality=bundle.config.modality.name)
    with counting("embedding") as progress:
        vectors = bundle.embed(inputs, progress=progress)
    buffer = io.BytesIO()
    np.save(buffer, vectors, allow_pickle=False)
    names = out.with_suffix(".txt")
    write_bytes(names, b"".join(os.fsencode(name) + b"\n" for name in inputs))
    write_bytes(out, buffer.getvalue())
    facts = {
        "out": str(out),
        "names": str(names),
        "rows": len(vectors),
        "dim": bundle.siamese.dim,
        "model": bundle.fingerprint,
    }
    typer.echo(
        json.dumps(facts)
        if as_json
        else f"{out}: {len(vectors):,} vectors of {bundle.siamese.dim}; their files: {names}."
    )
