"""Pure mathematics without state."""
