"""Monitor: signals to causes, causes to decisions, decisions to at most one TrainingJob."""
