"""The values that stories send and receive."""

Label = int | float | str
Outputs = dict[str, list[Label]]
"""A prediction's outputs: the values of each by its name."""
