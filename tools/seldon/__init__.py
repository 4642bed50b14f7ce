"""A real Seldon Core operator on the local cluster, built from its pinned Go module."""
