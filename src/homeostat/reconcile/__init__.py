"""What every reconciler shares, free of input and output: errors, conditions, events, names."""
