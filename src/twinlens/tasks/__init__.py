"""What a user wants done with a model."""
