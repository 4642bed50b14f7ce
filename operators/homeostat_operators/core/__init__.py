"""What every operator is made of: the loop, its queue and its actions; no kind is known here."""
