"""Training curves for TensorBoard."""

from __future__ import annotations

from pathlib import Path

from twinlens.errors import ConfigError
from twinlens.training.history import Progress


class TensorBoard:
    """A listener that writes every log line as scalars.

    Args:
        folder: of event files, made when missing.

    Raises:
        ConfigError: the package tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "--tensorboard needs the package tensorboard. Got none. Install twinlens with the "
                "extra: twinlens[tensorboard]."
            ) from error
        self._writer = SummaryWriter(str(folder))

    def update(self, event: Progress) -> None:
        line = event.line
        if line is None:
            return
        scalars = {
            "loss": line.loss,
            "learning_rate": line.learning_rate,
            "examples_per_second": line.examples_per_second,
            **{f"parts/{name}": value for name, value in line.parts.items()},
        }
        if line.validation is not None:
            scalars["validation"] = line.validation
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, line.step)
        self._writer.flush()
