"""Settings with which a test trains in about a second."""

SHORT = (
    "train.steps=12",
    "train.warmup_steps=2",
    "train.validate_every=4",
    "train.log_every=2",
    "train.precision=float32",
)
"""Steps, whatever is trained."""
SMALL = (
    "modality.size=16",
    "modality.turned_classes=off",
    "encoder.widths=[4,8]",
    "encoder.strides=[1,2]",
    "encoder.grid=2",
    "encoder.dim=8",
    *SHORT,
    "data.validation_share=0.2",
    "data.calibration_share=0",
    "data.test_share=0.2",
)
