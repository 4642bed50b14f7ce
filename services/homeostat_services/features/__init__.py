"""The features service: what the online store holds of an entity, for people and for callers other than predictors."""
