"""Online features: the newest row of every entity, in a documented layout that needs no Feast to be read."""
