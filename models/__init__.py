"""What the system knows: frozen values in memory, tables at rest. Floor 1; imports nothing of ours above it."""
