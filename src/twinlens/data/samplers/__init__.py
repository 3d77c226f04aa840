"""Which examples make the next batch: functions of (seed, step, rank), without state."""
