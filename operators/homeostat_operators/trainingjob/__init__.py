"""The TrainingJob operator: numbered attempts, one registered version, and why it ended as it did."""
