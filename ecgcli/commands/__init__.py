"""The experiments, one file each: every command reads top to bottom as what it does."""
