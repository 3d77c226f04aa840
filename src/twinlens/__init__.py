"""twinlens: Siamese networks with decisions that can be trusted."""
