"""Settings with which a test trains in about a second."""

SMALL = (
    "modality.size=16",
    "modality.turned_classes=off",
    "encoder.widths=[4,8]",
    "encoder.strides=[1,2]",
    "encoder.grid=2",
    "encoder.dim=8",
    "train.steps=12",
    "train.warmup_steps=2",
    "train.validate_every=4",
    "train.log_every=2",
    "train.precision=float32",
    "data.validation_share=0.2",
    "data.calibration_share=0",
    "data.test_share=0.2",
)
